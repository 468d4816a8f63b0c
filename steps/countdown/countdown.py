"""Items of the countdown that are computed from others of the same run, and notices in Slack or by mail."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from pytest_bdd import parsers

import probes
from gates.decide.catalogue import COMPUTED
from gates.decide.judgement import Judgement
from gates.decide.outcome import Meaning, Outcome
from gates.decide.verdict import FINISHED, Finished
from gates.load import Checks, load_catalogue
from probes.observation import Failure, utc_now
from probes.slack import Messages
from settings.people import Mailed, Notice
from steps.countdown import rules
from steps.kit.asked import Asked
from steps.kit.failures import instrument_error
from steps.kit.request import EVENTS
from steps.kit.run import Run
from steps.kit.sentence import then, when
from steps.kit.statements import by_people
from steps.monitoring import watchers
from steps.statements.signed import judge_signed

_MOST_PAGES = 20
Results = Mapping[str, Mapping[str, Outcome | None]]
"""By check and region."""


@when("the results of this run's other items are read", target_fixture="results")
def results(run: Run) -> Results:
    """Return what was found of each item that this run asks, but for those that are computed."""
    found = {one.check: one for one in _finished(run)}
    return {
        item: {
            region: found[item].regions[region].outcome if item in found else None
            for region in run.platform.regions
        }
        for item in _asked_items(run)
    }


@then("every one of them is completed, or waived by name")
def every_item(asked: Asked, results: Results) -> None:
    _judge(asked, "items of the countdown completed", results)


@then(parsers.parse('the approvals "{items}" are all obtained'))
def every_approval(asked: Asked, results: Results, items: str) -> None:
    wanted = items.split(", ")
    nothing = dict.fromkeys(asked.regions)
    _judge(asked, "approvals obtained", {item: results.get(item, nothing) for item in wanted})


def _judge(asked: Asked, subject: str, results: Results) -> None:
    """Judge in each region, and name what is waived."""
    platform = asked.platform
    waivers, _ = by_people(platform.environment, platform.policy, platform.release)
    waived = {one.check: (one.found, str(one)) for one in waivers}
    for region in asked.regions:
        found = {item: by_region[region] for item, by_region in results.items()}
        asked.check.judge(region, rules.completed(subject, found, waived))


def _asked_items(run: Run) -> Iterable[str]:
    """Return the items that the gate wants of this run; nothing where no gate started it."""
    file = run.run_dir / "manifest.json"
    wanted = json.loads(file.read_bytes())["checks"] if file.is_file() else []
    rows = load_catalogue(Checks.of(run.platform.environment.checks).features)
    left_out = {row.id for row in rows if row.on_fail is Meaning.ADVISORY} | set(COMPUTED)
    return [item for item in wanted if item not in left_out]


def _finished(run: Run) -> Iterable[Finished]:
    for line in (run.run_dir / EVENTS).read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        if record["event"] == FINISHED:
            yield Finished.from_record(record)


@then(parsers.parse('"{item}" is posted where the environment says, or signed as the policy asks'))
def is_posted(asked: Asked, run: Run, item: str) -> None:
    people = asked.platform.environment.settings.people
    posted = people.slack.notices.get(item) if people is not None else None
    mailed = people.mail.notices.get(item) if people is not None and people.mail else None
    if posted is not None:
        place, pages = f"#{posted.channel}", partial(_posted, asked, posted)
        asked.judge(_noticed(asked, posted, place, pages))
    elif mailed is not None:
        asked.judge(_noticed(asked, mailed, "the mailbox", partial(_mailed, asked)))
    else:
        judge_signed(asked, run, item)


def _noticed(
    asked: Asked, wanted: Mailed, place: str, pages: Callable[[dt.datetime], Iterable[Messages]]
) -> Judgement:
    since = utc_now() - dt.timedelta(seconds=wanted.within)
    live = asked.platform.environment.settings.traffic.switched_at
    if asked.platform.restored is not None and live is not None:
        since = max(since, live)  # an earlier one is of another rollback
    words = [one.replace("{release}", asked.platform.release.tag) for one in wanted.says]
    found = (one for page in pages(since) for one in page.messages)
    at = next((one.at for one in found if rules.says(one.text, words)), None)
    return rules.noticed(place, words, at, since)


def _posted(asked: Asked, notice: Notice, since: dt.datetime) -> Iterator[Messages]:
    """Yield the channel's messages, page by page; raises Unread."""
    page = ""
    for number in range(_MOST_PAGES):
        ask = partial(
            probes.slack.messages,
            *(watchers.slack(asked.platform), notice.channel_id, since, page),
            deadline=asked.platform.call_deadline(),
        )
        found = asked.read(f"messages {number}", ask, partial(_unread, "Slack"))
        yield found
        page = found.next_page
        if not page:
            return


def _mailed(asked: Asked, since: dt.datetime) -> Iterator[Messages]:
    """Yield the messages of the mailbox; raises Unread."""
    target, deadline = watchers.mail(asked.platform), asked.platform.call_deadline()
    ask = partial(probes.mail.arrived, target, since, deadline=deadline)
    yield asked.read("messages", ask, partial(_unread, "the mail server"))


def _unread(instrument: str, _: object, why: Failure) -> Judgement:
    return instrument_error(instrument, why)

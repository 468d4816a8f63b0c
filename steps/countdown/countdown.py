"""Items of the countdown that are computed from others of the same run, and notices in Slack or by mail."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from pytest_bdd import parsers

import probes
from gates.decide.catalogue import COMPUTED
from gates.decide.judgement import Judgement
from gates.decide.outcome import Meaning, Outcome, worst_outcome
from gates.decide.verdict import FINISHED, Finished
from gates.decide.windows import moment
from gates.load import Checks, load_catalogue
from probes.announced import Messages
from probes.observation import utc_now
from settings.people import Mailed, Notice
from steps.kit.asked import Asked
from steps.kit.expect import expect, measured
from steps.kit.failures import instrument_error
from steps.kit.request import EVENTS
from steps.kit.run import Run
from steps.kit.sentence import then, when
from steps.kit.statements import by_people
from steps.monitoring import watchers
from steps.statements.signed import judge_signed

_MOST_PAGES, _MOST_NAMED = 20, 10
_RULE = "computed"
_GOOD = (Outcome.PASS, Outcome.NOT_APPLICABLE)
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
        asked.check.judge(region, completed(subject, found, waived))


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


def completed(
    subject: str, found: Mapping[str, Outcome | None], waived: Mapping[str, tuple[Outcome, str]]
) -> Judgement:
    """Judge a list of items by what was found of each; None: nothing, so it counts as not done.

    `waived` says what was found of an item when it was waived, and how; what is worse now is not waived.
    """
    excused = {
        item: waived[item][1]
        for item, outcome in found.items()
        if item in waived
        and outcome in (Outcome.FAIL, Outcome.INCONCLUSIVE)
        and worst_outcome((waived[item][0], outcome)) is waived[item][0]
    }
    open_ = {item: one for item, one in found.items() if one not in _GOOD and item not in excused}
    if not found:
        sentence = f"{subject}: this run asked none of them, so nothing says whether they are"
        return expect(None, subject, sentence, "a run of the whole countdown", rule=_RULE)
    done = len(found) - len(open_)
    sentence = f"{subject}: {done} of {len(found)}"
    if open_:
        words = (f"{item} ({one.value if one else 'not asked'})" for item, one in open_.items())
        sentence += f"; not {_listed([*words])}"
    if excused:
        sentence += f"; waived: {_listed([f'{item} {how}' for item, how in excused.items()])}"
    return expect(
        None if open_ and Outcome.FAIL not in open_.values() else not open_,
        subject,
        sentence,
        "each of these items done, or waived by two people",
        **measured(_RULE, done, len(found)),
        data={"open": list(open_), "waived": list(excused)},
    )


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


@then(parsers.parse('"{item}" is posted where the environment says, or signed as the policy asks'))
def is_posted(asked: Asked, run: Run, item: str) -> None:
    people = asked.platform.environment.settings.people
    posted = people.slack.notices.get(item) if people is not None else None
    mailed = people.mail.notices.get(item) if people is not None and people.mail else None
    if posted is not None:
        place, pages = f"#{posted.channel}", partial(_posted, asked, posted)
        asked.judge(_notice(asked, posted, place, pages))
    elif mailed is not None:
        asked.judge(_notice(asked, mailed, "the mailbox", partial(_mailed, asked)))
    else:
        judge_signed(asked, run, item)


def _notice(
    asked: Asked, wanted: Mailed, place: str, pages: Callable[[dt.datetime], Iterable[Messages]]
) -> Judgement:
    since = utc_now() - dt.timedelta(seconds=wanted.within)
    live = asked.platform.environment.settings.traffic.switched_at
    if asked.platform.restored is not None and live is not None:
        since = max(since, live)  # an earlier one is of another rollback
    words = [one.replace("{release}", asked.platform.release.tag) for one in wanted.says]
    found = (one for page in pages(since) for one in page.messages)
    at = next((one.at for one in found if says(one.text, words)), None)
    return noticed(place, words, at, since)


def _posted(asked: Asked, notice: Notice, since: dt.datetime) -> Iterator[Messages]:
    """Yield the channel's messages, page by page; raises Unread."""
    page = ""
    for number in range(_MOST_PAGES):
        ask = partial(
            probes.slack.messages,
            *(watchers.slack(asked.platform), notice.channel_id, since, page),
            deadline=asked.platform.call_deadline(),
        )
        found = asked.read(f"messages {number}", ask, lambda _, why: instrument_error("Slack", why))
        yield found
        page = found.next_page
        if not page:
            return


def _mailed(asked: Asked, since: dt.datetime) -> Iterator[Messages]:
    """Yield the messages of the mailbox; raises Unread."""
    target, deadline = watchers.mail(asked.platform), asked.platform.call_deadline()
    ask = partial(probes.mail.arrived, target, since, deadline=deadline)
    yield asked.read("the mail server", ask)


def says(text: str, words: Sequence[str]) -> bool:
    """Tell whether all words stand in a text, in any case; v1.2.0 is not in one of v1.2.0-rc1 or v1.2.01."""
    bounds = (rf"(?<![\w.-]){re.escape(word)}(?![\w-]|[.]\w)" for word in words)
    return all(re.search(one, text, re.IGNORECASE) for one in bounds)


def noticed(
    place: str, words: Sequence[str], at: dt.datetime | None, since: dt.datetime
) -> Judgement:
    """Judge that a notice stands in a place; one that is not there is not done, and not bad."""
    said = " and ".join(f"“{one}”" for one in words)
    if at is None:
        sentence = f"no message in {place} since {moment(since)} UTC says {said}"
    else:
        sentence = f"a message in {place} of {moment(at)} UTC says {said}"
    clears = f"a message in {place} that says {said}"
    good = True if at is not None else None
    return expect(good, f"the notice in {place}", sentence, clears, rule="notice")

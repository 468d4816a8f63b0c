"""Items of the countdown that are computed from the others of the same run, and notices in Slack."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from pytest_bdd import parsers

import probes
from gates.decide.catalogue import COMPUTED
from gates.decide.outcome import Meaning, Outcome
from gates.decide.verdict import FINISHED, Finished
from gates.load import Checks, load_catalogue
from probes.observation import Observation, utc_now
from settings.people import Notice
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
    notice = people.slack.notices.get(item) if people is not None else None
    if notice is None:
        judge_signed(asked, run, item)
        return
    since = utc_now() - dt.timedelta(seconds=notice.within)
    words = [one.replace("{release}", asked.platform.release.tag) for one in notice.says]
    at = _posted_at(asked, notice, words, since)
    asked.judge(rules.posted(notice.channel, words, at, since))


def _posted_at(
    asked: Asked, notice: Notice, words: Sequence[str], since: dt.datetime
) -> dt.datetime | None:
    """Return when a message was posted that holds all words, None where none is found; raises Unread."""
    page = ""
    for number in range(_MOST_PAGES):
        ask = partial(_messages, asked, notice, since, page)
        found = asked.read(f"messages {number}", ask, lambda _, why: instrument_error("Slack", why))
        for message in found.messages:
            if all(word.casefold() in message.text.casefold() for word in words):
                return message.at
        page = found.next_page
        if not page:
            break
    return None


def _messages(
    asked: Asked, notice: Notice, since: dt.datetime, page: str
) -> Observation[probes.slack.Messages]:
    target, deadline = watchers.slack(asked.platform), asked.platform.call_deadline()
    return probes.slack.messages(target, notice.channel_id, since, page, deadline=deadline)

"""What a log shows and what it can't, by tables; the YAML beside keeps every judgement whole."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest

from gates.decide.outcome import Outcome
from probes.log_lines import Counts, Log
from settings.monitoring import Growth, LogsPolicy
from steps.logs import rules
from steps.logs.rules import Period
from steps.stability.rules import Was
from tests.tables import cases

pytestmark = pytest.mark.usefixtures("judgements_said")
PASS, FAIL, OPEN = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE
NOW = dt.datetime(2026, 1, 31, 23, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
SOUND = Counts(lines=100, unreadable=5, by_level={"info": 95}, errors={}, events={})
LOG = Log(SOUND, since=NOW - HOUR, newest=NOW, sources=("pod-1", "pod-2"))
POLICY = LogsPolicy()
TIMEOUT, NEW = "error: upstream timeout", "error: payment rejected"
WAS = Was({"errors": {TIMEOUT: 20}, "events": 20.0, "seconds": 3600.0}, "the baseline of then")


def logged(**counts: Any) -> Log:
    return dataclasses.replace(LOG, counts=dataclasses.replace(SOUND, **counts))


@cases(
    "log outcome",
    {
        "sound": (LOG, PASS),
        "no line": (logged(lines=0, unreadable=0), OPEN),
        "too many lines of no level": (logged(unreadable=6), OPEN),
        "it begins too late": (dataclasses.replace(LOG, since=NOW - HOUR / 6.1), OPEN),
        "it begins just in time": (dataclasses.replace(LOG, since=NOW - HOUR / 6), PASS),
        "nobody writes it any more": (dataclasses.replace(LOG, newest=NOW - HOUR / 5), OPEN),
        "when it was written is not known": (dataclasses.replace(LOG, newest=None), PASS),
        "rotated away": (dataclasses.replace(LOG, lacking=tuple("abcdefg")), OPEN),
    },
)
def test_a_log_is_believed_when_it_is_whole(log: Log, outcome: Outcome) -> None:
    assert rules.whole("the log of the app", log, POLICY, Period(NOW)).outcome is outcome


def test_a_short_time_is_long_where_times_are_divided() -> None:
    log = dataclasses.replace(LOG, since=NOW - HOUR / 360, newest=NOW - HOUR / 350)
    assert rules.whole("it", log, POLICY, Period(NOW)).outcome is OPEN
    assert rules.whole("it", log, POLICY, Period(NOW, scale=60)).outcome is OPEN
    fresh = dataclasses.replace(log, newest=NOW)
    assert rules.whole("it", fresh, POLICY, Period(NOW, scale=60)).outcome is PASS


@pytest.mark.parametrize(
    ("pods", "outcome"), [(["pod-1"], PASS), (["pod-3", "pod-1", "pod-0"], OPEN), ([], OPEN)]
)
def test_each_pod_of_the_release_said_something(pods: list[str], outcome: Outcome) -> None:
    assert rules.of_the_release("the app", pods, LOG).outcome is outcome


@cases(
    "counts before outcomes",
    {
        "no error": ({}, WAS, [PASS, PASS]),
        "a critical line": ({"by_level": {"fatal": 2, "panic": 1}}, WAS, [FAIL, PASS]),
        "one that is new": ({"errors": {NEW: 3}}, WAS, [PASS, FAIL]),
        "six that are new": ({"errors": {f"{NEW} {n}": n for n in range(6)}}, WAS, [PASS, FAIL]),
        "one that hides what it says": ({"errors": {"error: …": 1}}, WAS, [PASS, FAIL]),
        "one of before, as often": ({"errors": {TIMEOUT: 20}}, WAS, [PASS, PASS, PASS]),
        "one of before, four times as often": ({"errors": {TIMEOUT: 90}}, WAS, [PASS, PASS, FAIL]),
        "one, and nothing is known of before": ({"errors": {NEW: 1}}, None, [PASS]),
        "none, and nothing is known of before": ({}, None, [PASS, PASS]),
    },
)
def test_errors_are_critical_new_or_more_frequent(
    counts: dict[str, Any], before: Was | None, outcomes: list[Outcome]
) -> None:
    found = [*rules.errors("the log", logged(**counts), before, POLICY, Period(NOW))]
    assert [one.outcome for one in found] == outcomes


@cases(
    "counts outcome",
    {
        "no alert": ({"events": {"login": 5}}, PASS),
        "an alert": ({"events": {"intrusion": 2, "login": 5}}, FAIL),
        "an error of the monitor": ({"errors": {"error: rules lost": 1}}, FAIL),
    },
)
def test_a_security_monitor_is_quiet(counts: dict[str, Any], outcome: Outcome) -> None:
    assert rules.alerts("the monitor", logged(**counts), ["intrusion"]).outcome is outcome


@cases(
    "events outcome",
    {
        "a few are never too many": (20, PASS),
        "as many as three times before": (60, OPEN),
        "many more": (200, FAIL),
    },
)
def test_more_than_before_is_a_spike(events: float, outcome: Outcome) -> None:
    growth = Growth(ratio=3.0, tolerated=20)
    before = rules.counted_before(WAS, 20)
    assert rules.grown("failed logins", events, before, growth, 3600.0).outcome is outcome

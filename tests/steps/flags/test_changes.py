from __future__ import annotations

import dataclasses
import datetime as dt

import pytest

from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from steps.flags.changes import Change, Covered, Logged, logged_truly

NOW = dt.datetime(2026, 1, 31, 22, 30, tzinfo=dt.UTC)
COVERED = Covered(NOW - dt.timedelta(hours=4), NOW, 30)
DUE = Change("feature:x", starts=("true",), wanted="false", now="false")
LATER = Change("feature:x:percentage", starts=("0", "0"), wanted="10", now="10")
UNCHANGED = Change("feature:y", starts=("false",), wanted="false", now="false")


def entry(old: str, new: str, minute: int = 0, actor: str | None = "ops") -> Logged:
    return Logged(dt.datetime(2026, 1, 31, 22, minute, tzinfo=dt.UTC), actor, old, new)


def judged(change: Change, *entries: Logged) -> Judgement:
    return logged_truly(change, entries, COVERED)


GOOD: dict[str, tuple[Change, tuple[Logged, ...]]] = {
    "one change, logged": (DUE, (entry("true", "false"),)),
    "a change by way of another value": (DUE, (entry("true", "x", 1), entry("x", "false", 2))),
    "entries in another order than their times": (
        DUE,
        (entry("false", "true", 2), entry("true", "false", 3), entry("true", "false", 1)),
    ),
    "the changes of two phases": (
        dataclasses.replace(LATER, starts=("5", "0")),
        (entry("5", "0", 1), entry("0", "10", 2)),
    ),
    "the later phase alone": (LATER, (entry("0", "10"),)),
    "nothing to change and nothing logged": (UNCHANGED, ()),
    "there and back": (UNCHANGED, (entry("false", "true", 1), entry("true", "false", 2))),
}


@pytest.mark.parametrize(("change", "entries"), GOOD.values(), ids=GOOD)
def test_a_log_that_tells_it_all_passes(change: Change, entries: tuple[Logged, ...]) -> None:
    found = judged(change, *entries)
    assert found.outcome is Outcome.PASS, found.sentence


BAD: dict[str, tuple[Change, tuple[Logged, ...], str]] = {
    "no entry of a change that was due": (
        DUE,
        (),
        "no entry since 18:30 UTC that sets it from “true” to “false” (it is “false”)",
    ),
    "a phase that was not carried out": (
        dataclasses.replace(DUE, now="true"),
        (),
        "no entry since 18:30 UTC that sets it from “true” to “false” (it is “true”)",
    ),
    "a change that nobody asked for and nobody logged": (
        dataclasses.replace(UNCHANGED, now="true"),
        (),
        "it is “true” and was to be “false”, and the audit log has no entry",
    ),
    "a last entry that says otherwise": (
        DUE,
        (entry("true", "false", 1), entry("false", "true", 2)),
        "by ops, says “true”, but it is “false”",
    ),
    "a gap between two entries": (
        DUE,
        (entry("true", "5", 1), entry("7", "false", 2)),
        "between 22:01:00 and 22:02:00 UTC it went from “5” to “7” without an entry",
    ),
    "an entry that comes twice": (
        DUE,
        (entry("true", "false", 1), entry("true", "false", 1)),
        "it went from “false” to “true” without an entry",
    ),
    "a beginning that is not the state before": (
        DUE,
        (entry("20", "false"),),
        "says that it was “20”, but it was to be “true”: an earlier change is not logged",
    ),
    "an entry of nobody": (DUE, (entry("true", "false", actor=None),), "does not say who did it"),
    "an entry of tomorrow": (
        DUE,
        (entry("true", "false", minute=31),),
        "which is yet to come",
    ),
    "a change back after the phase": (
        dataclasses.replace(DUE, now="true"),
        (entry("true", "false", 1), entry("false", "true", 2)),
        "its last entry leaves it at “true”, wanted “false”",
    ),
}


@pytest.mark.parametrize(("change", "entries", "said"), BAD.values(), ids=BAD)
def test_a_log_that_does_not_fails_and_says_where(
    change: Change, entries: tuple[Logged, ...], said: str
) -> None:
    found = judged(change, *entries)
    assert found.outcome is Outcome.FAIL
    assert said in found.sentence
    assert found.clears


def test_what_was_judged_is_in_the_evidence() -> None:
    entries = [entry("true", "false", minute) for minute in range(22)]
    found = judged(DUE, *entries)
    assert dataclasses.replace(found, data={}) == Judgement(
        Outcome.FAIL,
        "logged",
        "changes of feature:x",
        found.sentence,
        observed=22,
        target=1,
        unit="entries",
        clears="an audit log that tells who changed it, when, from what to what",
    )
    assert found.sentence.count("; between 22:") == 20
    assert found.data["since"] == "2026-01-31T18:30:00+00:00"
    assert (found.data["now"], found.data["wanted"]) == ("false", "false")
    assert len(found.data["entries"]) == 20
    assert found.data["entries"][-1] == {
        "at": "2026-01-31T22:21:00+00:00",
        "actor": "ops",
        "old": "true",
        "new": "false",
    }


@pytest.mark.parametrize(
    ("change", "entries", "said", "target"),
    [
        (DUE, (entry("true", "false"),), "“true” to “false” by ops at 22:00:00 UTC", 1),
        (UNCHANGED, (), "unchanged, and no entry since 18:30 UTC", None),
    ],
    ids=["changed", "unchanged"],
)
def test_a_good_log_is_told_in_short(
    change: Change, entries: tuple[Logged, ...], said: str, target: int | None
) -> None:
    found = judged(change, *entries)
    assert (found.sentence, found.target) == (f"{change.key}: {said}", target)
    assert not found.clears


def test_the_allowed_skew_is_allowed() -> None:
    late = dataclasses.replace(entry("true", "false"), at=NOW + dt.timedelta(seconds=30))
    assert judged(DUE, late).outcome is Outcome.PASS

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest

from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from steps.flags.rules import (
    Change,
    Covered,
    Logged,
    Value,
    Words,
    logged_truly,
    no_strangers,
    percentage_is,
    percentage_readable,
    strangers,
    switch_is,
    switch_readable,
)
from tests.tables import cases

WORDS = Words("true", "false")
NOTHING = Value(None, "<nothing>")
OTHER_TYPE = Value(None, "<no text>")
STRANGE = "<6 bytes, sha256 9e837112…>"


def value(text: str) -> Value:
    return Value(text, text)


class TestSwitch:
    def test_the_wanted_word_passes(self) -> None:
        judged = switch_is("f", value("false"), enabled=False, words=WORDS, moment="safe")
        assert judged.outcome is Outcome.PASS
        assert judged.sentence == "f is “false”, as in the state safe"

    @cases(
        "held said",
        {
            "the other": (value("true"), "is “true”, wanted “false” in the state safe"),
            "missing": (NOTHING, "is missing, wanted “false” in the state safe"),
            "no text": (OTHER_TYPE, "holds <no text>, wanted"),
            "another spelling": (value("0"), "holds “0”, wanted"),
            "empty": (value(""), "holds “”, wanted"),
            "false with a blank": (
                Value("False ", STRANGE),
                f"holds {STRANGE}, which is “false” only but for blanks, quotes or capitals, wanted",
            ),
            "false in quotes": (value('"false"'), "only but for blanks, quotes"),
        },
    )
    def test_anything_else_fails_and_says_how_it_differs(self, held: Value, said: str) -> None:
        judged = switch_is("f", held, enabled=False, words=WORDS, moment="safe")
        assert judged.outcome is Outcome.FAIL
        assert said in judged.sentence
        assert "the platform's own way" in judged.clears

    @cases(
        "held outcome",
        {
            "on": (value("true"), Outcome.PASS),
            "off": (value("false"), Outcome.PASS),
            "another word": (value("yes"), Outcome.FAIL),
            "missing": (NOTHING, Outcome.FAIL),
        },
    )
    def test_readable_is_one_of_the_two_words(self, held: Value, outcome: Outcome) -> None:
        assert switch_readable("f", held, WORDS).outcome is outcome


class TestPercentage:
    @cases(
        "held wanted outcome",
        {
            "as wanted": (value("10"), 10, Outcome.PASS),
            "zero": (value("0"), 0, Outcome.PASS),
            "missing is zero": (NOTHING, 0, Outcome.PASS),
            "all": (value("100"), 100, Outcome.PASS),
            "missing is not ten": (NOTHING, 10, Outcome.FAIL),
            "a list is not zero": (OTHER_TYPE, 0, Outcome.FAIL),
            "empty is not zero": (value(""), 0, Outcome.FAIL),
            "a leading zero": (value("010"), 10, Outcome.FAIL),
            "a fraction": (value("10.0"), 10, Outcome.FAIL),
            "a zero of another script": (value("\u0660"), 0, Outcome.FAIL),
            "just above": (value("11"), 10, Outcome.FAIL),
        },
    )
    def test_it_is_a_whole_number_to_the_letter(
        self, held: Value, wanted: int, outcome: Outcome
    ) -> None:
        assert percentage_is("f:percentage", held, wanted, "test").outcome is outcome

    def test_a_sign_is_told(self) -> None:
        judged = percentage_is("p", Value("10 %", "<4 bytes, …>"), 10, "test")
        assert "not a whole number to the letter, wanted “10”" in judged.sentence

    @cases(
        "held outcome",
        {
            "missing": (NOTHING, Outcome.PASS),
            "100": (value("100"), Outcome.PASS),
            "101": (value("101"), Outcome.FAIL),
            "negative": (value("-1"), Outcome.FAIL),
            "no text": (OTHER_TYPE, Outcome.FAIL),
        },
    )
    def test_readable_is_0_to_100(self, held: Value, outcome: Outcome) -> None:
        assert percentage_readable("p", held).outcome is outcome


def test_what_nobody_described_is_listed_in_order() -> None:
    others = strangers(frozenset({"b", "a", "known"}), frozenset({"known", "gone"}))
    judged = no_strangers("feature:*", others)
    assert judged.outcome is Outcome.FAIL
    assert "2 keys feature:* that is not described: a, b." in judged.sentence
    assert no_strangers("feature:*", ()).outcome is Outcome.PASS


NOW = dt.datetime(2026, 1, 31, 22, 30, tzinfo=dt.UTC)
COVERED = Covered(NOW - dt.timedelta(hours=4), NOW, 30)
DUE = Change("feature:x", starts=("true",), wanted="false", now="false")
LATER = Change("feature:x:percentage", starts=("0", "0"), wanted="10", now="10")
UNCHANGED = Change("feature:y", starts=("false",), wanted="false", now="false")


def entry(old: str, new: str, minute: int = 0, actor: str | None = "ops") -> Logged:
    return Logged(dt.datetime(2026, 1, 31, 22, minute, tzinfo=dt.UTC), actor, old, new)


def logged(change: Change, *entries: Logged) -> Judgement:
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
    found = logged(change, *entries)
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
    found = logged(change, *entries)
    assert found.outcome is Outcome.FAIL
    assert said in found.sentence
    assert found.clears


def test_what_was_judged_is_in_the_evidence() -> None:
    entries = [entry("true", "false", minute) for minute in range(22)]
    found = logged(DUE, *entries)
    assert dataclasses.replace(found, data={}) == Judgement(
        Outcome.FAIL,
        "logged",
        "changes of feature:x",
        found.sentence,
        observed=22,
        target=1,
        unit="entries",
        clears="an audit log that says who changed it, when, from what to what",
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


@cases(
    "change entries said target",
    {
        "changed": (DUE, (entry("true", "false"),), "“true” to “false” by ops at 22:00:00 UTC", 1),
        "unchanged": (UNCHANGED, (), "unchanged, and no entry since 18:30 UTC", None),
    },
)
def test_a_good_log_is_told_in_short(
    change: Change, entries: tuple[Logged, ...], said: str, target: int | None
) -> None:
    found = logged(change, *entries)
    assert (found.sentence, found.target) == (f"{change.key}: {said}", target)
    assert not found.clears


def test_the_allowed_skew_is_allowed() -> None:
    late = dataclasses.replace(entry("true", "false"), at=NOW + dt.timedelta(seconds=30))
    assert logged(DUE, late).outcome is Outcome.PASS

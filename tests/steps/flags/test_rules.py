from __future__ import annotations

import pytest

from gates.decide.outcome import Outcome
from steps.flags.rules import (
    Value,
    Words,
    no_strangers,
    percentage_is,
    percentage_readable,
    strangers,
    switch_is,
    switch_readable,
)

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

    @pytest.mark.parametrize(
        ("held", "said"),
        [
            pytest.param(
                value("true"), "is “true”, wanted “false” in the state safe", id="the other"
            ),
            pytest.param(NOTHING, "is missing, wanted “false” in the state safe", id="missing"),
            pytest.param(OTHER_TYPE, "holds <no text>, wanted", id="no text"),
            pytest.param(value("0"), "holds “0”, wanted", id="another spelling"),
            pytest.param(value(""), "holds “”, wanted", id="empty"),
            pytest.param(
                Value("False ", STRANGE),
                f"holds {STRANGE}, which is “false” only but for blanks, quotes or capitals, wanted",
                id="false with a blank",
            ),
            pytest.param(value('"false"'), "only but for blanks, quotes", id="false in quotes"),
        ],
    )
    def test_anything_else_fails_and_says_how_it_differs(self, held: Value, said: str) -> None:
        judged = switch_is("f", held, enabled=False, words=WORDS, moment="safe")
        assert judged.outcome is Outcome.FAIL
        assert said in judged.sentence
        assert "the platform's own way" in judged.clears

    @pytest.mark.parametrize(
        ("held", "outcome"),
        [
            pytest.param(value("true"), Outcome.PASS, id="on"),
            pytest.param(value("false"), Outcome.PASS, id="off"),
            pytest.param(value("yes"), Outcome.FAIL, id="another word"),
            pytest.param(NOTHING, Outcome.FAIL, id="missing"),
        ],
    )
    def test_readable_is_one_of_the_two_words(self, held: Value, outcome: Outcome) -> None:
        assert switch_readable("f", held, WORDS).outcome is outcome


class TestPercentage:
    @pytest.mark.parametrize(
        ("held", "wanted", "outcome"),
        [
            pytest.param(value("10"), 10, Outcome.PASS, id="as wanted"),
            pytest.param(value("0"), 0, Outcome.PASS, id="zero"),
            pytest.param(NOTHING, 0, Outcome.PASS, id="missing is zero"),
            pytest.param(value("100"), 100, Outcome.PASS, id="all"),
            pytest.param(NOTHING, 10, Outcome.FAIL, id="missing is not ten"),
            pytest.param(OTHER_TYPE, 0, Outcome.FAIL, id="a list is not zero"),
            pytest.param(value(""), 0, Outcome.FAIL, id="empty is not zero"),
            pytest.param(value("010"), 10, Outcome.FAIL, id="a leading zero"),
            pytest.param(value("10.0"), 10, Outcome.FAIL, id="a fraction"),
            pytest.param(value("\u0660"), 0, Outcome.FAIL, id="a zero of another script"),
            pytest.param(value("11"), 10, Outcome.FAIL, id="just above"),
        ],
    )
    def test_it_is_a_whole_number_to_the_letter(
        self, held: Value, wanted: int, outcome: Outcome
    ) -> None:
        assert percentage_is("f:percentage", held, wanted, "test").outcome is outcome

    def test_a_sign_is_told(self) -> None:
        judged = percentage_is("p", Value("10 %", "<4 bytes, …>"), 10, "test")
        assert "no whole number to the letter, wanted “10”" in judged.sentence

    @pytest.mark.parametrize(
        ("held", "outcome"),
        [
            pytest.param(NOTHING, Outcome.PASS, id="missing"),
            pytest.param(value("100"), Outcome.PASS, id="100"),
            pytest.param(value("101"), Outcome.FAIL, id="101"),
            pytest.param(value("-1"), Outcome.FAIL, id="negative"),
            pytest.param(OTHER_TYPE, Outcome.FAIL, id="no text"),
        ],
    )
    def test_readable_is_0_to_100(self, held: Value, outcome: Outcome) -> None:
        assert percentage_readable("p", held).outcome is outcome


def test_what_nobody_described_is_listed_in_order() -> None:
    others = strangers(frozenset({"b", "a", "known"}), frozenset({"known", "gone"}))
    judged = no_strangers("feature:*", others)
    assert judged.outcome is Outcome.FAIL
    assert "2 keys feature:* that nobody described: a, b." in judged.sentence
    assert no_strangers("feature:*", ()).outcome is Outcome.PASS

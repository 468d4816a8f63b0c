"""One way to ask, one way to say: what can't be read leaves its item, and never its check."""

from __future__ import annotations

import dataclasses
import datetime as dt
import pathlib
from collections.abc import Mapping

import pytest

from gates.decide.outcome import Outcome
from probes.observation import Failure, FailureKind, Observation
from steps.kit.asked import Asked, Unread
from steps.kit.check import Check
from steps.kit.expect import age, expect, need
from steps.kit.platform import NotDescribedError
from steps.kit.sentence import then
from tests.steps.platforms import a_platform


@dataclasses.dataclass(frozen=True)
class Number:
    value: int

    def facts(self) -> Mapping[str, object]:
        return {"value": self.value}


def seen(value: int | None) -> Observation[Number]:
    away = Failure(FailureKind.REFUSED, "Nobody listens.")
    return Observation(
        probe="numbers",
        target="a number",
        started_at=dt.datetime(2026, 1, 31, tzinfo=dt.UTC),
        elapsed_seconds=0.1,
        phases={},
        value=None if value is None else Number(value),
        failure=away if value is None else None,
    )


@pytest.fixture
def asked(tmp_path: pathlib.Path) -> Asked:
    platform = a_platform(tmp_path, {"eu": "https://eu.example", "us": "https://us.example"})
    return Asked(platform, Check("IV-A-1", platform.regions), platform.regions)


def outcomes(asked: Asked) -> list[Outcome]:
    noted = asked.check.noted()[asked.regions[0]]
    return [one.outcome for one in noted.judgements]


def test_a_value_is_asked_once_in_a_check_and_kept_once(asked: Asked) -> None:
    answers = iter([seen(4)])
    for _ in range(2):
        assert asked.read("the number", lambda: next(answers)).value == 4
    assert len(asked.check.noted()[asked.regions[0]].observations) == 1


def test_what_cant_be_read_is_one_error_and_hides_nothing_of_the_next(asked: Asked) -> None:
    def judge(value: int | None) -> None:
        found = asked.read(f"number {value}", lambda: seen(value))
        asked.judge(
            expect(found.value < 5, f"number {value}", f"it is {found.value}", "a small one")
        )

    asked.each([None, None, 4, 7], judge)
    assert outcomes(asked) == [Outcome.ERROR, Outcome.PASS, Outcome.FAIL]


def test_a_region_that_cant_be_read_hides_no_other(asked: Asked) -> None:
    bad, good = asked.regions

    def judge(one: Asked) -> None:
        found = one.read("the number", lambda: seen(None if one.region == bad else 4))
        one.judge(expect(good=True, subject="the number", sentence=f"it is {found.value}"))

    asked.in_each_region(judge)
    assert asked.check.outcome(bad) is Outcome.ERROR
    assert asked.check.outcome(good) is Outcome.PASS


def test_a_then_ends_with_what_it_could_not_read(asked: Asked) -> None:
    @then("it is read")
    def read() -> None:
        asked.read("the number", lambda: seen(None))
        raise AssertionError("nothing is left to say")

    read()
    assert asked.check.outcome(asked.regions[0]) is Outcome.ERROR
    with pytest.raises(Unread):
        asked.read("the number", lambda: seen(4))


@pytest.mark.parametrize(
    ("good", "outcome", "clears"),
    [(True, Outcome.PASS, ""), (False, Outcome.FAIL, "x"), (None, Outcome.INCONCLUSIVE, "x")],
)
def test_a_finding_is_good_bad_or_not_to_be_told(
    good: bool | None,  # noqa: FBT001 - a table's column
    outcome: Outcome,
    clears: str,
) -> None:
    found = expect(good, "a subject", "a sentence", "x")
    assert (found.outcome, found.clears) == (outcome, clears)


def test_what_is_not_described_is_named() -> None:
    assert need(0, "the section data") == 0
    with pytest.raises(NotDescribedError, match="the environment lacks the section data; add it"):
        need(None, "the section data")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(8, "8 s"), (59, "59 s"), (90, "1.5 min"), (7200, "2 h"), (3 * 86_400.0, "3 d")],
)
def test_ages_are_said_as_people_say_them(seconds: float, words: str) -> None:
    assert age(seconds) == words

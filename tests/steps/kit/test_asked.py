"""One way to ask, one way to say: what can't be read leaves its item, and never its check."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import pathlib
from collections.abc import Mapping

import pytest

from gates.decide.outcome import Outcome
from probes.observation import Failure, FailureKind, Observation, utc_now
from steps.kit.asked import Asked, Unread
from steps.kit.check import Check, CheckNotPassed
from steps.kit.expect import age, expect, need, nothing_to_judge
from steps.kit.platform import NotDescribedError
from steps.kit.sentence import then
from tests.gates.decide.values import a_judgement
from tests.steps.platforms import a_platform
from tests.tables import cases


@dataclasses.dataclass(frozen=True)
class Number:
    value: int

    def facts(self) -> Mapping[str, object]:
        return {"value": self.value}


def seen(value: int | None) -> Observation[Number]:
    away = Failure(FailureKind.REFUSED, "Nobody listens.")
    found, failure = (None, away) if value is None else (Number(value), None)
    return Observation("numbers", "a number", utc_now(), 0.1, {}, found, failure)


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


def test_a_check_passes_when_every_region_was_judged_well() -> None:
    check = Check("IV-A-1", ("eu", "us"))
    check.judge("eu", a_judgement())
    check.judge("us", a_judgement(), a_judgement(Outcome.NOT_APPLICABLE))
    check.raise_if_not_passed()
    assert check.outcome("us") is Outcome.PASS


def test_all_findings_of_all_regions_are_collected_before_it_fails() -> None:
    check = Check("IV-A-1", ("eu", "us", "ap"))
    check.judge("eu", a_judgement(Outcome.FAIL), a_judgement(Outcome.ERROR))
    check.judge("us", a_judgement(Outcome.INCONCLUSIVE))
    with pytest.raises(CheckNotPassed) as caught:
        check.raise_if_not_passed()
    assert str(caught.value).splitlines() == [
        "IV-A-1 did not pass",
        "eu: FAIL: the subject is FAIL",
        "eu: ERROR: the subject is ERROR",
        "us: INCONCLUSIVE: the subject is INCONCLUSIVE",
        "ap: nothing was judged",
    ]


@pytest.mark.parametrize(
    ("outcome", "failed"),
    [(Outcome.FAIL, True), (Outcome.INCONCLUSIVE, False), (Outcome.ERROR, False)],
    ids=str,
)
def test_only_what_was_measured_and_bad_is_a_failure_to_those_who_read_assertions(
    outcome: Outcome, *, failed: bool
) -> None:
    check = Check("IV-A-1", ("eu", "us"))
    check.judge("eu", a_judgement())
    check.judge("us", a_judgement(outcome))
    with pytest.raises(CheckNotPassed) as caught:
        check.raise_if_not_passed()
    assert isinstance(caught.value, AssertionError) is failed


def test_a_check_that_judged_nothing_has_no_outcome_and_does_not_pass() -> None:
    check = Check("IV-A-1", ("eu",))
    assert check.outcome("eu") is None
    with pytest.raises(CheckNotPassed, match="eu: nothing was judged"):
        check.raise_if_not_passed()


@cases(
    "first then outcomes",
    {
        "a Then that judged one region alone": ("good good", "good -", "PASS INCONCLUSIVE"),
        "a region that failed needs no more": ("good bad", "good -", "PASS FAIL"),
        "one that has nothing to judge and says so": ("good good", "good excused", "PASS PASS"),
        "that alone is not enough": ("good excused", "good excused", "PASS INCONCLUSIVE"),
    },
)
def test_a_then_without_a_judgement_leaves_its_region_open(
    first: str, then: str, outcomes: str
) -> None:
    excused = nothing_to_judge("flags", "there are none")
    found = {"good": a_judgement(), "bad": a_judgement(Outcome.FAIL), "excused": excused}
    check = Check("IV-A-1", ("eu", "us"))
    for sentence in (first, then):
        with check.taking(sentence):
            for region, what in zip(check.regions, sentence.split(), strict=True):
                check.judge(region, *([found[what]] if what in found else []))
    check.judge_silence()
    assert " ".join(str(check.outcome(region)) for region in check.regions) == outcomes


def test_each_step_knows_how_much_it_judged_in_each_region() -> None:
    check = Check("IV-A-1", ("eu", "us"))
    with check.taking("it is read", keyword="When", judges=False):
        pass
    with check.taking("it answers"):
        check.judge_everywhere(a_judgement())
        check.judge("us", a_judgement(Outcome.FAIL))
    with contextlib.suppress(ValueError), check.taking("it breaks off"):
        raise ValueError
    wanted = ("When it is read", "Then it answers", "Then it breaks off", "And it is fast")
    found = check.steps([(text, True) for text in wanted])
    assert [one.text for one in found] == list(wanted)
    assert [one.judged for one in found] == [{"eu": 0, "us": 0}, {"eu": 1, "us": 2}, {}, None]


def test_a_judgement_for_a_region_that_is_not_measured_is_refused() -> None:
    with pytest.raises(KeyError):
        Check("IV-A-1", ("eu",)).judge("mars", a_judgement())


def test_no_judgement_is_lost_when_many_threads_judge() -> None:
    check = Check("IV-A-1", ("eu",))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for _ in range(400):
            pool.submit(check.judge, "eu", a_judgement())
    assert len(check.noted()["eu"].judgements) == 400

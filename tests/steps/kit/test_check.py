from __future__ import annotations

import concurrent.futures

import pytest

from gates.decide.outcome import Outcome
from steps.kit.check import Check, CheckNotPassed
from steps.kit.expect import nothing_to_judge
from tests.gates.decide.values import a_judgement
from tests.tables import cases


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


def test_a_judgement_for_a_region_that_is_not_measured_is_refused() -> None:
    with pytest.raises(KeyError):
        Check("IV-A-1", ("eu",)).judge("mars", a_judgement())


def test_no_judgement_is_lost_when_many_threads_judge() -> None:
    check = Check("IV-A-1", ("eu",))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for _ in range(400):
            pool.submit(check.judge, "eu", a_judgement())
    assert len(check.noted()["eu"].judgements) == 400

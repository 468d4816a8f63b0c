from __future__ import annotations

import dataclasses
import json
import time

import pytest

from gates.decide.fold import Folded, Reason, RegionResult, Stage, decision_for, fold
from gates.decide.outcome import Decision, Meaning, Outcome
from tests.gates.decide.values import a_judgement, a_result, a_row

PASS, FAIL, ERROR = Outcome.PASS, Outcome.FAIL, Outcome.ERROR
INCONCLUSIVE, NOT_APPLICABLE = Outcome.INCONCLUSIVE, Outcome.NOT_APPLICABLE

TWO_ROWS = (a_row("IV-A-1"), a_row("IV-A-2"))
BOTH_PASS = (a_result(PASS, check="IV-A-1"), a_result(PASS, check="IV-A-2"))


@dataclasses.dataclass(frozen=True)
class NoEvidence:
    """One way of having no evidence for a GO."""

    says: str
    results: tuple[RegionResult, ...] = BOTH_PASS
    regions: tuple[str, ...] = ("eu",)
    problems: tuple[str, ...] = ()


WAYS_OF_HAVING_NO_EVIDENCE = {
    "nothing ran": NoEvidence("the check did not run in eu", ()),
    "one check is missing": NoEvidence("the check did not run in eu", BOTH_PASS[:1]),
    "one check ran twice": NoEvidence("the check ran 2 times in eu", (*BOTH_PASS, BOTH_PASS[0])),
    "a check judged nothing": NoEvidence(
        "the check ran and judged nothing in eu", (BOTH_PASS[0], a_result(check="IV-A-2"))
    ),
    "a check judged nothing once and something once": NoEvidence(
        "the check ran 2 times in eu", (*BOTH_PASS, a_result(check="IV-A-2"))
    ),
    "a result for an unknown check": NoEvidence(
        "a result came for IV-X-9 in eu", (*BOTH_PASS, a_result(PASS, check="IV-X-9"))
    ),
    "a result for an unknown region": NoEvidence(
        "a result came for IV-A-1 in mars", (*BOTH_PASS, a_result(PASS, region="mars"))
    ),
    "the other region has nothing": NoEvidence(
        "the check did not run in us", BOTH_PASS, ("eu", "us")
    ),
    "there is no region": NoEvidence("there is no region to measure", BOTH_PASS, ()),
    "everything is not applicable": NoEvidence(
        "no required check ran and passed in eu",
        (a_result(NOT_APPLICABLE), a_result(NOT_APPLICABLE, check="IV-A-2")),
    ),
    "the run itself had a problem": NoEvidence("the disk", problems=("the disk is full",)),
    "one check is inconclusive": NoEvidence(
        "INCONCLUSIVE", (BOTH_PASS[0], a_result(INCONCLUSIVE, check="IV-A-2"))
    ),
    "one check is an error": NoEvidence(
        "ERROR", (BOTH_PASS[0], a_result(PASS, ERROR, check="IV-A-2"))
    ),
}


@pytest.mark.parametrize("way", WAYS_OF_HAVING_NO_EVIDENCE.values(), ids=WAYS_OF_HAVING_NO_EVIDENCE)
def test_holds_and_says_why_when_there_is_no_evidence(way: NoEvidence) -> None:
    folded = fold(TWO_ROWS, way.regions, way.results, Stage.LIVE, way.problems)
    assert folded.decision is Decision.HOLD
    assert any(way.says in reason.sentence for reason in folded.reasons)


def test_that_nothing_passed_is_not_said_beside_what_ran_and_failed() -> None:
    failed = (a_result(FAIL), a_result(FAIL, check="IV-A-2"))
    folded = fold(TWO_ROWS, ("eu",), failed, Stage.LIVE)
    assert [reason.check for reason in folded.reasons] == ["IV-A-1", "IV-A-2"]


def test_goes_when_every_check_ran_once_and_passed() -> None:
    folded = fold(TWO_ROWS, ("eu",), BOTH_PASS, Stage.LIVE)
    assert folded == Folded(Decision.GO, {"eu": Decision.GO}, (), ())


def test_no_rows_at_all_is_not_go() -> None:
    assert fold((), ("eu",), (), Stage.LIVE).decision is Decision.HOLD


def test_holds_when_only_an_advisory_check_passed() -> None:
    rows = (a_row("IV-A-1"), a_row("IV-A-2", Meaning.ADVISORY))
    results = (a_result(NOT_APPLICABLE), a_result(PASS, check="IV-A-2"))
    folded = fold(rows, ("eu",), results, Stage.LIVE)
    assert folded.decision is Decision.HOLD
    assert folded.reasons[0].sentence == "no required check ran and passed in eu"


@pytest.mark.parametrize(
    ("meaning", "decisions"),
    [
        (Meaning.ADVISORY, "GO GO GO"),
        (Meaning.HOLD, "NO_GO HOLD HOLD"),
        (Meaning.STOP, "NO_GO STOP ROLLBACK"),
        (Meaning.ROLLBACK, "NO_GO STOP ROLLBACK"),
    ],
    ids=str,
)
def test_a_failure_means_what_the_catalogue_says_as_far_as_the_stage_allows(
    meaning: Meaning, decisions: str
) -> None:
    assert " ".join(decision_for(meaning, stage) for stage in Stage) == decisions


@pytest.mark.parametrize(
    ("on_fail", "means", "expected"),
    [
        (Meaning.ROLLBACK, None, Decision.ROLLBACK),
        (Meaning.ROLLBACK, Meaning.HOLD, Decision.HOLD),
        (Meaning.ROLLBACK, Meaning.ROLLBACK, Decision.ROLLBACK),
        (Meaning.HOLD, Meaning.ROLLBACK, Decision.HOLD),
        (Meaning.HOLD, None, Decision.HOLD),
        (Meaning.ROLLBACK, Meaning.ADVISORY, Decision.HOLD),
        (Meaning.HOLD, Meaning.ADVISORY, Decision.HOLD),
    ],
    ids=str,
)
def test_a_judgement_asks_for_less_than_its_row_but_never_for_more_and_never_for_nothing(
    on_fail: Meaning, means: Meaning | None, expected: Decision
) -> None:
    rows = (a_row("IV-A-1", on_fail), a_row("IV-A-2"))
    results = (a_result(FAIL, means=means), BOTH_PASS[1])
    assert fold(rows, ("eu",), results, Stage.LIVE).decision is expected


@pytest.mark.parametrize("outcome", [FAIL, ERROR, INCONCLUSIVE, None], ids=str)
def test_an_advisory_check_is_shown_and_never_folded(outcome: Outcome | None) -> None:
    rows = (a_row("IV-A-1"), a_row("IV-A-2", Meaning.ADVISORY))
    advisory = () if outcome is None else (a_result(outcome, check="IV-A-2"),)
    folded = fold(rows, ("eu",), (BOTH_PASS[0], *advisory), Stage.LIVE)
    assert folded.decision is Decision.GO
    assert [reason.check for reason in folded.advisories] == ["IV-A-2"]


@pytest.mark.parametrize("second", [PASS, FAIL, NOT_APPLICABLE, INCONCLUSIVE], ids=str)
def test_running_a_failed_check_again_never_hides_its_failure(second: Outcome) -> None:
    results = (a_result(FAIL), a_result(second), BOTH_PASS[1])
    folded = fold(TWO_ROWS, ("eu",), results, Stage.LIVE)
    assert folded.decision is Decision.ROLLBACK
    assert "DOUBLED" in {reason.outcome for reason in folded.reasons}


def test_a_problem_of_the_run_holds_every_region() -> None:
    us = (a_result(PASS, region="us"), a_result(PASS, check="IV-A-2", region="us"))
    folded = fold(TWO_ROWS, ("eu", "us"), (*BOTH_PASS, *us), Stage.LIVE, ("the child died",))
    assert folded.by_region == {"eu": Decision.HOLD, "us": Decision.HOLD}


def test_reasons_come_worst_first_and_all_of_a_checks_findings_are_among_them() -> None:
    results = (a_result(INCONCLUSIVE), a_result(PASS, FAIL, ERROR, FAIL, check="IV-A-2"))
    rows = (*TWO_ROWS, a_row("IV-A-3"))
    folded = fold(rows, ("eu",), (*results, a_result(PASS, check="IV-A-3")), Stage.LIVE)
    outcomes = [reason.outcome for reason in folded.reasons]
    assert outcomes == ["FAIL", "FAIL", "INCONCLUSIVE", "ERROR"]


def test_every_kind_of_reason_is_whole() -> None:
    failed = a_result(FAIL)
    advisory = a_row("IV-A-3", Meaning.ADVISORY)
    results = (failed, a_result(PASS, check="IV-X-9"), a_result(FAIL, check="IV-A-3"))
    folded = fold((*TWO_ROWS, advisory), ("eu",), results, Stage.LIVE, ("the disk is full",))
    stranger = "a result came for IV-X-9 in eu, which this run did not ask for"
    missing = "the check did not run in eu; every required check runs exactly once"
    says, hold = "the subject is FAIL", Decision.HOLD
    assert folded.reasons == (
        Reason("IV-A-1", "eu", "FAIL", Decision.ROLLBACK, says, "team", failed.judgements[0]),
        Reason(None, None, "RUN", hold, "the disk is full", None, None),
        Reason(None, None, "RUN", hold, stranger, None, None),
        Reason("IV-A-2", "eu", "MISSING", hold, missing, "team", None),
    )
    assert folded.advisories == (
        Reason("IV-A-3", "eu", "FAIL", Decision.GO, says, "team", failed.judgements[0]),
    )


def test_that_nothing_passed_is_said_of_the_region_and_of_no_check() -> None:
    (reason,) = fold((a_row(),), ("eu",), (a_result(NOT_APPLICABLE),), Stage.LIVE).reasons
    says = "no required check ran and passed in eu"
    assert reason == Reason(None, "eu", "RUN", Decision.HOLD, says, None, None)


def test_a_reason_is_data_that_json_can_hold() -> None:
    judgement = dataclasses.replace(a_judgement(FAIL), observed=2.5, target=2, unit="ms")
    result = RegionResult("IV-A-1", "eu", (judgement,))
    reason = fold((a_row(),), ("eu",), (result,), Stage.LIVE).reasons[0]
    assert json.loads(json.dumps(reason.record(), allow_nan=False)) == {
        "check": "IV-A-1",
        "region": "eu",
        "outcome": "FAIL",
        "decision": "ROLLBACK",
        "sentence": "the subject is FAIL",
        "owner": "team",
        "judgement": judgement.record(),
    }


def test_folds_a_hundred_thousand_results_in_seconds() -> None:
    rows = [a_row(f"IV-A-{number}") for number in range(1000)]
    regions = [f"region-{number}" for number in range(100)]
    one = (a_judgement(),)
    results = [RegionResult(row.id, region, one) for row in rows for region in regions]
    started = time.process_time()
    folded = fold(rows, regions, results, Stage.LIVE)
    assert folded.decision is Decision.GO
    # The figure is 1 s (./harness bench); three times it guards against a fold that turned quadratic.
    assert time.process_time() - started < 3


def test_the_advice_of_each_region_is_shown() -> None:
    rows = (TWO_ROWS[0], a_row("IV-A-2", Meaning.ADVISORY))
    results = [
        a_result(outcome, check=check, region=region)
        for region in ("eu", "us")
        for check, outcome in (("IV-A-1", PASS), ("IV-A-2", FAIL))
    ]
    folded = fold(rows, ("eu", "us"), results, Stage.LIVE)
    assert [one.region for one in folded.advisories] == ["eu", "us"]
    assert folded.decision is Decision.GO

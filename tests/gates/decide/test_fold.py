from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from gates.decide.fold import Folded, Reason, RegionResult, Stage, decision_for, fold
from gates.decide.outcome import Decision, Meaning, Outcome
from tests.gates.decide.values import a_judgement, a_result, a_row
from tests.tables import cases

PASS, FAIL, ERROR = Outcome.PASS, Outcome.FAIL, Outcome.ERROR
INCONCLUSIVE, NOT_APPLICABLE = Outcome.INCONCLUSIVE, Outcome.NOT_APPLICABLE

TWO_ROWS = (a_row("IV-A-1"), a_row("IV-A-2"))
BOTH_PASS = (a_result(PASS, check="IV-A-1"), a_result(PASS, check="IV-A-2"))


def second(*outcomes: Outcome) -> tuple[RegionResult, ...]:
    """Return results of which the first check's is good, and the second's as given."""
    return BOTH_PASS[0], a_result(*outcomes, check="IV-A-2")


ADVISORY = (a_row("IV-A-1"), a_row("IV-A-2", Meaning.ADVISORY))
NONE_APPLIES = (a_result(NOT_APPLICABLE), a_result(NOT_APPLICABLE, check="IV-A-2"))


@cases(
    "how",
    {
        "T3: nothing ran": {"results": ()},
        "T21: one check is missing": {"results": BOTH_PASS[:1]},
        "one check ran twice": {"results": (*BOTH_PASS, BOTH_PASS[0])},
        "T28: a check ran into an error, then well, then into an error": {
            "results": (*map(a_result, (ERROR, PASS, ERROR)), BOTH_PASS[1]),
        },
        "T4: a check judged nothing": {"results": second()},
        "a check judged nothing once and something once": {
            "results": (*BOTH_PASS, a_result(check="IV-A-2")),
        },
        "a result for an unknown check": {"results": (*BOTH_PASS, a_result(PASS, check="IV-X-9"))},
        "a result for an unknown region": {"results": (*BOTH_PASS, a_result(PASS, region="mars"))},
        "the other region has nothing": {"regions": ("eu", "us")},
        "there is no region": {"regions": ()},
        "there is no row": {"rows": ()},
        "everything is not applicable": {"results": NONE_APPLIES},
        "only an advisory check passed": {
            "rows": ADVISORY,
            "results": (a_result(NOT_APPLICABLE), BOTH_PASS[1]),
        },
        "T20: the run itself had a problem": {"problems": ("the disk is full",)},
        "T26: one check is inconclusive": {"results": second(INCONCLUSIVE)},
        "T23: one check ran into an error": {"results": second(PASS, ERROR)},
        "T2, T9: all checks ran into errors or were inconclusive": {
            "results": (a_result(ERROR), a_result(INCONCLUSIVE, check="IV-A-2")),
        },
    },
)
def test_holds_and_says_why_when_there_is_no_evidence(
    how: dict[str, Any], said: Callable[..., None]
) -> None:
    """T: inputs on which leading deployment gates say the wrong thing, by their numbers in the list."""
    asked = {"rows": TWO_ROWS, "regions": ("eu",), "results": BOTH_PASS, **how}
    folded = fold(stages=Stage.LIVE, **asked)
    assert folded.decision is Decision.HOLD
    said(
        {
            "by region": folded.by_region,
            "reasons": [
                f"{one.check or 'the run'} in {one.region}: {one.outcome}: {one.sentence}"
                for one in folded.reasons
            ],
        }
    )


def test_that_nothing_passed_is_not_said_beside_what_ran_and_failed() -> None:
    failed = (a_result(FAIL), a_result(FAIL, check="IV-A-2"))
    folded = fold(TWO_ROWS, ("eu",), failed, Stage.LIVE)
    assert [reason.check for reason in folded.reasons] == ["IV-A-1", "IV-A-2"]
    (alone,) = fold((a_row(),), ("eu",), (a_result(NOT_APPLICABLE),), Stage.LIVE).reasons
    assert (alone.check, alone.region, alone.outcome) == (None, "eu", "RUN")


def test_a_failure_means_what_the_catalogue_says_as_far_as_the_stage_allows() -> None:
    folded = fold(TWO_ROWS, ("eu",), BOTH_PASS, Stage.LIVE)
    assert folded == Folded(Decision.GO, {"eu": Decision.GO}, (), ())
    assert {one: " ".join(decision_for(one, stage) for stage in Stage) for one in Meaning} == {
        Meaning.ADVISORY: "GO GO GO GO",
        Meaning.HOLD: "NO_GO HOLD HOLD HOLD",
        Meaning.STOP: "NO_GO STOP ROLLBACK HOLD",
        Meaning.ROLLBACK: "NO_GO STOP ROLLBACK HOLD",
    }


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
def test_an_advisory_check_is_shown_for_each_region_and_never_folded(
    outcome: Outcome | None,
) -> None:
    results = [
        a_result(*found, check=check, region=region)
        for region in ("eu", "us")
        for check, found in (("IV-A-1", [PASS]), ("IV-A-2", [outcome] if outcome else None))
        if found
    ]
    folded = fold(ADVISORY, ("eu", "us"), results, Stage.LIVE)
    assert folded.decision is Decision.GO
    assert [(one.check, one.region) for one in folded.advisories] == [
        ("IV-A-2", "eu"),
        ("IV-A-2", "us"),
    ]


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

"""Inputs on which leading deployment gates say the wrong thing, each under the trap's own sentence.

Those without a test have no counterpart here: there are no scores and weights (T7), no comparison
with a baseline (T11), no waiting state in which failures go uncounted (T18), no webhooks (T19), and
every run has a folder of its own, so that no old result can be used again (T25). Two series for one
number, a renamed metric and queries that match nothing (T14, T15, T24) are in
tests/steps/objectives/test_instrument.py and test_promql.py.
"""

from __future__ import annotations

import math
from typing import Any

import pydantic
import pytest

from gates.decide.catalogue import COLUMNS, CatalogueError, parse
from gates.decide.fold import Folded, RegionResult, Stage, fold
from gates.decide.judgement import Judgement, below, equals
from gates.decide.objective import judge_rollback, judge_target, over_limit_now
from gates.decide.outcome import Outcome
from gates.decide.statistics import Counts
from probes.observation import Failure, FailureKind
from steps.kit import failures
from tests.gates.decide.values import (
    a_judgement,
    a_result,
    a_row,
    an_objective,
    evidence,
    sustained,
    the_rollback,
)
from tests.tables import cases

ROWS = (a_row("IV-A-1"), a_row("IV-A-2"))
PASSED = a_result(Outcome.PASS, check="IV-A-2")


def decided(*judgements: Judgement) -> Folded:
    """Fold a run in which everything else passed."""
    return fold(ROWS, ("eu",), (PASSED, RegionResult("IV-A-1", "eu", judgements)), Stage.LIVE)


def counted(bad: float, total: float) -> Judgement:
    return judge_target(an_objective(), Counts(bad, total), evidence())


def run(*results: RegionResult, problems: tuple[str, ...] = ()) -> Folded:
    return fold(ROWS, ("eu",), results, Stage.LIVE, problems)


PASS, FAIL, ERROR, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.ERROR, Outcome.INCONCLUSIVE
SECOND = "IV-A-2"


@cases(
    "folded decision",
    {
        "T1: the only measurement failed and the limit is not exceeded": (
            decided(a_judgement(FAIL)),
            "ROLLBACK",
        ),
        "T2: all measurements are errors or failures and none is over its own limit": (
            run(a_result(ERROR), a_result(INCONCLUSIVE, check=SECOND)),
            "HOLD",
        ),
        "T3: the run is terminated before the first measurement": (run(), "HOLD"),
        "T4: there is neither a success nor a failure condition": (decided(), "HOLD"),
        "T6: an objective counts NaN": (decided(counted(math.nan, 1000)), "HOLD"),
        "T9: every measurement throws": (
            run(a_result(ERROR), a_result(ERROR, check=SECOND)),
            "HOLD",
        ),
        "T16: Prometheus is down and the release is healthy": (
            decided(failures.instrument_error("Prometheus", Failure(FailureKind.REFUSED, "Gone."))),
            "HOLD",
        ),
        "T20: the gate itself times out": (
            run(a_result(PASS), PASSED, problems=("the checks did not end within 60 s",)),
            "HOLD",
        ),
        "T21: a check is missing and that is tolerated": (run(PASSED), "HOLD"),
        "T22: a limit is on a metric that got no samples": (decided(counted(0, 0)), "HOLD"),
        "T23: evaluating a limit breaks": (decided(a_judgement(PASS), a_judgement(ERROR)), "HOLD"),
        "T26: an inconclusive check is waited out and promoted": (
            decided(a_judgement(INCONCLUSIVE)),
            "HOLD",
        ),
        "T28: a check ends in error, then well, then in error": (
            run(*map(a_result, (ERROR, PASS, ERROR)), PASSED),
            "HOLD",
        ),
    },
)
def test_it_is_decided(folded: Folded, decision: str) -> None:
    assert folded.decision == decision


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        *(
            pytest.param(
                below("the latency", nothing, 50, "ms"),
                FAIL,
                id=f"T5: {nothing!r} is compared with a limit",
            )
            for nothing in (math.nan, math.inf, None, "NaN")
        ),
        pytest.param(counted(math.nan, 1000), INCONCLUSIVE, id="T6: an objective counts NaN"),
        pytest.param(
            counted(0, 0),
            INCONCLUSIVE,
            id="T10: there are no samples and nothing is put in their place",
        ),
        pytest.param(
            counted(7, 10), FAIL, id="T12: seven of ten samples are a hundred times worse"
        ),
        pytest.param(counted(0, 30), INCONCLUSIVE, id="T17: traffic stops half way through"),
        pytest.param(
            equals("api /health version", "1.1.0", "1.2.0"),
            FAIL,
            id="T27: the verdict is about another release",
        ),
    ],
)
def test_it_is_judged(found: Judgement, outcome: Outcome) -> None:
    assert found.outcome is outcome


def test_t8_the_first_sample_of_a_range_speaks_for_all_of_it() -> None:
    limit, fine, bad = the_rollback(an_objective()), Counts(0, 1000), Counts(500, 1000)
    assert over_limit_now(limit, sustained(bad, fine, bad))
    assert not over_limit_now(limit, sustained(bad, bad, fine))
    whole = sustained(Counts(500, 2000), bad, fine)
    assert judge_rollback(an_objective(), limit, whole, evidence()).outcome is PASS


@pytest.mark.parametrize(
    "typo",
    [{"direction": "increse"}, {"kind": "erors"}, {"nan_strategy": "replce"}, {"target": None}],
    ids=str,
)
def test_t13_a_policy_has_a_typo(typo: dict[str, Any]) -> None:
    with pytest.raises(pydantic.ValidationError):
        an_objective(**typo)


@pytest.mark.parametrize("typo", ["rolback,", "rollback,environment:promethus"])
def test_t13_a_catalogue_has_a_typo(typo: str) -> None:
    line = f"IV-A-1,post-deploy,15m,team,blocker,no,{typo}"
    with pytest.raises(CatalogueError, match="is not one of"):
        parse([("catalogue.csv", f"{','.join(COLUMNS)}\n{line}\n")])

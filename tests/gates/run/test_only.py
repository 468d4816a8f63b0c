"""--only: a few checks to try something; whatever they say, it is not the gate's GO."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

from gates.decide.fold import RegionResult, Stage, fold
from gates.decide.judgement import equals
from gates.decide.outcome import Decision
from gates.run.runner import _left_out
from reports import words
from tests.gates.run.left import SCOPE
from tests.gates.run.test_refusals import refused
from tests.reports import verdicts
from tests.tables import cases


@cases(
    "body decision",
    {"all of them pass": (200, Decision.HOLD), "one fails": (503, Decision.ROLLBACK)},
)
def test_a_part_of_the_checks_is_never_go(body: int, decision: Decision) -> None:
    part = SCOPE.only(("IV-HEALTH-1",))
    problems = _left_out(part, SCOPE)
    results = [RegionResult("IV-HEALTH-1", "eu", (equals("status", body, 200),))]
    assert fold(part.rows, ("eu",), results, Stage.LIVE, problems).decision is decision
    assert problems[0].startswith(f"only 1 of {len(SCOPE.rows)} checks was asked")
    assert _left_out(SCOPE.only(()), SCOPE) == ()


def test_a_check_that_the_gate_does_not_ask_is_refused(
    tmp_path: pathlib.Path, said: Callable[..., None]
) -> None:
    verdict = refused(tmp_path, only=("iv-helth-1",), regions=("r1",))
    said([verdict.exit_code, verdict.sentences, words.again_command(verdict)], {str(tmp_path): "X"})


def test_it_is_asked_again_as_it_was_meant() -> None:
    verdict = verdicts.changed(verdicts.go(), only=("IV-HEALTH-1",), asked_regions=("eu",))
    assert words.again_command(verdict).endswith("--window 15m --region eu --only IV-HEALTH-1")
    assert ", only IV-HEALTH-1" in words.scope(verdict)

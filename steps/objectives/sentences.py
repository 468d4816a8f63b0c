"""Service level objectives, as gates/policy states them."""

from __future__ import annotations

from pytest_bdd import then, when

from steps.kit.check import Check
from steps.kit.run import Run
from steps.objectives.objectives import Objectives


@when("the events since the traffic switch are counted in every region", target_fixture="counted")
def counted(run: Run) -> Objectives:
    return run.shared(Objectives.of)


@then("they prove the policy's target and stay under its rollback limit")
@then("they prove the policy's target")
def proves(counted: Objectives, check: Check) -> None:
    counted.judge(check)

"""Service level objectives, as gates/policy states them."""

from __future__ import annotations

from pytest_bdd import then, when

from checks.check import Check
from checks.run import Run


@when("the events since the traffic switch are counted in every region", target_fixture="counted")
def counted(run: Run) -> Run:
    return run


@then("they prove the policy's target and stay under its rollback limit")
@then("they prove the policy's target")
def proves(counted: Run, check: Check) -> None:
    counted.objectives.judge(check)

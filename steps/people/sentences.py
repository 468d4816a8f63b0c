"""The time that a deployment takes."""

from __future__ import annotations

from pytest_bdd import then, when

from steps.kit.check import Check
from steps.kit.run import Run
from steps.people.windows import Schedule


@when("the times of the deployment's phases are read", target_fixture="schedule")
def read(run: Run, check: Check) -> Schedule:
    return Schedule.read(run.platform, check)


@then("the rest of the deployment and a rollback fit into the deployment window")
def fits(schedule: Schedule) -> None:
    schedule.fits()

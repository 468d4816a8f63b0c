"""The user journey, walked once in every region by a synthetic patient."""

from __future__ import annotations

from pytest_bdd import parsers, then, when

from checks.check import Check
from checks.run import Run


@when("a synthetic patient walks the journey in every region", target_fixture="journey")
def walk(run: Run) -> Run:
    return run


@then(parsers.parse("the {step} succeeds"))
def succeeds(journey: Run, check: Check, step: str) -> None:
    journey.journeys.judge(check, step)

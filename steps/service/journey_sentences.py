"""The user journey, walked once in every region by a synthetic patient."""

from __future__ import annotations

from pytest_bdd import parsers, then, when

from steps.kit.check import Check
from steps.kit.run import Run
from steps.service.journeys import Journeys


@when("a synthetic patient walks the journey in every region", target_fixture="journey")
def walk(run: Run) -> Journeys:
    return run.shared(Journeys.of)


@then(parsers.parse("the {step} succeeds"))
def succeeds(journey: Journeys, check: Check, step: str) -> None:
    journey.judge(check, step)

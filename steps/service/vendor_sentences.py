"""External services and the vendors behind them."""

from __future__ import annotations

from pytest_bdd import then, when

from steps.kit.check import Check
from steps.kit.run import Run
from steps.service.external import External


@when("the external services are read in every region", target_fixture="external")
def read(run: Run, check: Check) -> External:
    return External.read(run.platform, run.availability, check)


@then("every expected service is reported")
def all_reported(external: External) -> None:
    external.all_reported()


@then("every expected service is healthy")
def all_healthy(external: External) -> None:
    external.all_healthy()


@then("every vendor is up; a red one comes with its support contact and the time it owes an answer")
def vendors_up(external: External) -> None:
    external.vendors_up()

"""Mobile apps that are in use, and the API as they see it."""

from __future__ import annotations

from pytest_bdd import parsers, then, when

from steps.delivery import mobile
from steps.kit.check import Check
from steps.kit.run import Run


@when(
    parsers.parse("mobile {version} sends its requests in every region"), target_fixture="version"
)
def app(version: str) -> str:
    return version


@then("it can read every answer")
def understands(run: Run, check: Check, version: str) -> None:
    mobile.understands(run.platform, run.availability, check, version)


@when(
    "the API's document is compared with the one of the release before", target_fixture="compared"
)
def compared(run: Run) -> Run:
    return run


@then("no operation that a mobile app uses has a breaking change")
def nothing_breaks(compared: Run, check: Check) -> None:
    mobile.nothing_breaks(compared.platform, compared.availability, check)

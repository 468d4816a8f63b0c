"""Writes Gherkin steps, regions, owners and severities into the Allure results of plain pytest.

A gate's results are written from its verdict, by reports/allure.py, with the same parameters.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import allure
import pytest
from pytest_bdd.scenario import scenario_wrapper_template_registry

from bdd.collector import ROW
from bdd.session import CHECK, RUN
from gates.decide.outcome import Outcome
from gates.decide.verdict import Noted

_OPEN: pytest.StashKey[contextlib.ExitStack | None] = pytest.StashKey()


class NotPassedInRegion(Exception):  # noqa: N818 - a finding, which Allure shows as a broken step
    """What the step of a region or a judgement shows that was not decided."""


class FailedInRegion(NotPassedInRegion, AssertionError):  # noqa: N818 - a finding, as the one above
    """What it shows where something was measured and bad: Allure calls only assertions failed."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Name each check as its scenario does, also when its set-up fails."""
    for item in items:
        if ROW not in item.stash:
            continue
        row, function = item.stash[ROW], item.obj  # type: ignore[attr-defined]  # checks are functions
        template = scenario_wrapper_template_registry[function]
        name = f"{row.id} {template.name}"
        function.__allure_display_name__ = name.replace("{", "{{").replace("}", "}}")
        labels = {"feature": template.feature.name, "owner": row.owner, "severity": row.severity}
        for kind, value in labels.items():
            item.add_marker(pytest.mark.allure_label(value, label_type=kind))


def pytest_bdd_before_scenario(request: pytest.FixtureRequest) -> None:
    """Tell environments apart: results of equal name and parameters are retries of each other."""
    item = request.node
    if CHECK not in item.stash:
        return
    platform = item.config.stash[RUN].platform
    allure.dynamic.parameter("environment", platform.environment.settings.name)
    allure.dynamic.parameter("region", ", ".join(platform.regions))
    allure.dynamic.parameter("window", item.stash[ROW].when)
    allure.dynamic.parameter("release", platform.release.tag, excluded=True)


def pytest_bdd_before_step(request: pytest.FixtureRequest, step: Any) -> None:
    """Open an Allure step for a Gherkin step."""
    opened = contextlib.ExitStack()
    opened.enter_context(allure.step(f"{step.keyword} {step.name}"))
    request.node.stash[_OPEN] = opened


def pytest_bdd_after_step(request: pytest.FixtureRequest) -> None:
    """Close the step that ran through."""
    _close(request, None)


def pytest_bdd_step_error(request: pytest.FixtureRequest, exception: Exception) -> None:
    """Close the step that raised; only the type is shown, a text may hold anything."""
    _close(request, NotPassedInRegion(type(exception).__name__))


def pytest_bdd_after_scenario(request: pytest.FixtureRequest) -> None:
    """Show every region's outcome as a step of its own."""
    check = request.node.stash.get(CHECK, None)
    if check is None:
        return
    for region, noted in check.noted().items():
        _region_step(region, check.outcome(region), noted)


def _region_step(region: str, outcome: object, noted: Noted) -> None:
    with _step(f"{region}: {outcome or 'nothing judged'}", str(outcome)):
        for judgement in noted.judgements:
            with _step(f"{judgement.outcome.value}: {judgement.sentence}", judgement.outcome.value):
                pass


@contextlib.contextmanager
def _step(title: str, outcome: str) -> Iterator[None]:
    """Open a step of Allure that ends with the status of an outcome, and raises nothing."""
    with contextlib.suppress(NotPassedInRegion), allure.step(title):
        yield
        if outcome == Outcome.FAIL.value:
            raise FailedInRegion(outcome)
        if outcome not in (Outcome.PASS.value, Outcome.NOT_APPLICABLE.value):
            raise NotPassedInRegion(outcome)


def _close(request: pytest.FixtureRequest, error: Exception | None) -> None:
    opened = request.node.stash.get(_OPEN, None)
    if opened is not None:
        request.node.stash[_OPEN] = None
        opened.__exit__(type(error) if error else None, error, None)

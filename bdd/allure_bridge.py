"""Writes steps with what each judged, regions and owners into the Allure results of plain pytest.

A gate's results are written from its verdict, by reports/allure.py, with the same parameters.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import allure
import allure_commons
import pytest
from allure_commons.model2 import TestResult, TestResultContainer
from pytest_bdd.scenario import scenario_wrapper_template_registry

from bdd.collector import ROW
from bdd.session import CHECK, RUN
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome, worst_outcome
from gates.decide.verdict import Noted

_OPEN: pytest.StashKey[contextlib.ExitStack | None] = pytest.StashKey()
_BEFORE: pytest.StashKey[Mapping[str, Noted]] = pytest.StashKey()
_OF_THE_MACHINE = ("host", "thread")


class NotPassedInRegion(Exception):  # noqa: N818 - a finding, which Allure shows as a broken step
    """What the step of a region or a judgement shows that was not decided."""


class FailedInRegion(NotPassedInRegion, AssertionError):  # noqa: N818 - a finding, as the one above
    """What it shows where something was measured and bad: Allure calls only assertions failed."""


class _NothingOfTheMachine:
    """Leaves out of what is written who ran it and with which fixtures."""

    @allure_commons.hookimpl(tryfirst=True)
    def report_result(self, result: TestResult) -> None:
        """Drop the labels of host and thread."""
        result.labels = [one for one in result.labels if one.name not in _OF_THE_MACHINE]

    @allure_commons.hookimpl(tryfirst=True)
    def report_container(self, container: TestResultContainer) -> None:
        """Drop the fixtures: pytest-bdd's own ones are among them."""
        container.befores, container.afters = [], []


def pytest_configure(config: pytest.Config) -> None:
    """Be told of results before they are written."""
    own = _NothingOfTheMachine()
    allure_commons.plugin_manager.register(own)
    config.add_cleanup(lambda: allure_commons.plugin_manager.unregister(own) and None)


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
    if CHECK in request.node.stash:
        request.node.stash[_BEFORE] = request.node.stash[CHECK].noted()


def pytest_bdd_after_step(request: pytest.FixtureRequest) -> None:
    """Show what the step that ran through judged in each region, and close it as the worst of it."""
    outcomes = [one for region in _judged_now(request) for one in _region_step(*region)]
    _close(request, _not_passed(worst_outcome(outcomes) if outcomes else None))


def pytest_bdd_step_error(request: pytest.FixtureRequest, exception: Exception) -> None:
    """Close the step that raised; only the type is shown, a text may hold anything."""
    _close(request, NotPassedInRegion(type(exception).__name__))


def _judged_now(request: pytest.FixtureRequest) -> Iterator[tuple[str, tuple[Judgement, ...]]]:
    check = request.node.stash.get(CHECK, None)
    for region, noted in check.noted().items() if check else ():
        known = len(request.node.stash[_BEFORE][region].judgements)
        if new := noted.judgements[known:]:
            yield region, new


def _region_step(region: str, judgements: tuple[Judgement, ...]) -> list[Outcome]:
    worst = worst_outcome(one.outcome for one in judgements)
    with _step(f"{region}: {worst.value}", worst):
        for judgement in judgements:
            with _step(f"{judgement.outcome.value}: {judgement.sentence}", judgement.outcome):
                pass
    return [one.outcome for one in judgements]


@contextlib.contextmanager
def _step(title: str, outcome: Outcome) -> Iterator[None]:
    """Open a step of Allure that ends with the status of an outcome, and raises nothing."""
    with contextlib.suppress(NotPassedInRegion), allure.step(title):
        yield
        if found := _not_passed(outcome):
            raise found


def _not_passed(outcome: Outcome | None) -> NotPassedInRegion | None:
    if outcome in (None, Outcome.PASS, Outcome.NOT_APPLICABLE):
        return None
    return (FailedInRegion if outcome is Outcome.FAIL else NotPassedInRegion)(outcome)


def _close(request: pytest.FixtureRequest, error: Exception | None) -> None:
    opened = request.node.stash.get(_OPEN, None)
    if opened is not None:
        request.node.stash[_OPEN] = None
        opened.__exit__(type(error) if error else None, error, None)

"""Runs one check by its id: the scenario's own sentences, in their order, on a platform of a test."""

from __future__ import annotations

import functools
import importlib
import inspect
import pathlib
import tempfile
from typing import Any

from pytest_bdd.feature import get_feature
from pytest_bdd.parser import Step
from pytest_bdd.steps import StepFunctionContext, step_function_context_registry

import conftest
from bdd.features import feature_files, scenarios
from gates.load import load_catalogue
from steps.kit.asked import Asked
from steps.kit.availability import Availability
from steps.kit.check import Check
from steps.kit.platform import Platform
from steps.kit.request import EVENTS
from steps.kit.run import Events, Run
from steps.kit.traffic import TrafficLease
from tests.checkout import ROOT


def judged(check_id: str, platform: Platform, run_dir: pathlib.Path | None = None) -> Check:
    """Run a check of the catalogue and return what it noted; what breaks it is raised."""
    row = next(one for one in load_catalogue() if one.id == check_id)
    check = Check(check_id, platform.regions, row.on_fail)
    with tempfile.TemporaryDirectory() as folder:
        run_dir = run_dir or pathlib.Path(folder)
        run = a_run(platform, run_dir)
        known: dict[str, Any] = {
            "run": run,
            "check": check,
            "asked": Asked(platform, check, platform.regions),
        }
        try:
            for step in _steps()[check_id]:
                _take(step, known)
        finally:
            run.events.close()
    return check


def a_run(platform: Platform, run_dir: pathlib.Path) -> Run:
    """Return a run as plain pytest opens it, without an environment to bring up."""
    lease = TrafficLease(platform.environment.settings.traffic.lease)
    return Run(platform, Availability(platform), lease, Events(run_dir / EVENTS), run_dir)


def _take(step: Step, known: dict[str, Any]) -> None:
    bound = _bound(step)
    given = bound.parser.parse_arguments(step.name) or {}
    wanted = inspect.signature(bound.step_func).parameters
    value = bound.step_func(**{name: {**known, **given}[name] for name in wanted})
    if bound.target_fixture:
        known[bound.target_fixture] = value


def _bound(step: Step) -> StepFunctionContext:
    return next(
        one
        for one in step_function_context_registry.values()
        if one.type == step.type and one.parser.is_matching(step.name)
    )


@functools.cache
def _steps() -> dict[str, list[Step]]:
    """Return the steps of every scenario, by its id; all sentences are bound then."""
    for plugin in conftest.pytest_plugins:
        if plugin.startswith("steps."):
            importlib.import_module(plugin)
    return {
        place.check: get_feature(str(place.file.parent), place.file.name)
        .scenarios[place.name]
        .steps
        for place in scenarios(feature_files(ROOT / "features"))
    }

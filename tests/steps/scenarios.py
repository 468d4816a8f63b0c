"""Runs one check by its id: the scenario's own sentences, in their order, on a platform of a test."""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import json
import pathlib
import re
import tempfile
from collections.abc import Iterator
from typing import Any

from pytest_bdd.feature import get_feature
from pytest_bdd.parser import Step
from pytest_bdd.steps import StepFunctionContext, step_function_context_registry
from pytest_bdd.types import THEN

import conftest
from bdd.features import feature_files, scenarios
from gates.decide.judgement import Judgement
from gates.decide.outcome import Meaning, Outcome
from gates.load import load_catalogue
from steps.kit.asked import Asked
from steps.kit.availability import Availability
from steps.kit.check import Check
from steps.kit.leases import TrafficLease
from steps.kit.platform import Platform
from steps.kit.request import EVENTS
from steps.kit.run import Events, Run
from tests.checkout import ROOT

_VARIES = re.compile(
    r"(?<=127.0.0.1:)\d+|(?<=localhost:)\d+|\d+\.\d+(?= s\b)|(?<=asked )(once|\d+ times)"
    r"|\d+(\.\d+)?(?= s of waiting)|\d+(?= answers have no header)"
    r"|(?<!-\d\d )\d\d:\d\d(:\d\d)?(?= UTC)"
)
"""Ports, times of day, and how long and how often something was asked."""


def judged(
    check_id: str, platform: Platform, *, run: Run | None = None, means: Meaning | None = None
) -> Check:
    """Run a check of the catalogue and return what it noted; what breaks it is raised.

    `run` lets several checks share one; `means` is another meaning of a FAIL than the catalogue's.
    """
    if run is None:
        with tempfile.TemporaryDirectory() as folder, a_run(platform, pathlib.Path(folder)) as own:
            return judged(check_id, platform, run=own, means=means)
    check = Check(check_id, platform.regions, means or _meanings()[check_id])
    asked = Asked(platform, check, platform.regions)
    known: dict[str, Any] = {"run": run, "check": check, "asked": asked}
    for step in _steps()[check_id]:
        with check.taking(step.name, judges=step.type == THEN):
            _take(step, known)
    check.judge_silence()
    json.dumps([one.record() for one in all_of(check)], allow_nan=False)
    assert "sentinel" not in str(check.noted()), "a secret or a patient's data was kept"
    return check


def all_of(check: Check, region: str | None = None) -> list[Judgement]:
    """Return what was judged in one region, or in all."""
    noted = check.noted()
    return [one for each in ([region] if region else noted) for one in noted[each].judgements]


def bad(check_id: str, platform: Platform, region: str = "eu") -> list[Judgement]:
    """Run a check and return what it finds in a region that is not good."""
    found = all_of(judged(check_id, platform), region)
    return [one for one in found if one.outcome is not Outcome.PASS]


def told(check: Check, region: str = "eu") -> list[str]:
    """Return what was judged in a region, as outcome and sentence."""
    return [sentence(one) for one in all_of(check, region)]


def wrong(check: Check, region: str = "eu") -> list[str]:
    """Return what did not pass in a region, as outcome and sentence."""
    return [one for one in told(check, region) if not one.startswith("PASS")]


def sentence(judgement: Judgement) -> str:
    """Return outcome and sentence of a judgement, without what differs by run."""
    return f"{judgement.outcome}: {_VARIES.sub('…', judgement.sentence)}"


def outcome(check_id: str, platform: Platform, region: str = "eu") -> Outcome | None:
    """Run a check and return its outcome in a region."""
    return judged(check_id, platform).outcome(region)


@contextlib.contextmanager
def a_run(platform: Platform, run_dir: pathlib.Path) -> Iterator[Run]:
    """Yield a run as plain pytest opens it, without an environment to bring up."""
    lease = TrafficLease(platform.environment.settings.traffic.lease)
    with contextlib.closing(Events(run_dir / EVENTS)) as events:
        run = Run(platform, Availability(platform), lease, events, run_dir)
        with run.closing:
            yield run


def _take(step: Step, known: dict[str, Any]) -> None:
    bound = _bound(step.type, step.name)
    given = bound.parser.parse_arguments(step.name) or {}
    wanted = inspect.signature(bound.step_func).parameters
    value = bound.step_func(**{name: {**known, **given}[name] for name in wanted})
    if bound.target_fixture:
        known[bound.target_fixture] = value


@functools.cache
def _bound(kind: str, sentence: str) -> StepFunctionContext:
    return next(
        one
        for one in step_function_context_registry.values()
        if one.type == kind and one.parser.is_matching(sentence)
    )


@functools.cache
def _meanings() -> dict[str, Meaning]:
    """Return what a FAIL of each check means, as the catalogue says."""
    return {row.id: row.on_fail for row in load_catalogue()}


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

"""Guards against runs that look green: each silent pass of pytest-bdd becomes an error."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Generator, Sequence
from typing import Any

import pytest
from pytest_bdd.compat import get_fixture_names
from pytest_bdd.scenario import scenario_wrapper_template_registry
from pytest_bdd.steps import StepFunctionContext, step_function_context_registry
from pytest_bdd.utils import get_required_args

from bdd.collector import ROW, ROWS, in_features


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Refuse ids that no catalogue row has or two scenarios have, unbound steps, and what these lack."""
    seen: dict[str, str] = {}
    problems: list[str] = []
    fixtures = session._fixturemanager  # noqa: SLF001 - as pytest-bdd itself
    visible = functools.cache(functools.partial(_definitions, fixtures))
    known = frozenset(get_fixture_names(fixtures))
    for item in items:
        # A test of an operation is not a function.
        template = scenario_wrapper_template_registry.get(getattr(item, "obj", print))
        if template is None:
            continue
        at = f"{template.feature.filename}:{template.line_number}"
        if ROW not in item.stash:
            if in_features(item):
                problems.append(f"{at}: its tag is not an id of the catalogue.")
        elif item.stash[ROW].id in seen:
            problems.append(f"{at}: {item.stash[ROW].id} is also {seen[item.stash[ROW].id]}.")
        else:
            seen[item.stash[ROW].id] = at
        problems += _unbound(visible(item.parent), template, known)
    if problems:
        raise pytest.UsageError("\n".join(problems))


def pytest_bdd_before_step_call(step: Any, step_func: Callable[..., Any]) -> None:
    """Fail a step that is a coroutine: pytest-bdd would create it and never run it."""
    if inspect.iscoroutinefunction(step_func) or inspect.isasyncgenfunction(step_func):
        pytest.fail(
            f"the step “{step.name}” is async and would pass without running", pytrace=False
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped check into a failed one: only the catalogue says what does not apply."""
    report = yield
    if ROW in item.stash and report.outcome == "skipped":
        report.outcome = "failed"
        report.longrepr = f"{item.stash[ROW].id} was skipped; a required check can't be"
    return report


def pytest_report_header(config: pytest.Config) -> str:
    """Show how much is required."""
    return f"catalogue: {len(config.stash[ROWS])} checks"


def _definitions(fixtures: Any, module: pytest.Collector) -> list[StepFunctionContext]:
    """Return what defines steps for a module's scenarios; pytest-bdd looks that up for each step anew."""
    seen = (fixtures.getfixturedefs(name, module) for name in get_fixture_names(fixtures))
    found = (step_function_context_registry.get(one.func) for defined in seen for one in defined)
    return [one for one in found if one is not None]


def _unbound(
    definitions: Sequence[StepFunctionContext], template: Any, known: Collection[str]
) -> list[str]:
    problems, given = [], set(known)
    for step in template.render({}).steps:
        at = f"{template.feature.filename}:{step.line_number}: “{step.name}”"
        found = [
            one
            for one in definitions
            if one.type in (None, step.type) and one.parser.is_matching(step.name)
        ]
        if len(found) != 1:
            what = "ambiguous: several definitions fit" if found else "undefined"
            problems.append(f"{at} is {what}.")
            continue
        needed = {*get_required_args(found[0].step_func)}
        lacking = needed - given - (found[0].parser.parse_arguments(step.name) or {}).keys()
        problems += (
            f"{at} needs {name}, which no step before it gives." for name in sorted(lacking)
        )
        given.add(found[0].target_fixture or "")
    return problems

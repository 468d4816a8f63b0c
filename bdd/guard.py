"""Guards against runs that look green: each silent pass of pytest-bdd becomes an error."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator
from typing import Any

import pytest
from pytest_bdd.scenario import find_fixturedefs_for_step, scenario_wrapper_template_registry

from bdd.collector import ROW, ROWS, in_features


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Refuse ids that no catalogue row has, ids that two scenarios have, and unbound steps."""
    seen: dict[str, str] = {}
    problems: list[str] = []
    for item in items:
        template = scenario_wrapper_template_registry.get(getattr(item, "obj", None))  # type: ignore[arg-type]  # weak keys: None is simply absent
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
        problems += _unbound(session, item, template)
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


def _unbound(session: pytest.Session, item: pytest.Item, template: Any) -> list[str]:
    problems = []
    for step in template.render({}).steps:
        found = list(find_fixturedefs_for_step(step, session._fixturemanager, item))  # noqa: SLF001 - pytest-bdd's own way to find a step
        if len(found) != 1:
            what = "ambiguous: several definitions fit" if found else "undefined"
            problems.append(
                f"{template.feature.filename}:{step.line_number}: “{step.name}” is {what}."
            )
    return problems

"""Collects .feature files directly: one scenario is one test item, marked from the catalogue."""

from __future__ import annotations

import importlib.util
import json
import pathlib
import re
import types
from collections.abc import Callable
from typing import Any

import pytest
from pytest_bdd.feature import get_feature
from pytest_bdd.scenario import scenario

from bdd.features import FeatureError, holds_any, lint, scenarios
from environments.loader import checks_of
from environments.yaml_file import ConfigurationError
from gates.decide.catalogue import COMPUTED, Row
from gates.load import Checks, load_catalogue

CONTRACT = "contract"
"""The folder of features beside whose checks each operation of the API is a test."""
ROWS: pytest.StashKey[dict[str, Row]] = pytest.StashKey()
ROW: pytest.StashKey[Row] = pytest.StashKey()
CHECKS: pytest.StashKey[Checks] = pytest.StashKey()
FOLDER: pytest.StashKey[pathlib.Path | None] = pytest.StashKey()
"""The platform's own folder of checks, None for the gate's own."""
WANTED: pytest.StashKey[frozenset[str] | None] = pytest.StashKey()
"""The checks that a manifest names; None without one: all of them."""


def pytest_configure(config: pytest.Config) -> None:
    """Register one marker for every id, phase and owner of the catalogue; refuse `python -O`."""
    if not __debug__:
        raise pytest.UsageError(
            "python -O strips the checks of the libraries used; run without it."
        )
    try:
        folder = _folder(config)
        checks = Checks.of(folder)
        rows = load_catalogue(checks.features)
    except ConfigurationError as exc:
        raise pytest.UsageError(str(exc)) from exc
    _load_steps(config, folder and checks.steps)
    config.stash[ROWS] = {row.id: row for row in rows}
    config.stash[FOLDER], config.stash[CHECKS] = folder, checks
    config.stash[WANTED] = _wanted(config.getoption("--manifest"))
    if config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        config.args = [str(checks.features)]
    for line in (
        "smoke: the smoke checks",
        "owner(name): who fixes it",
        "severity(level): how bad",
    ):
        config.addinivalue_line("markers", line)
    for row in rows:
        config.addinivalue_line("markers", f"{row.id}: this one check")
    for phase in sorted({row.phase for row in rows}):
        config.addinivalue_line("markers", f"{phase}: checks of this phase")
    for folder in sorted(one for one in checks.features.iterdir() if one.is_dir()):
        config.addinivalue_line("markers", f"{folder.name}: checks in this folder of features/")


def pytest_collect_file(file_path: pathlib.Path, parent: pytest.Collector) -> pytest.Module | None:
    """Collect a .feature file; with a manifest only one that may hold a check of it: parsing takes long."""
    wanted = parent.config.stash[WANTED]
    if file_path.suffix != ".feature" or not (wanted is None or holds_any(file_path, wanted)):
        return None
    return FeatureModule.from_parent(parent, path=file_path)


class FeatureModule(pytest.Module):
    """A .feature file as a module: one generated test function for each scenario."""

    def _getobj(self) -> types.ModuleType:
        module = types.ModuleType(f"features.{self.path.stem.replace('-', '_')}")
        module.__file__ = str(self.path)
        try:
            problems = list(lint(self.path))
            places = list(scenarios([self.path]))
        except FeatureError as exc:
            raise self.CollectError(str(exc)) from exc
        if problems:
            raise self.CollectError("\n".join(problems))
        known = get_feature(str(self.path.parent), self.path.name).scenarios
        for place in places:
            if place.name not in known:
                raise self.CollectError(f"{place.file}:{place.line}: pytest-bdd does not see it.")
            setattr(module, _function_name(place.check), _test(self.path, place.name))
        return module


def pytest_bdd_apply_tag(tag: str, function: Callable[..., Any]) -> bool:
    """Keep the tag as the marker of the check's id; everything else comes from the catalogue."""
    getattr(pytest.mark, tag)(function)
    return True


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark a check from its catalogue row."""
    rows = item.config.stash[ROWS]
    row = next((rows[mark.name] for mark in item.iter_markers() if mark.name in rows), None)
    if row is None:
        return
    item.stash[ROW] = row
    item.add_marker(row.phase)
    if item.path.parent != item.config.stash[CHECKS].features:
        item.add_marker(item.path.parent.name)
    item.add_marker(pytest.mark.owner(row.owner))
    item.add_marker(pytest.mark.severity(row.severity))
    if row.smoke:
        item.add_marker("smoke")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put checks into the catalogue's order, computed ones last; keep exactly what --manifest names."""
    rows = config.stash[ROWS]
    last = [check for check in COMPUTED if check in rows]
    in_order = [*(check for check in rows if check not in last), *last]
    order = {check: number for number, check in enumerate(in_order)}
    items.sort(key=lambda item: order[item.stash[ROW].id] if ROW in item.stash else len(order))
    wanted = config.stash[WANTED]
    if wanted is None:
        return
    kept = [item for item in items if ROW in item.stash and item.stash[ROW].id in wanted]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


def operations_asked_for(config: pytest.Config) -> bool:
    """Return whether -m names the contract's folder: -k may choose among its operations alone."""
    return re.search(rf"\b{CONTRACT}\b", config.getoption("markexpr")) is not None


def in_features(item: pytest.Item) -> bool:
    """Return whether an item lies under features/, where every scenario is a catalogued check."""
    return item.path.resolve().is_relative_to(item.config.stash[CHECKS].features)


def _wanted(manifest: pathlib.Path | None) -> frozenset[str] | None:
    if manifest is None:
        return None
    return frozenset(json.loads(manifest.read_text(encoding="utf-8"))["checks"])


def _folder(config: pytest.Config) -> pathlib.Path | None:
    asked: pathlib.Path | None = config.getoption("--checks")
    if asked is not None:
        return asked.resolve()
    known = config.getoption("--environment-file") is None
    return checks_of(config.getoption("--env")) if known else None


def _load_steps(config: pytest.Config, folder: pathlib.Path | None) -> None:
    """Load the sentences of a platform's own; raises UsageError for a file that does not load."""
    for file in sorted(folder.glob("*.py") if folder else ()):
        name = f"own_steps_{file.stem}"
        spec = importlib.util.spec_from_file_location(name, file)
        if spec is None or spec.loader is None:
            raise pytest.UsageError(f"{file}: can not be loaded")
        module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except Exception as exc:
            raise pytest.UsageError(f"{file}: does not load: {type(exc).__name__}: {exc}") from exc
        config.pluginmanager.register(module, name)


def _function_name(check: str) -> str:
    return "test_" + check.replace("-", "_").replace(".", "_").lower()


def _test(file: pathlib.Path, name: str) -> Callable[..., Any]:
    @scenario(str(file), name)
    def run() -> None:
        """Nothing follows the last step."""

    test: Callable[..., Any] = run
    test.__doc__ = name  # pytest-bdd's begins with the file's absolute path, and Allure shows it
    return test

"""The manifest: what a run must answer, checked against the scenarios before anything is measured."""

from __future__ import annotations

import collections
import dataclasses
import pathlib
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

from bdd.features import FeatureError, feature_files, lint, scenarios
from environments.yaml_file import ConfigurationError
from gates.decide.catalogue import Row
from gates.load import FEATURES


@dataclasses.dataclass(frozen=True, slots=True)
class Scenario:
    """What people read of a check, also of one that did not run."""

    title: str | None
    place: str | None
    """File and line: features/post_deploy/performance.feature:6."""


@dataclasses.dataclass(frozen=True, slots=True)
class Manifest:
    """The rows of a run: those that must be measured, and those that do not apply, with the rule."""

    required: tuple[Row, ...]
    not_applicable: tuple[tuple[Row, str], ...]
    scenarios: Mapping[str, Scenario] = dataclasses.field(default_factory=dict)
    """By check."""

    @property
    def rows(self) -> tuple[Row, ...]:
        """All rows in scope."""
        return (*self.required, *(row for row, _ in self.not_applicable))

    @property
    def ids(self) -> list[str]:
        """Ids of the checks to run."""
        return [row.id for row in self.required]

    def scenario(self, check: str) -> Scenario:
        """Return what is known of a check's scenario."""
        return self.scenarios.get(check, Scenario(None, None))


def manifest(
    rows: Sequence[Row],
    sections: Collection[str],
    scenarios: Mapping[str, Scenario] = MappingProxyType({}),
) -> Manifest:
    """Split rows by their rule over the environment; raises ConfigurationError if none applies."""
    required = tuple(row for row in rows if row.applies(sections))
    others = tuple((row, _rule(row)) for row in rows if not row.applies(sections))
    if not required:
        raise ConfigurationError("no check applies to this environment; nothing could be GO.")
    return Manifest(required, others, scenarios)


def check_scenarios(
    rows: Sequence[Row], features: pathlib.Path | None = None
) -> dict[str, Scenario]:
    """Return each check's scenario.

    Raises ConfigurationError unless there are rows and each has exactly one well-formed scenario.
    """
    if not rows:
        shown = "features" if features is None else str(features)
        raise ConfigurationError(
            f"{shown}/catalogue.csv: no check is in scope; nothing could be GO."
        )
    files = feature_files(features or FEATURES)
    try:
        problems = [problem for file in files for problem in lint(file)]
        places = list(scenarios(files))
    except FeatureError as exc:
        raise ConfigurationError(str(exc)) from exc
    found = collections.Counter(place.check for place in places)
    for row in rows:
        if found[row.id] == 0:
            problems.append(f"{row.id} is required by the catalogue and has no scenario; write it.")
        elif found[row.id] > 1:
            problems.append(f"{row.id} has {found[row.id]} scenarios; keep one.")
    if problems:
        raise ConfigurationError(*problems)
    above = (features or FEATURES).parent
    return {
        one.check: Scenario(one.name, f"{one.file.relative_to(above).as_posix()}:{one.line}")
        for one in places
    }


def _rule(row: Row) -> str:
    return f"the environment has no {row.section} section"

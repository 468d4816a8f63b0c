"""Reads .feature files: which scenarios there are, under which id, and what pytest-bdd would miss."""

from __future__ import annotations

import collections
import dataclasses
import functools
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any

from gherkin.errors import ParserError
from gherkin.parser import Parser


@dataclasses.dataclass(frozen=True, slots=True)
class ScenarioPlace:
    """A scenario: its id, its name, and where it stands."""

    check: str
    name: str
    file: pathlib.Path
    line: int


class FeatureError(Exception):
    """A feature file would be run other than it reads; the text says where and how to fix it."""


def feature_files(folder: pathlib.Path) -> list[pathlib.Path]:
    """Return every .feature file below a folder."""
    return sorted(folder.rglob("*.feature"))


def scenarios(files: Iterable[pathlib.Path]) -> Iterator[ScenarioPlace]:
    """Yield every scenario; raises FeatureError for one without exactly one tag, its id."""
    for file in files:
        for scenario in _scenarios_of(_parsed(file)):
            tags = [tag["name"].removeprefix("@") for tag in scenario["tags"]]
            at = f"{file}:{scenario['location']['line']}"
            if len(tags) != 1:
                raise FeatureError(
                    f"{at}: “{scenario['name']}” has {len(tags)} tags; its one tag is its catalogue id."
                )
            yield ScenarioPlace(tags[0], scenario["name"], file, scenario["location"]["line"])


def lint(file: pathlib.Path) -> Iterator[str]:
    """Yield a sentence for everything that pytest-bdd would silently drop or pass."""
    feature = _parsed(file)
    yield from _lint_around(feature, file)
    found = list(_scenarios_of(feature))
    names = collections.Counter(scenario["name"] for scenario in found)
    for scenario in found:
        at = f"{file}:{scenario['location']['line']}: “{scenario['name']}”"
        if names[scenario["name"]] > 1:
            yield f"{at} is the name of {names[scenario['name']]} scenarios; only the last would run."
        if not scenario["steps"]:
            yield f"{at} has no steps; it would pass."
        if scenario["description"].strip():
            first = scenario["description"].strip().splitlines()[0]
            yield (
                f"{at}: “{first}” is read as prose and would not run; fix its keyword, "
                "or move prose up to the feature."
            )
        if scenario["examples"]:
            yield f"{at} has Examples; one scenario is one check, write them out."


def _lint_around(feature: dict[str, Any], file: pathlib.Path) -> Iterator[str]:
    """Yield a sentence for what stands around scenarios and would silently change them."""
    if feature["tags"]:
        at = f"{file}:{feature['location']['line']}: “{feature['name']}”"
        yield f"{at} has tags, which would reach all its scenarios; each has one, its id."
    for child in feature["children"]:
        if "rule" in child:
            yield from _lint_around(child["rule"], file)
        if "background" in child and child["background"]["description"].strip():
            at = f"{file}:{child['background']['location']['line']}: the background"
            yield f"{at} has prose, which would not run; fix its keyword, or move it up."


def holds_any(file: pathlib.Path, checks: Iterable[str]) -> bool:
    """Return whether a file may hold the scenario of one of these ids; what can't be read does."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return True
    return any(f"@{check}" in text for check in checks)


@functools.lru_cache(maxsize=1)
def _parsed(file: pathlib.Path) -> dict[str, Any]:
    try:
        feature = Parser().parse(file.read_text(encoding="utf-8")).get("feature")
    except (ParserError, OSError, UnicodeDecodeError) as exc:
        raise FeatureError(f"{file}: is not a readable feature: {type(exc).__name__}.") from exc
    if feature is None:
        raise FeatureError(f"{file}: holds no feature; write one or remove the file.")
    return dict(feature)


def _scenarios_of(feature: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for child in feature["children"]:
        if "scenario" in child:
            yield child["scenario"]
        if "rule" in child:
            yield from _scenarios_of(child["rule"])

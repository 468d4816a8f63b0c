"""Reads the lines that the pytest child leaves: results of checks and problems of the run."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NoReturn

from gates.decide.fold import RegionResult
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from gates.decide.plain_text import cleaned


@dataclasses.dataclass(frozen=True, slots=True)
class Lines:
    """Everything that a child said, in order."""

    results: tuple[RegionResult, ...]
    finished: Mapping[str, tuple[Mapping[str, Any], ...]]
    """The `check_finished` events of each check; a doubled check has more than one."""
    problems: tuple[str, ...]


class Tail:
    """Follows a growing file of events."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._read = 0
        self._rest = b""

    def new_events(self) -> Iterator[dict[str, Any]]:
        """Yield the events that came since the last call; a line under way waits for its end."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._read)
            data = file.read()
        self._read += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            event = _event(line)
            if event is not None:
                yield event


def read(path: pathlib.Path) -> Lines:
    """Read a finished file of events.

    A last line without its end is what a killed child leaves: its check did not run, and is missing.
    Any other unreadable line is a problem of the run: something wrote there that is not our recorder.
    """
    data = path.read_bytes() if path.exists() else b""
    results: list[RegionResult] = []
    finished: dict[str, tuple[Mapping[str, Any], ...]] = {}
    problems: list[str] = []
    *lines, _torn = data.split(b"\n")
    for number, line in enumerate(lines, start=1):
        event = _event(line)
        if event is None:
            problems += [f"line {number} of {path.name} is unreadable"] if line else []
        elif event.get("event") == "problem":
            problems.append(str(event.get("sentence")))
        elif event.get("event") == "check_finished":
            try:
                found = _results(event)
            except (KeyError, TypeError, ValueError, AttributeError):
                problems.append(f"line {number} of {path.name} is no result of a check")
                continue
            results += found
            finished[event["check"]] = (*finished.get(event["check"], ()), event)
            problems += _claims(found)
    return Lines(tuple(results), finished, tuple(problems))


def together(several: Iterable[Lines]) -> Lines:
    """Return the lines of several children as one's: what ran in two of them ran twice."""
    several = tuple(several)
    finished: dict[str, tuple[Mapping[str, Any], ...]] = {}
    for one in several:
        for check, events in one.finished.items():
            finished[check] = (*finished.get(check, ()), *events)
    return Lines(
        tuple(result for one in several for result in one.results),
        finished,
        tuple(problem for one in several for problem in one.problems),
    )


def _results(event: Mapping[str, Any]) -> list[RegionResult]:
    check = event["check"]
    if not isinstance(check, str):
        raise TypeError("the check's id is no text")
    return [
        RegionResult(check, region, _judgements(noted))
        for region, noted in event["regions"].items()
    ]


def _judgements(noted: Mapping[str, Any]) -> tuple[Judgement, ...]:
    if not (isinstance(noted["judgements"], list) and isinstance(noted["observations"], list)):
        raise TypeError("judgements and observations are no lists")
    return tuple(Judgement.from_record(record) for record in noted["judgements"])


def _claims(results: Iterable[RegionResult]) -> list[str]:
    """Return a problem for each claim not to apply: the catalogue's rule alone says that."""
    return [
        f"{result.check} claims in {result.region} that it does not apply, which only its rule in "
        "the catalogue can say"
        for result in results
        if any(one.outcome is Outcome.NOT_APPLICABLE for one in result.judgements)
    ]


def _event(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return cleaned(event) if isinstance(event, dict) else None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")

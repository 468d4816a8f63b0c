"""Reads the lines that the pytest child leaves: results of checks and problems of the run."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator
from typing import Any

from gates.decide.fold import RegionResult
from gates.decide.kept import MalformedError
from gates.decide.outcome import Outcome
from gates.decide.suite import EVENT as SUITE
from gates.decide.suite import Suite
from gates.decide.verdict import FINISHED, Finished
from reports.events import event_of


@dataclasses.dataclass(frozen=True, slots=True)
class Lines:
    """Everything that a child said, in order; of several children what ran in two of them ran twice."""

    finished: tuple[Finished, ...]
    problems: tuple[str, ...]
    suites: tuple[Suite, ...] = ()
    """What was handed over for the evidence of the release."""

    @property
    def results(self) -> tuple[RegionResult, ...]:
        """What each check found in each region; one that ran twice has two."""
        return tuple(
            RegionResult(one.check, region, noted.judgements)
            for one in self.finished
            for region, noted in one.regions.items()
        )


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
        yield from filter(None, map(event_of, lines))


def read(path: pathlib.Path) -> Lines:
    """Read a finished file of events.

    A last line without its end is what a killed child leaves: its check did not run, and is missing.
    Any other unreadable line is a problem of the run: something wrote there that is not our recorder.
    """
    data = path.read_bytes() if path.exists() else b""
    finished: list[Finished] = []
    problems: list[str] = []
    suites: list[Suite] = []
    *lines, _torn = data.split(b"\n")
    for number, line in enumerate(lines, start=1):
        event = event_of(line) if line else {}
        if event is None:
            problems.append(f"line {number} of {path.name} is unreadable")
        elif event.get("event") == "problem":
            problems.append(str(event.get("sentence")))
        elif event.get("event") in (FINISHED, SUITE):
            try:
                _take(event, finished, suites, problems)
            except MalformedError:
                problems.append(f"line {number} of {path.name} is not a result of a check")
    return Lines(tuple(finished), tuple(problems), tuple(suites))


def _take(
    event: dict[str, Any], finished: list[Finished], suites: list[Suite], problems: list[str]
) -> None:
    if event["event"] == SUITE:
        suites.append(Suite.from_record(event))
        return
    found = Finished.from_record(event)
    finished.append(found)
    problems += _claims(found)


def _claims(found: Finished) -> list[str]:
    """Return a problem for each claim not to apply: the catalogue's rule alone says that."""
    return [
        f"{found.check} claims in {region} that it does not apply, which only its rule in "
        "the catalogue can say"
        for region, noted in found.regions.items()
        if any(one.outcome is Outcome.NOT_APPLICABLE for one in noted.judgements)
    ]

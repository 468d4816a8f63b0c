"""A run of checks: the platform it measures and the evidence it leaves, from first check to last."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
import os
import pathlib
import re
import secrets
import threading
from collections.abc import Iterator
from typing import Any

from checks.availability import Availability
from checks.journeys import Journeys
from checks.objectives import Objectives
from checks.platform import Platform
from checks.traffic import TrafficLease
from environments.loader import Loaded
from environments.provider import environment
from environments.yaml_file import RequestError
from gates.decide.release import Release
from gates.load import ROOT, load_policy
from probes.observation import Deadline, utc_now

EVENTS = "events.jsonl"
OUT = ROOT / "reports" / "out"


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """What the caller asks for on the command line; everything else is found."""

    env: str
    release: str | None
    regions: tuple[str, ...]
    switched_at: str | None
    environment_file: pathlib.Path | None
    run_dir: pathlib.Path | None


class Events:
    """The run's events: one JSON line each, on disk before the run goes on."""

    def __init__(self, path: pathlib.Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._lock = threading.Lock()

    def write(self, event: str, **fields: Any) -> None:
        """Append an event; raises OSError when it can't be kept, and then nothing may go on."""
        line = json.dumps({"event": event, "at": utc_now().isoformat(), **fields}, allow_nan=False)
        data = f"{line}\n".encode()
        with self._lock:
            written = os.write(self._file, data)
            if written != len(data):
                raise OSError(28, "the disk took only a part of an event")
            os.fsync(self._file)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """Everything that steps need, made once."""

    platform: Platform
    availability: Availability
    journeys: Journeys
    objectives: Objectives
    lease: TrafficLease
    events: Events
    run_dir: pathlib.Path


@contextlib.contextmanager
def open_run(request: Request) -> Iterator[Run]:
    """Yield a run; raises ConfigurationError and ProviderError before anything is measured."""
    policy = load_policy()
    with environment(request.env, request.environment_file, _quiet) as loaded:
        run_dir = request.run_dir or OUT / new_run_id("pytest")
        platform = Platform(
            environment=loaded,
            policy=policy,
            release=release_of(request.release, request.env, loaded),
            regions=regions_of(request.regions, loaded),
            switched_at=switched_at_of(request.switched_at, loaded),
            deadline=Deadline.after(policy.deadlines.run),
            run_id=run_dir.name,
        )
        run_dir.mkdir(parents=True, exist_ok=True)
        events = Events(run_dir / EVENTS)
        try:
            yield _assembled(platform, events, run_dir)
        finally:
            events.close()


def new_run_id(kind: str) -> str:
    """Return a new run id: time first, so that names sort, then a few random digits."""
    return f"{utc_now():%Y%m%dT%H%M%SZ}-{kind}-{secrets.token_hex(3)}"


def _assembled(platform: Platform, events: Events, run_dir: pathlib.Path) -> Run:
    availability = Availability(platform)
    lease = TrafficLease(platform.environment.settings.traffic.lease)

    def problem(sentence: str) -> None:
        events.write("problem", sentence=sentence)

    journeys = Journeys(platform, availability, run_dir, problem)
    objectives = Objectives(platform, lease)
    return Run(platform, availability, journeys, objectives, lease, events, run_dir)


def release_of(asked: str | None, env: str, loaded: Loaded) -> Release:
    """Return the release under test; raises RequestError when nobody names it."""
    text = asked or loaded.settings.release
    if text is None:
        raise RequestError(f"--release is missing: which release does {env} run?")
    try:
        return Release.parse(text)
    except ValueError as exc:
        raise RequestError(f"--release: {exc}.") from exc


def regions_of(asked: tuple[str, ...], loaded: Loaded) -> tuple[str, ...]:
    """Return the regions to measure, all unless some are asked; raises RequestError."""
    known = tuple(loaded.settings.regions)
    unknown = [region for region in asked if region not in known]
    if unknown:
        raise RequestError(
            f"--region {unknown[0]}: there is no such region; choose {', '.join(known)}."
        )
    return tuple(dict.fromkeys(asked)) or known


def switched_at_of(asked: str | None, loaded: Loaded) -> dt.datetime | None:
    """Return when traffic went to the release; raises RequestError for an unreadable time."""
    if asked is None:
        return loaded.settings.traffic.switched_at
    try:
        at = dt.datetime.fromisoformat(re.sub(r"Z$", "+00:00", asked))
    except ValueError as exc:
        raise RequestError("--switched-at: write it like 2026-01-31T22:00:00Z.") from exc
    if at.tzinfo is None:
        raise RequestError("--switched-at: needs a time zone, such as the Z in 22:00:00Z.")
    return at


def _quiet(_: str) -> None:
    """Leave the terminal to pytest; bringing a platform up shows in its own status."""

"""A run of checks: the platform it measures and the evidence it leaves, from first check to last."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from environments.provider import environment
from gates.decide.plain_text import cleaned
from gates.load import OUT, Checks, load_policy
from probes.observation import utc_now
from steps.kit.availability import Availability
from steps.kit.leases import LEAST_SECONDS, SECONDS, TrafficLease
from steps.kit.platform import Platform
from steps.kit.request import EVENTS, Request, new_run_id, refuse_malformed

T = TypeVar("T")


class Events:
    """The run's events: one JSON line each, on disk before the run goes on."""

    def __init__(self, path: pathlib.Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._lock = threading.Lock()

    def write(self, event: str, **fields: Any) -> None:
        """Append an event; raises OSError when it can't be kept, and then nothing may go on."""
        record = {"event": event, "at": utc_now().isoformat(), **cleaned(fields)}
        line = json.dumps(record, allow_nan=False)
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
    lease: TrafficLease
    events: Events
    run_dir: pathlib.Path
    closing: contextlib.ExitStack = dataclasses.field(default_factory=contextlib.ExitStack)
    """What is to be closed when the run ends, however it ends."""
    _shared: dict[Callable[[Run], Any], Any] = dataclasses.field(default_factory=dict)

    def shared(self, make: Callable[[Run], T]) -> T:
        """Return what the checks of one area share: made for the first that asks, kept for the rest."""
        if make not in self._shared:
            self._shared[make] = make(self)
        made: T = self._shared[make]
        return made

    def problem(self, sentence: str) -> None:
        """Report a problem of the run itself, such as records that could not be removed."""
        self.events.write("problem", sentence=sentence)


@contextlib.contextmanager
def open_run(request: Request) -> Iterator[Run]:
    """Yield a run; raises ConfigurationError and ProviderError before anything is measured."""
    refuse_malformed(request.release, request.switched_at)
    policy = load_policy(Checks.of(request.checks).policy)
    # The terminal is pytest's; that a platform is being brought up shows in its own status.
    with environment(request.env, request.environment_file, lambda _: None) as loaded:
        run_dir = request.run_dir or OUT / new_run_id("pytest")
        asked = dataclasses.replace(loaded, checks=request.checks or loaded.checks)
        platform = Platform.of(asked, policy, request, run_dir.name)
        run_dir.mkdir(parents=True, exist_ok=True)
        events = Events(run_dir / EVENTS)
        try:
            wanted = platform.scaled(SECONDS, LEAST_SECONDS)
            lease = TrafficLease(asked.settings.traffic.lease, wanted)
            run = Run(platform, Availability(platform), lease, events, run_dir)
            with run.closing:
                yield run
        finally:
            events.close()

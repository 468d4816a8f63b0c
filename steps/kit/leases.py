"""Leases, which end by themselves: on traffic while samples are needed, and on writing synthetic records."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import pathlib
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence

from environments.provider import program
from environments.yaml_file import ConfigurationError
from probes.observation import pause
from settings.objectives import Lease

SECONDS, LEAST_SECONDS = 60.0, 20.0
"""How long traffic is asked for, and in a scaled environment at least; half-way it is asked for again."""
COMMAND_TIMEOUT_SECONDS = 15.0


@dataclasses.dataclass(slots=True)
class TrafficLease:
    """A lease on tagged synthetic reads; it ends by itself when nobody renews it."""

    lease: Lease | None
    seconds: float = SECONDS
    patience_seconds: float = COMMAND_TIMEOUT_SECONDS
    _ends_at: float = 0.0
    _granted: tuple[tuple[float, float], ...] = ()
    """Since when and until when traffic was asked for, in Unix time."""
    _lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)

    def renew(self) -> None:
        """Take or prolong the lease; without an offer this does nothing, and samples may not suffice.

        A command that is missing, fails or hangs is not an error of the check: too few samples then
        say so themselves, and `gate doctor` names a command that can't be run.
        """
        if self.lease is None:
            return
        with self._lock:
            if self._ends_at - time.monotonic() > self.seconds / 2:
                return
            self._ends_at = time.monotonic() + self.seconds
            with contextlib.suppress(ConfigurationError, OSError, subprocess.TimeoutExpired):
                self._run(self.lease.command)

    def reads(self, begin: float, end: float) -> float:
        """Return how many reads this run has had sent to each region between two Unix times, at most."""
        if self.lease is None:
            return 0.0
        granted = (min(end, until) - max(begin, since) for since, until in self._granted)
        return self.lease.requests_per_second * sum(max(0.0, seconds) for seconds in granted)

    def _run(self, command: Sequence[str]) -> None:
        filled = [part.replace("{seconds}", f"{self.seconds:g}") for part in command]
        filled[0] = program(filled[0])
        now = time.time()
        since = max([now, *(until for _, until in self._granted[-1:])])
        self._granted += ((since, now + self.seconds),)
        subprocess.run(  # noqa: S603 - the command stands in the environment's own file
            filled,
            check=False,
            timeout=self.patience_seconds,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


POLL_SECONDS = 0.2


class LeaseHeldError(Exception):
    """Another run holds the lease; the text names it and its age."""


@contextlib.contextmanager
def writer_lease(platform_key: str, run_id: str, wait_seconds: float) -> Iterator[None]:
    """Hold the lease of a platform's synthetic records; raises LeaseHeldError after `wait_seconds`.

    The kernel frees the lock when its process ends, however it ends. It excludes the runs of this
    machine; runs elsewhere are kept apart by their tags, and a janitor leaves young records alone.
    """
    file = os.open(_path(platform_key), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _acquire(file, wait_seconds)
        os.ftruncate(file, 0)
        os.pwrite(
            file, json.dumps({"run": run_id, "pid": os.getpid(), "at": time.time()}).encode(), 0
        )
        yield
        os.ftruncate(file, 0)
    finally:
        os.close(file)


def _acquire(file: int, wait_seconds: float) -> None:
    give_up_at = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= give_up_at:
                raise LeaseHeldError(_holder(file)) from None
            pause(POLL_SECONDS)
        else:
            return


def _holder(file: int) -> str:
    try:
        holder = json.loads(os.pread(file, 4096, 0))
        age = time.time() - holder["at"]
        return f"run {holder['run']} (process {holder['pid']}) has held it for {age:.0f} s"
    except (ValueError, KeyError, TypeError):
        return "another run holds it"


def _path(platform_key: str) -> pathlib.Path:
    folder = pathlib.Path(tempfile.gettempdir()) / f"deployment-gate-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"{hashlib.sha256(platform_key.encode()).hexdigest()[:16]}.lease"

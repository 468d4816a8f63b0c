"""Asks the environment for traffic while samples are needed, if it offers any."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Sequence

from environments.provider import program
from environments.yaml_file import ConfigurationError
from settings.objectives import Lease

SECONDS = 60.0
RENEW_BEFORE_SECONDS = 30.0
COMMAND_TIMEOUT_SECONDS = 15.0


class TrafficLease:
    """A lease on tagged synthetic reads; it ends by itself when nobody renews it."""

    def __init__(
        self, lease: Lease | None, *, patience_seconds: float = COMMAND_TIMEOUT_SECONDS
    ) -> None:
        self._lease = lease
        self._patience_seconds = patience_seconds
        self._ends_at = 0.0
        self._granted: tuple[tuple[float, float], ...] = ()
        """Since when and until when traffic was asked for, in Unix time."""
        self._lock = threading.Lock()

    def renew(self) -> None:
        """Take or prolong the lease; without an offer this does nothing, and samples may not suffice.

        A command that is missing, fails or hangs is not an error of the check: too few samples then
        say so themselves, and `gate doctor` names a command that can't be run.
        """
        if self._lease is None:
            return
        with self._lock:
            if self._ends_at - time.monotonic() > RENEW_BEFORE_SECONDS:
                return
            self._ends_at = time.monotonic() + SECONDS
            with contextlib.suppress(ConfigurationError, OSError, subprocess.TimeoutExpired):
                self._run(self._lease.command)

    def reads(self, begin: float, end: float) -> float:
        """Return how many reads this run has had sent to each region between two Unix times, at most."""
        if self._lease is None:
            return 0.0
        granted = (min(end, until) - max(begin, since) for since, until in self._granted)
        return self._lease.requests_per_second * sum(max(0.0, seconds) for seconds in granted)

    def _run(self, command: Sequence[str]) -> None:
        filled = [part.replace("{seconds}", f"{SECONDS:g}") for part in command]
        filled[0] = program(filled[0])
        now = time.time()
        since = max([now, *(until for _, until in self._granted[-1:])])
        self._granted += ((since, now + SECONDS),)
        subprocess.run(  # noqa: S603 - the command stands in the environment's own file
            filled,
            check=False,
            timeout=self._patience_seconds,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

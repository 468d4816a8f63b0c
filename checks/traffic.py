"""Asks the environment for traffic while samples are needed, if it offers any."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time

from environments.provider import program
from environments.settings import Lease

SECONDS = 60.0
RENEW_BEFORE_SECONDS = 30.0
COMMAND_TIMEOUT_SECONDS = 15.0


class TrafficLease:
    """A lease on tagged synthetic reads; it ends by itself when nobody renews it."""

    def __init__(self, lease: Lease | None) -> None:
        self._lease = lease
        self._ends_at = 0.0
        self._lock = threading.Lock()

    def renew(self) -> None:
        """Take or prolong the lease; without an offer this does nothing, and samples may not suffice.

        A command that fails is not an error of the check: too few samples then say so themselves.
        """
        if self._lease is None:
            return
        with self._lock:
            if self._ends_at - time.monotonic() > RENEW_BEFORE_SECONDS:
                return
            self._ends_at = time.monotonic() + SECONDS
            command = [part.replace("{seconds}", f"{SECONDS:g}") for part in self._lease.command]
            command[0] = program(command[0])
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                self._run(command)

    @staticmethod
    def _run(command: list[str]) -> None:
        subprocess.run(  # noqa: S603 - the command stands in the environment's own file
            command,
            check=False,
            timeout=COMMAND_TIMEOUT_SECONDS,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

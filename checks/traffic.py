"""Asks the environment for traffic while samples are needed, if it offers any."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Sequence

from environments.provider import program
from environments.settings import Lease
from environments.yaml_file import ConfigurationError

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

    def _run(self, command: Sequence[str]) -> None:
        filled = [part.replace("{seconds}", f"{SECONDS:g}") for part in command]
        subprocess.run(  # noqa: S603 - the command stands in the environment's own file
            [program(filled[0]), *filled[1:]],
            check=False,
            timeout=self._patience_seconds,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

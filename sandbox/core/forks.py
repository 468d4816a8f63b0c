"""Starts the platform's own Python servers by forking: their libraries are loaded once for all of them.

The standard library's fork server does it. It ends when this process does, and its servers with it.
"""

from __future__ import annotations

import importlib
import multiprocessing
import multiprocessing.forkserver
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.core import processes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SERVERS = {
    "sandbox.app": "sandbox.app.__main__",
    "sandbox.systems.delivery.aws": "sandbox.systems.delivery.aws.__main__",
    "sandbox.systems": "sandbox.systems.__main__",
    "sandbox.systems.service.traffic": "sandbox.systems.service.traffic",
    "sandbox.systems.service.vendors": "sandbox.systems.service.vendors",
}
"""What `python -m` knows a server by, and the module whose `main` takes its arguments."""
_CONTEXT = multiprocessing.get_context("forkserver")


def begin() -> None:
    """Start the process that forks, which loads every server's libraries meanwhile."""
    _CONTEXT.set_forkserver_preload(["sandbox.core.forking", *SERVERS.values()])
    multiprocessing.forkserver.ensure_running()


def is_server(argv: Sequence[str]) -> bool:
    """Tell whether a command line is that of one of the platform's own Python servers."""
    return tuple(argv[:2]) == (sys.executable, "-m") and argv[2] in SERVERS


class Forked:
    """A forked server; what of subprocess.Popen a child of the platform uses."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        log: Path,
        environment: Mapping[str, str],
        end_signal: int,
    ) -> None:
        """Fork it, and wait for its number as long as libraries are being loaded; raises OSError."""
        given = (name, argv[2], list(argv[3:]), str(log), dict(environment), end_signal)
        self._process = _CONTEXT.Process(target=_serve, args=given, daemon=True)
        self._process.start()
        self.pid = self._process.pid or 0
        self._identity = processes.identify(self.pid)
        self.ended = os.dup(self._process.sentinel)
        """A descriptor that can be read when it has ended."""

    @property
    def returncode(self) -> int | None:
        """How it ended, negative for a signal; None while it runs."""
        return self._process.exitcode

    def wait(self) -> None:
        """Wait for its end."""
        self._process.join()

    def send_signal(self, number: int) -> None:
        """Signal it, unless it is gone."""
        if self._identity:
            processes.send(self._identity, number)


def _serve(
    name: str,
    module: str,
    arguments: list[str],
    log: str,
    environment: dict[str, str],
    end_signal: int,
) -> None:
    """Be what `python -m MODULE` would be: its log, its environment, its end with the supervisor."""
    processes.tie_to(os.getppid(), end_signal)
    Path("/proc/self/comm").write_text(name, encoding="ascii")
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for target in (1, 2):
        os.dup2(descriptor, target)
    os.close(descriptor)
    os.chdir("/")
    os.environ.update(environment)
    sys.exit(importlib.import_module(SERVERS[module]).main(arguments))

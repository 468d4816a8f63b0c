"""One child process of the supervisor: started, watched, stopped; never outlives its parent."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import multiprocessing
import multiprocessing.forkserver
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.core import CHECKOUT, PACKAGE, SandboxError, processes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

SERVERS = {
    f"{PACKAGE}.app": f"{PACKAGE}.app.__main__",
    f"{PACKAGE}.systems.delivery.aws": f"{PACKAGE}.systems.delivery.aws.__main__",
    f"{PACKAGE}.systems": f"{PACKAGE}.systems.__main__",
    f"{PACKAGE}.systems.service.traffic": f"{PACKAGE}.systems.service.traffic",
}
"""What `python -m` knows a server by, and the module whose `main` takes its arguments."""
_CONTEXT = multiprocessing.get_context("forkserver")


def begin() -> None:
    """Start the process that forks, which loads every server's libraries meanwhile."""
    _CONTEXT.set_forkserver_preload([f"{PACKAGE}.core.forking", *SERVERS.values()])
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


_POLL_SECONDS = 0.03
# Without compiled modules each start costs seconds; empty means that Python may write them.
PYTHON = {"PYTHONPATH": str(CHECKOUT), "PYTHONDONTWRITEBYTECODE": ""}
"""The environment of the platform's own servers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """How a process is started and stopped."""

    name: str
    argv: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    """Where it is started; None: at the root, so that it keeps no folder busy."""
    user: str | None = None
    """The ordinary user to become; None keeps ours."""
    stop_signal: int = signal.SIGTERM
    end_signal: int = signal.SIGKILL
    """Sent when it does not stop in time, and by the kernel when the supervisor dies."""
    ready: Callable[[], Awaitable[bool]] | None = None
    ready_means: str = "it runs"
    version: str = ""
    """What is told of it to people."""


class Child:
    """A process by its command; start and stop may alternate any number of times."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self._process: subprocess.Popen[bytes] | Forked | None = None
        self._exited = asyncio.Event()

    @property
    def identity(self) -> processes.ProcessIdentity | None:
        """Who it is now; None when it does not run."""
        return processes.identify(self._process.pid) if self._process and self.running else None

    @property
    def running(self) -> bool:
        """Whether it runs now."""
        return self._process is not None and not self._exited.is_set()

    @property
    def return_code(self) -> int | None:
        """How it ended; None while it runs or before the first start."""
        return self._process.returncode if self._process else None

    async def spawn(self) -> None:
        """Start it without waiting until it is ready; nothing when it runs; raises SandboxError."""
        if self.running:
            return
        command = self.command
        try:
            if is_server(command.argv):
                self._process = await asyncio.to_thread(_forked, command)
            else:
                self._process = _opened(command)
        except OSError as exc:
            raise SandboxError(f"cannot start {command.name}: {exc}.") from exc
        self._exited = asyncio.Event()
        self._watch(self._process, self._exited)

    @staticmethod
    def _watch(process: subprocess.Popen[bytes] | Forked, exited: asyncio.Event) -> None:
        """Reap it when the kernel says that it ended."""
        loop = asyncio.get_running_loop()
        forked = process.ended if isinstance(process, Forked) else None
        descriptor = forked or os.pidfd_open(process.pid)

        def ended() -> None:
            loop.remove_reader(descriptor)
            os.close(descriptor)
            process.wait()
            exited.set()

        loop.add_reader(descriptor, ended)

    async def start(self, timeout_seconds: float = 90.0) -> None:
        """Start it and wait until it is ready; raises SandboxError naming process, log and last line."""
        await self.spawn()
        await self.wait_ready(timeout_seconds)

    async def wait_ready(self, timeout_seconds: float = 90.0) -> None:
        """Wait until it is ready; raises SandboxError when it ends or takes too long."""
        probe = self.command.ready
        if probe is None:
            return
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_seconds
        while not await probe():
            if not self.running:
                raise self._failure("stopped while starting")
            if loop.time() > deadline:
                raise self._failure(
                    f"did not come so far that {self.command.ready_means} in {timeout_seconds:.0f} s"
                )
            await asyncio.sleep(_POLL_SECONDS)

    async def run(self, timeout_seconds: float = 90.0) -> None:
        """Run it to its end; raises SandboxError unless it ends with 0 in time."""
        await self.spawn()
        try:
            await asyncio.wait_for(self._exited.wait(), timeout_seconds)
        except TimeoutError:
            await self.stop(0.0)
            raise self._failure(f"did not end in {timeout_seconds:.0f} s") from None
        if self.return_code != 0:
            raise self._failure(f"failed with status {self.return_code}")

    async def stop(self, timeout_seconds: float = 5.0) -> None:
        """Stop it and wait for its end: kindly first, then by force."""
        for number, patience in (
            (self.command.stop_signal, timeout_seconds),
            (self.command.end_signal, 3.0),
            (signal.SIGKILL, 3.0),
        ):
            if await self._ended_by(number, patience):
                return

    async def _ended_by(self, number: int, patience_seconds: float) -> bool:
        if not self.running or self._process is None:
            return True
        self._process.send_signal(number)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._exited.wait(), patience_seconds)
        return not self.running

    def _failure(self, what: str) -> SandboxError:
        log = self.command.log
        return SandboxError(
            f"{self.command.name} {what}; its log {log} ends with: {last_line(log)}"
        )


def _forked(command: Command) -> Forked:
    return Forked(
        *(command.name, command.argv, command.log, command.environment, command.end_signal)
    )


def _opened(command: Command) -> subprocess.Popen[bytes]:
    with command.log.open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - argv is the platform's own
            command.argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **command.environment},
            cwd=command.folder or "/",
            # prctl has to run in the child, after the change of user, which clears it.
            preexec_fn=processes.die_with_parent(command.end_signal),  # noqa: PLW1509 - a child's own business
            user=command.user,
            group=None if command.user is None else _group_of(command.user),
            extra_groups=None if command.user is None else [],
        )


def _group_of(user: str) -> int:
    import pwd  # noqa: PLC0415 - only root changes users

    return pwd.getpwnam(user).pw_gid


def last_line(log: Path) -> str:
    """Return the last line with text of a log, for an error sentence."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    return next((line.strip() for line in reversed(lines) if line.strip()), "(nothing)")

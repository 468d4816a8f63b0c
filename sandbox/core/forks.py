"""Starts the platform's own Python servers by forking: their libraries are loaded once for all of them.

The process that forks is itself a fork of the supervisor, made before that has threads or a loop. A server
is forked from it twice: when the process in between ends, the kernel gives the server to the supervisor,
which is then its parent as of any other child, hears how it ended, and takes it along when it dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import sys
import traceback
from typing import TYPE_CHECKING, Any

from sandbox.core import processes
from sandbox.core.errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import NoReturn

    from sandbox.core.child import Command

SERVERS = {
    "sandbox.app": "sandbox.app.__main__",
    "sandbox.systems.delivery.aws": "sandbox.systems.delivery.aws.__main__",
    "sandbox.systems": "sandbox.systems.__main__",
    "sandbox.systems.service.traffic": "sandbox.systems.service.traffic",
    "sandbox.systems.service.vendors": "sandbox.systems.service.vendors",
}
"""What `python -m` knows a server by, and the module whose `main` takes its arguments."""
_ANSWER_SECONDS = 10.0
_LONGEST_MESSAGE = 65536


class Forked:
    """A forked server, a child of this process; what of subprocess.Popen a child of the platform uses."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def wait(self) -> int:
        """Wait for its end and return its code, negative for a signal."""
        if self.returncode is None:
            self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Signal it, unless its end is known."""
        if self.returncode is None:
            os.kill(self.pid, number)


class Forks:
    """The process that forks, as the supervisor knows it."""

    def __init__(self, connection: socket.socket, pid: int) -> None:
        self._connection = connection
        self._ready: asyncio.Future[None] | None = None
        self.identity = processes.identify(pid)

    async def ready(self) -> None:
        """Wait until it has loaded everything; an order before that would block its caller."""
        if self._ready is None:
            self._ready = asyncio.ensure_future(self._loaded())
        await asyncio.shield(self._ready)

    async def _loaded(self) -> None:
        loop = asyncio.get_running_loop()
        self._connection.setblocking(False)  # noqa: FBT003 - the standard library's signature
        said = await loop.sock_recv(self._connection, _LONGEST_MESSAGE)
        self._connection.settimeout(_ANSWER_SECONDS)
        if not said:
            raise _gone()

    def start(self, command: Command) -> Forked:
        """Start one of the platform's servers as a child of ours; raises SandboxError."""
        order = {
            "name": command.name,
            "module": command.argv[2],
            "arguments": command.argv[3:],
            "log": str(command.log),
            "environment": dict(command.environment),
            "end_signal": command.end_signal,
        }
        try:
            # Only now: at other times the orphans of our children are none of our business.
            with processes.adopting():
                self._connection.send(json.dumps(order).encode())
                answer = self._connection.recv(_LONGEST_MESSAGE)
        except OSError as exc:
            raise _gone() from exc
        if not answer:
            raise _gone()
        return Forked(int(answer))


def is_server(argv: Sequence[str]) -> bool:
    """Tell whether a command line is that of one of the platform's own Python servers."""
    return tuple(argv[:2]) == (sys.executable, "-m") and argv[2] in SERVERS


def begin(foreign: Iterable[int]) -> Forks:
    """Fork the process that forks, which closes the `foreign` descriptors; before any thread is started."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    supervisor = os.getpid()
    pid = os.fork()
    if pid == 0:
        ours.close()
        for descriptor in foreign:
            os.close(descriptor)
        _end_with(_serve, theirs, supervisor)
    theirs.close()
    return Forks(ours, pid)


def _gone() -> SandboxError:
    return SandboxError(
        "the process that starts the platform's servers is gone: `sandbox down`, then `sandbox up`."
    )


def _serve(orders: socket.socket, supervisor: int) -> int:
    """Load every server's libraries, then fork for each order until the supervisor is gone."""
    processes.tie_to(supervisor, signal.SIGKILL)
    processes.show_as("sandbox-forks", [sys.executable, "-m", "sandbox.core.forks"])
    for module in SERVERS.values():
        importlib.import_module(module)
    # The pages of what is loaded stay shared: no collection looks through them again.
    gc.collect()
    gc.freeze()
    orders.send(b"ready")
    while order := orders.recv(_LONGEST_MESSAGE):
        orders.send(str(_fork_twice(json.loads(order), orders, supervisor)).encode())
    return 0


def _fork_twice(order: dict[str, Any], orders: socket.socket, supervisor: int) -> int:
    """Fork a server by way of a process that ends at once; returns the server's number."""
    ours, theirs = socket.socketpair()
    between = os.fork()
    if between == 0:
        ours.close()
        pid = os.fork()
        if pid == 0:
            orders.close()
            theirs.recv(1)  # the end of it: now the process in between is gone
            theirs.close()
            _end_with(_be_the_server, order, supervisor)
        theirs.send(str(pid).encode())
        os._exit(0)
    theirs.close()
    with ours:
        pid = int(ours.recv(_LONGEST_MESSAGE))
        os.waitpid(between, 0)
    return pid


def _be_the_server(order: dict[str, Any], supervisor: int) -> int:
    """Become what `python -m MODULE` would be: its log, its environment, its end with the supervisor."""
    processes.tie_to(supervisor, order["end_signal"])
    line = [sys.executable, "-m", order["module"], *order["arguments"]]
    processes.show_as(order["name"], line)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(descriptor, target)
    os.close(log)
    os.close(nothing)
    os.chdir("/")
    os.environ.update(order["environment"])
    module = SERVERS[order["module"]]
    sys.argv = [str(sys.modules[module].__file__), *order["arguments"]]
    return int(sys.modules[module].main(order["arguments"]))


def _end_with(work: Callable[..., int], *arguments: Any) -> NoReturn:
    """Do a forked process's work and end it, without anything that was its parent's to finish."""
    code = 1
    try:
        code = work(*arguments)
    except SystemExit as exc:
        code = exc.code if isinstance(exc.code, int) else 1
    except BaseException:  # noqa: BLE001 - the end of a process: whatever it was goes to its log
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)

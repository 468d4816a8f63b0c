"""The daemon that owns every process and link of one platform.

Started detached by `sandbox up`, which reads its progress from a pipe: `{"say": …}` lines, then
`{"ready": …}` or `{"error": …}`. Nothing of the platform outlives it: its children carry the kernel's
parent-death signal, its links and port reservation are descriptors of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import uvloop

from sandbox import assembly, control, deployment, rollback
from sandbox.core import SandboxError, child, layout, processes
from sandbox.core.state import Record, StateDirectory, create_runtime, remove_runtime
from sandbox.faults.book import Book

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from sandbox.core.platform import Platform


class Owners:
    """Processes that want the platform. Without any it belongs to a person and stays until `down`."""

    def __init__(self, when_deserted: Callable[[], None]) -> None:
        self._when_deserted = when_deserted
        self._watched: dict[int, int] = {}
        self._permanent = False

    def stay(self) -> None:
        """Outlive the owners: a person asked for the platform."""
        self._permanent = True

    def add(self, pid: int) -> None:
        """Watch another owner; one that is gone already counts as gone at once."""
        if pid in self._watched:
            return
        try:
            descriptor = os.pidfd_open(pid)
        except OSError:
            self._left()
            return
        self._watched[pid] = descriptor
        asyncio.get_running_loop().add_reader(descriptor, self.release, pid)

    def release(self, pid: int) -> bool:
        """Forget an owner; tells whether nobody wants the platform any more."""
        self._forget(pid)
        return self._left()

    def forget_all(self) -> None:
        """Stop watching, whoever is still there."""
        for pid in tuple(self._watched):
            self._forget(pid)

    def _forget(self, pid: int) -> None:
        descriptor = self._watched.pop(pid, None)
        if descriptor is not None:
            asyncio.get_running_loop().remove_reader(descriptor)
            os.close(descriptor)

    def _left(self) -> bool:
        deserted = not self._watched and not self._permanent
        if deserted:
            self._when_deserted()
        return deserted


class Announcer:
    """The pipe to `sandbox up`, which may be gone: then nobody needs to hear."""

    def __init__(self, descriptor: int, lock: int) -> None:
        self._descriptor = descriptor
        self._lock = lock

    def say(self, text: str) -> None:
        """Tell how far the start has come."""
        self._send({"say": text})

    def finish(self, **outcome: str) -> None:
        """Tell how the start ended and let go of the lock that `up` handed on."""
        self._send(outcome)
        os.close(self._descriptor)
        os.close(self._lock)

    def _send(self, message: dict[str, str]) -> None:
        with contextlib.suppress(BrokenPipeError):
            os.write(self._descriptor, json.dumps(message).encode() + b"\n")


class Supervisor:
    """Runs one platform from start to stop and takes orders in between."""

    def __init__(self, platform: Platform, *, owner: int | None, starter: int) -> None:
        self._platform = platform
        self._book = Book(platform)
        self._end = asyncio.Event()
        self._owners = Owners(self._end.set)
        self._first_owner = owner
        self._starter = starter
        self._orders: dict[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any] | None]]] = {
            "status": self._status,
            "start": lambda order: platform.start_process(order["process"]),
            "stop": lambda order: platform.stop_process(order["process"]),
            "restart": self._restart,
            "link": self._link,
            "fault": self._fault,
            "deploy": self._deploy,
            "rollback": self._rollback,
            "own": self._own,
            "down": self._down,
        }

    async def run(self, announcer: Announcer) -> None:
        """Start, announce, serve until the end is asked for, stop; raises SandboxError."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._end.set)
        self._note()
        try:
            if await self._started(announcer):
                self._note()
                server = await control.serve(self._platform.layout.control, self._handle)
                announcer.finish(ready=str(self._platform.layout.state.environment))
                await self._end.wait()
                server.close()
        finally:
            await self._platform.stop()

    async def _started(self, announcer: Announcer) -> bool:
        """Start the platform unless the end is asked for meanwhile; then say so and return False."""
        await self._own({"pid": self._first_owner})
        starter = Owners(
            self._end.set
        )  # nobody would ever hear of a platform whose `up` was killed
        starter.add(self._starter)
        start = asyncio.create_task(assembly.start(self._platform, announcer.say))
        end = asyncio.create_task(self._end.wait())
        await asyncio.wait({start, end}, return_when=asyncio.FIRST_COMPLETED)
        end.cancel()
        if start.done():
            starter.forget_all()
            await start
            return True
        start.cancel()
        with contextlib.suppress(asyncio.CancelledError, SandboxError):
            await start
        raise SandboxError("the platform was asked to end before it was up.")

    async def _handle(self, order: dict[str, Any]) -> dict[str, Any]:
        name = order.get("do")
        if name not in self._orders:
            raise SandboxError(f"there is no order {name!r}: {', '.join(self._orders)}.")
        answer = await self._orders[name](order)
        self._note()
        return answer or {}

    def _note(self) -> None:
        me = processes.identify(os.getpid())
        known = [child.identity for child in self._platform.children.values()]
        if me is not None:
            here = self._platform.layout
            here.state.write(
                Record(
                    supervisor=me,
                    runtime=here.runtime,
                    control=here.control,
                    children=tuple(identity for identity in known if identity),
                )
            )

    async def _status(self, _order: dict[str, Any]) -> dict[str, Any]:
        done = f"{self._platform.progress.done} of {deployment.LAST_PHASE} phases carried out"
        return {**self._platform.status(), "deployment": done, "faults": self._book.applied}

    async def _restart(self, order: dict[str, Any]) -> None:
        await self._platform.stop_process(order["process"])
        await self._platform.start_process(order["process"])

    async def _link(self, order: dict[str, Any]) -> None:
        changes = {key: value for key, value in order.items() if key not in {"do", "name"}}
        await self._platform.set_link(order["name"], **changes)

    async def _fault(self, order: dict[str, Any]) -> dict[str, Any]:
        if order["action"] == "apply":
            return {"changed": await self._book.apply(order["name"])}
        if order["action"] == "revert":
            return {"changed": await self._book.revert(order["name"])}
        return {"reverted": await self._book.revert_all()}

    async def _deploy(self, order: dict[str, Any]) -> dict[str, Any]:
        said: list[str] = []
        await deployment.carry_out(self._platform, order["phase"], said.append)
        return {"said": said}

    async def _rollback(self, order: dict[str, Any]) -> dict[str, Any]:
        said: list[str] = []
        await rollback.carry_out(self._platform, order["method"], said.append)
        return {"said": said}

    async def _own(self, order: dict[str, Any]) -> None:
        if self._end.is_set():
            raise SandboxError("the platform is going down.")
        pid = order.get("pid")
        if pid is None:
            self._owners.stay()
        else:
            self._owners.add(pid)

    async def _down(self, order: dict[str, Any]) -> dict[str, Any]:
        owner = order.get("owner")
        if owner is None:
            self._end.set()
            return {"ending": True}
        return {"ending": self._owners.release(owner)}


def main(argv: Sequence[str]) -> int:
    """Run the daemon; its outcome goes to the pipe, its troubles to stderr (a log)."""
    parser = argparse.ArgumentParser(prog="supervisor")
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--announce", type=int, required=True, help="descriptor of the pipe")
    parser.add_argument("--lock", type=int, required=True, help="descriptor of the lock of `up`")
    parser.add_argument("--starter", type=int, required=True, help="process of `up`")
    parser.add_argument("--owner", type=int)
    parser.add_argument("--pending", action="store_true", help="the release waits to be deployed")
    options = parser.parse_args(argv)
    processes.start_before_others()
    announcer = Announcer(options.announce, options.lock)
    for descriptor in (options.announce, options.lock):
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - the standard library's signature
    child.begin()
    state = StateDirectory(options.state)
    try:
        _run(state, options, announcer)
    except SandboxError as exc:
        sys.stderr.write(f"{exc}\n")
        state.clean()
        with contextlib.suppress(OSError):  # after a finished start there is nobody left to tell
            announcer.finish(error=str(exc))
        return 70
    return 0


def _run(state: StateDirectory, options: argparse.Namespace, announcer: Announcer) -> None:
    programs = assembly.find_programs(announcer.say)
    with layout.reserved((*layout.SERVERS, *layout.LINKS)) as ports:
        runtime = create_runtime()
        try:
            here = layout.create(state, runtime, ports)
            platform = assembly.make(here, programs, pending=options.pending)
            supervisor = Supervisor(platform, owner=options.owner, starter=options.starter)
            uvloop.run(supervisor.run(announcer))
        finally:
            state.clean()
            remove_runtime(runtime)


def run() -> NoReturn:
    """Run the daemon, as `starting` starts it: without a main module, which a fork would load again."""
    sys.exit(main(sys.argv[1:]))

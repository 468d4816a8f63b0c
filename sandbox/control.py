"""The supervisor from outside: a platform is brought up and down, and asked over its unix socket.

One line of JSON goes in, one line of JSON comes out; `serve` is the supervisor's side.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from sandbox.core import CHECKOUT, PACKAGE, SandboxError, UnknownNameError, processes
from sandbox.core.child import last_line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from sandbox.core.processes import ProcessIdentity
    from sandbox.core.state import Record, StateDirectory

    Handler = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]

_ANSWER_SECONDS = 60.0


async def serve(path: Path, handle: Handler) -> asyncio.Server:
    """Listen; orders are carried out one after another, for two faults at once would mix."""
    turn = asyncio.Lock()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await reader.readline()
            async with turn:
                answer = await _answer(handle, line)
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        except OSError:
            pass  # whoever asked is gone; the order was carried out all the same
        finally:
            writer.close()

    return await asyncio.start_unix_server(converse, path)


async def _answer(handle: Handler, line: bytes) -> dict[str, Any]:
    try:
        return {"ok": True, **await handle(json.loads(line))}
    except UnknownNameError as exc:
        return {"ok": False, "unknown": True, "error": str(exc)}
    except SandboxError as exc:
        return {"ok": False, "error": str(exc)}
    except (KeyError, TypeError, ValueError) as exc:
        return {"ok": False, "error": f"the order cannot be understood: {exc!r}."}


def _asked(control: Path, order: dict[str, Any]) -> dict[str, Any]:
    """Give the supervisor an order and return its answer; raises SandboxError."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_ANSWER_SECONDS)
            connection.connect(str(control))
            connection.sendall(json.dumps(order).encode() + b"\n")
            with connection.makefile("rb") as lines:
                answer = json.loads(lines.readline() or b"{}")
    except (OSError, ValueError) as exc:
        raise SandboxError(f"the platform's supervisor does not answer ({exc}).") from exc
    if not answer.get("ok"):
        kind = UnknownNameError if answer.get("unknown") else SandboxError
        raise kind(answer.get("error") or "the platform's supervisor ended before it answered.")
    return dict(answer)


_GOES_DOWN_SECONDS = 20.0


def ask(state: StateDirectory, order: dict[str, Any]) -> dict[str, Any]:
    """Give the running platform an order; raises SandboxError when none runs or it refuses."""
    record = state.running()
    if record is None:
        raise SandboxError("the platform is not running: `sandbox up` brings it up.")
    return _asked(record.control, order)


def up(
    state: StateDirectory, owner: int | None, say: Callable[[str], None], *, pending: bool = False
) -> Path:
    """Bring the platform up, or join the one that runs; returns its environment file.

    With an owner the platform goes down when the last of its owners is gone. Raises SandboxError.
    """
    with state.locked() as lock:
        record = state.running()
        if record is not None and pending:
            raise SandboxError(
                "a platform runs already: go on with `sandbox deploy N`, or `sandbox down` first."
            )
        if record is not None and _joined(record, owner):
            say(f"the platform runs already, with its files in {state.path}.")
            return state.environment
        state.clean()
        begun = time.monotonic()
        _start(state, (*_owner(owner), *(("--pending",) if pending else ())), lock, say)
        say(f"the platform is up after {time.monotonic() - begun:.1f} s.")
    return state.environment


def _joined(record: Record, owner: int | None) -> bool:
    """Join a running platform; False when it is on its way down, and then gone."""
    try:
        _asked(record.control, {"do": "own", "pid": owner})
    except SandboxError:
        _wait_gone(record.supervisor)
        return False
    return True


def down(state: StateDirectory, owner: int | None) -> str:
    """Take the platform down (with an owner: unless others want it); returns what happened."""
    with state.locked():
        record = state.running()
        if record is None:
            state.clean()
            return "the platform was not running."
        if not _asked_to_end(record, owner):
            return "the platform stays up: others want it."
        _wait_gone(record.supervisor)
        state.clean()
    return "the platform is down."


def _asked_to_end(record: Record, owner: int | None) -> bool:
    try:
        return bool(_asked(record.control, {"do": "down", "owner": owner})["ending"])
    except SandboxError:
        # It does not listen (yet, or any more); the signal ends it all the same.
        processes.send(record.supervisor, signal.SIGTERM)
        return True


def _wait_gone(supervisor: ProcessIdentity) -> None:
    """Wait until the supervisor is gone, by force if it hangs: its children go with it."""
    if not _gone_within(supervisor, _GOES_DOWN_SECONDS):
        processes.send(supervisor, signal.SIGKILL)
        _gone_within(supervisor, _GOES_DOWN_SECONDS)


def _gone_within(supervisor: ProcessIdentity, patience_seconds: float) -> bool:
    deadline = time.monotonic() + patience_seconds
    while processes.is_running(supervisor):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _owner(owner: int | None) -> tuple[str, ...]:
    return () if owner is None else ("--owner", str(owner))


def _start(
    state: StateDirectory, asked: tuple[str, ...], lock: int, say: Callable[[str], None]
) -> None:
    """Start the supervisor and listen to it until it is ready; raises SandboxError."""
    reading, writing = os.pipe()
    argv = [
        *(sys.executable, "-c", f"from {PACKAGE}.supervisor import run; run()"),
        *("--state", str(state.path)),
        *("--announce", str(writing), "--lock", str(lock)),
        *("--starter", str(os.getpid())),
        *asked,
    ]
    with state.supervisor_log.open("wb") as log:
        daemon = subprocess.Popen(  # noqa: S603 - our own module
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=CHECKOUT,
            # Compiled modules make every later start seconds faster.
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
            pass_fds=(writing, lock),
            start_new_session=True,
        )
    os.close(writing)
    try:
        with os.fdopen(reading, encoding="utf-8") as lines:
            _listen(lines, say, state)
    except BaseException:
        # Also when the person at the terminal changes their mind: nothing half-started stays.
        daemon.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            daemon.wait(_GOES_DOWN_SECONDS)
        raise
    # From here on the daemon is nobody's child to wait for.
    daemon.returncode = 0


def _listen(lines: Any, say: Callable[[str], None], state: StateDirectory) -> None:
    for line in lines:
        message = json.loads(line)
        if "ready" in message:
            return
        if "error" in message:
            raise SandboxError(message["error"])
        say(message["say"])
    raise SandboxError(
        f"the platform's supervisor died; its log {state.supervisor_log} ends with: "
        f"{last_line(state.supervisor_log)}"
    )

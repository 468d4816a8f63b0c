"""Bringing a platform up and down from outside its supervisor."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from sandbox.core import CHECKOUT, control, processes
from sandbox.core.child import last_line
from sandbox.core.errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sandbox.core.processes import ProcessIdentity
    from sandbox.core.state import Record, StateDirectory

_GOES_DOWN_SECONDS = 20.0


def ask(state: StateDirectory, order: dict[str, Any]) -> dict[str, Any]:
    """Give the running platform an order; raises SandboxError when none runs or it refuses."""
    record = state.running()
    if record is None:
        raise SandboxError("the platform is not running: `sandbox up` brings it up.")
    return control.ask(record.control, order)


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
        control.ask(record.control, {"do": "own", "pid": owner})
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
        return bool(control.ask(record.control, {"do": "down", "owner": owner})["ending"])
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
        *(sys.executable, "-c", "from sandbox.supervisor import run; run()"),
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

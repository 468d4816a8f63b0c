"""Who a process is, beyond its number: numbers are given out again, start times are not.

Nothing here signals a process before its start time was compared, and the signal goes through a pidfd,
so that a number which changes hands in between is never hit.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_PR_SET_PDEATHSIG = 1
# Counted behind the command's name in /proc/PID/stat.
_STATE_FIELD, _START_FIELD = 0, 19
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process by number and start time (clock ticks since boot)."""

    pid: int
    started: int


def identify(pid: int) -> ProcessIdentity | None:
    """Return the identity of a living process; None when it is gone or only waits to be reaped."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    if fields[_STATE_FIELD] in {"Z", "X"}:
        return None
    return ProcessIdentity(pid=pid, started=int(fields[_START_FIELD]))


def is_running(process: ProcessIdentity) -> bool:
    """Tell whether this very process still runs."""
    return identify(process.pid) == process


@contextlib.contextmanager
def opened(process: ProcessIdentity) -> Iterator[int | None]:
    """Hold a pidfd of this very process; None when it is gone."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except OSError:
        yield None
        return
    try:
        yield descriptor if is_running(process) else None
    finally:
        os.close(descriptor)


def send(process: ProcessIdentity, signal_number: int) -> bool:
    """Signal this very process; False when it was gone already."""
    with opened(process) as descriptor:
        if descriptor is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(descriptor, signal_number)
        return True


def die_with_parent(signal_number: int) -> Callable[[], None]:
    """Return what a child runs before exec: the kernel sends it this signal when its parent dies."""
    parent = os.getpid()
    return lambda: tie_to(parent, signal_number)


def tie_to(parent: int, signal_number: int) -> None:
    """Have the kernel send this process a signal when its parent dies."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    # The parent may have died between fork and prctl; then nobody would ever send the signal.
    if os.getppid() != parent:
        os._exit(1)


_NICENESS = -5
_LOWEST = os.sched_param(1)
_PARENT_FIELD = 1  # counted behind the command's name in /proc/PID/stat


def start_before_others() -> None:
    """Give this process, and what it starts, a little more than others get.

    Niceness counts only among the processes of a session where the kernel groups them
    (sched_autogroup), so the session's group gets it as well.
    """
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, _NICENESS)
        Path("/proc/self/autogroup").write_text(f"{_NICENESS}\n", encoding="ascii")


def serve_at_once(children: Iterable[int]) -> None:
    """Let this process, and these children with all that they started, run as soon as they can.

    What this process starts later begins as an ordinary process again: starting is heavy work.
    """
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, _LOWEST)
        generation = set(children)
        while generation:
            for pid in generation:
                _raise(pid)
            # Looked for only now: what they start from here on begins raised.
            generation = set(_started_by(generation))


def _raise(pid: int) -> None:
    for thread in _numbers(Path(f"/proc/{pid}/task")):
        with contextlib.suppress(ProcessLookupError):
            os.sched_setscheduler(thread, os.SCHED_RR, _LOWEST)


def _started_by(parents: set[int]) -> Iterator[int]:
    for pid in _numbers(Path("/proc")):
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            if int(text.rpartition(")")[2].split()[_PARENT_FIELD]) in parents:
                yield pid


def _numbers(folder: Path) -> Iterator[int]:
    with contextlib.suppress(FileNotFoundError):
        yield from (int(entry.name) for entry in folder.iterdir() if entry.name.isdigit())

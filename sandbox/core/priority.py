"""A busy machine is no bad release: where root starts it, the platform runs before what measures it.

While it starts it only goes a little before others, for then it needs whole cores. Once it serves, it
needs a third of one and must have it at once: a request passes ten processes' hands, and each would wait
for its turn. Then the kernel runs it as soon as it has something to do (SCHED_RR), which niceness cannot
promise: Postgres's processes each begin a session, and with it a scheduling group, of their own.

Who may not do so (an ordinary user, most containers) does without.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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

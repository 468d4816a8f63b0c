"""The thread in which a browser lives: Playwright's objects belong to the thread that made them.

A call that does not end with its deadline ends with the browser: a page in an endless loop answers
nothing else. The next call starts another one.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import os
import pathlib
import queue
import signal
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from playwright.sync_api import sync_playwright

from probes import observation as waiting
from probes.browser import program
from probes.observation import WORDS, Deadline, FailureKind, FoundError

if TYPE_CHECKING:
    from playwright.sync_api import Browser as Started
    from playwright.sync_api import Playwright

T = TypeVar("T")
Job: TypeAlias = "Callable[[Started, Deadline], T]"
_Queued: TypeAlias = "tuple[concurrent.futures.Future[Any], Job[Any], float, Deadline]"

_POLL_SECONDS: Final = 0.02
_END_SECONDS: Final = 5.0
"""How long a browser may take to close; it is killed then."""
_START_SECONDS: Final = 30.0
_GRACE_SECONDS: Final = 0.5
"""A call that ends by itself at its deadline says more than one that is killed."""


class Browser:
    """One browser, started at its first use; closed for good by `close`."""

    def __init__(
        self,
        kind: str = "chromium",
        executable: str | None = None,
        trusted: Callable[[Deadline], Sequence[str]] = lambda _: (),
    ) -> None:
        self.kind = kind
        self._wanted, self._trusted = executable, trusted
        self._turn = threading.Lock()
        self._jobs: queue.SimpleQueue[_Queued | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._pids: list[int] = []
        """The browser's process, and Playwright's that started it."""

    def do(self, job: Job[T], seconds: float, deadline: Deadline) -> T:
        """Return what `job` makes of the browser; raises FoundError, and whatever the job raises.

        It has that many seconds once its turn has come and the browser has started; `deadline` is the
        run's, and waiting counts.
        """
        while not self._turn.acquire(timeout=_POLL_SECONDS):
            waiting.pause(0)
            if not deadline.remaining_seconds():
                raise _ours("The run's deadline came while the browser was busy with other pages.")
        try:
            return self._done(job, seconds, deadline)
        finally:
            self._turn.release()

    def close(self) -> None:
        """Close the browser and its thread, by force where it does not go; nothing of it is left."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._jobs.put(None)
        for pid in (0, *self._pids):
            _kill(pid)
            thread.join(_END_SECONDS)
            if not thread.is_alive():
                break
        self._pids = []

    def _done(self, job: Job[T], seconds: float, deadline: Deadline) -> T:
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        if not all(_parent(pid) for pid in self._pids[1:]):
            self._abandon()
        if self._thread is None:
            self._jobs = queue.SimpleQueue()
            self._thread = threading.Thread(target=self._serve, name="browser", daemon=True)
            self._thread.start()
        self._jobs.put((future, job, seconds, deadline))
        try:
            return self._awaited(future, seconds, deadline)
        except BaseException:
            if not future.done():
                self._end(future)
            raise

    def _awaited(
        self, future: concurrent.futures.Future[T], seconds: float, deadline: Deadline
    ) -> T:
        begun = False
        until = deadline
        while not future.done():
            waiting.pause(0)
            if not until.remaining_seconds():
                if until.at == deadline.at:
                    raise _ours("The run's deadline came before the page was through.")
                if not all(map(_parent, self._pids)):  # Playwright does not always notice.
                    raise _ours(WORDS["browser_itself"]["browser_ended"])
                raise FoundError(FailureKind.TIMEOUT, "The page did not come to rest in time.")
            if future.running() and not begun:
                begun, until = True, deadline.sooner(seconds + _GRACE_SECONDS)
            concurrent.futures.wait([future], _POLL_SECONDS)
        return future.result()

    def _end(self, future: concurrent.futures.Future[Any]) -> None:
        """End what runs: the browser first, which lets the job end; else Playwright too."""
        for pid in self._pids or (0,):
            _kill(pid)
            concurrent.futures.wait([future], _END_SECONDS / 2)
            if future.done():
                return
        self._abandon()

    def _abandon(self) -> None:
        """Leave a thread whose Playwright is gone to end by itself."""
        self._jobs.put(None)
        self._thread, self._pids = None, []

    def _launch(self, playwright: Playwright, deadline: Deadline) -> Started:
        seconds = min(_START_SECONDS, deadline.remaining_seconds())
        return program.launch(playwright, self.kind, self._wanted, self._trusted(deadline), seconds)

    def _serve(self) -> None:
        """Do one job after the other, in the thread that owns all of Playwright."""
        jobs = self._jobs
        # Nothing that could be said of closing what is dead would help anybody.
        with contextlib.suppress(Exception), contextlib.ExitStack() as stack:
            started = _Started(stack, self._launch)
            for future, job, seconds, deadline in iter(jobs.get, None):
                try:
                    one = started.browser(deadline)
                    self._pids = started.pids
                    future.set_running_or_notify_cancel()
                    future.set_result(job(one, deadline.sooner(seconds)))
                except BaseException as exc:  # noqa: BLE001 - it is raised where the job was asked for
                    future.set_exception(exc)


@dataclasses.dataclass
class _Started:
    """What a thread has started: Playwright, and a browser; each anew where it is gone."""

    stack: contextlib.ExitStack
    launch: Callable[[Playwright, Deadline], Started]
    pids: list[int] = dataclasses.field(default_factory=list)
    playwright: Playwright | None = None
    running: Started | None = None

    def browser(self, deadline: Deadline) -> Started:
        """Return the browser; raises FoundError where it does not start.

        Playwright learns of the death of a process at the next call alone, so that is asked elsewhere.
        """
        living = all(_parent(pid) for pid in self.pids)
        if self.running is not None and self.running.is_connected() and living:
            return self.running
        if self.playwright is None:
            self.playwright = self.stack.enter_context(sync_playwright())
        self.running = self.launch(self.playwright, deadline)
        self.stack.callback(_closed, self.running)
        self.pids = _processes(self.running) if self.running.browser_type.name == "chromium" else []
        return self.running


def _closed(started: Started) -> None:
    with contextlib.suppress(Exception):
        started.close()


def _processes(started: Started) -> list[int]:
    """Return the processes to kill, in this order: the browser's, and ours that it comes from."""
    session = started.new_browser_cdp_session()
    listed = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    browser = next(int(one["id"]) for one in listed if one["type"] == "browser")
    above = browser
    while (parent := _parent(above)) not in (os.getpid(), 0, 1):
        above = parent
    return list(dict.fromkeys((browser, above)))


def _parent(pid: int) -> int:
    """Return the parent of a process; 0 of one that is gone, or dead and not yet buried."""
    with contextlib.suppress(OSError, ValueError):
        told = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        state, parent = told.rpartition(")")[2].split()[:2]
        return 0 if state in "ZX" else int(parent)
    return 0


def _kill(pid: int) -> None:
    """Kill a process that is still one of ours."""
    above = pid
    while above not in (0, 1, os.getpid()):
        above = _parent(above)
    if pid and above == os.getpid():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def _ours(sentence: str) -> FoundError:
    return FoundError(FailureKind.OUR_FAULT, sentence)

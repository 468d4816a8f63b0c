"""The one way to wait: once a run is stopped, nothing waits any more."""

from __future__ import annotations

import threading

_STOPPED = threading.Event()


class Stopped(KeyboardInterrupt):
    """A wait was ended because the run was; it unwinds as Ctrl-C does, in whatever thread waited."""


def stop() -> bool:
    """End every wait of this process, now and from now on; return whether that is new."""
    first = not _STOPPED.is_set()
    _STOPPED.set()
    return first


def begin() -> None:
    """Let waits wait: a new run begins."""
    _STOPPED.clear()


def pause(seconds: float) -> None:
    """Wait; raises Stopped as soon as the run is stopped."""
    if _STOPPED.wait(max(0.0, seconds)):
        raise Stopped

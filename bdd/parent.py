"""Ties a process to its parent: killed as it may be, nothing stays behind."""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int) -> None:
    """Have the kernel send SIGTERM when the parent process ends; raises OSError where it can't.

    A parent that is gone already would never be noticed, so that is asked afterwards.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "could not tie the checks to the gate's process")
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)

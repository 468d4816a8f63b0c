"""Loaded by the process that forks, first of all: it ends when the process does that started it."""

from __future__ import annotations

import os
import signal

from sandbox.core import processes

processes.tie_to(os.getppid(), signal.SIGKILL)

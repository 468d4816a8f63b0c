"""Whether this process's control group was denied the processor: what looks like latency and is none."""

from __future__ import annotations

import contextlib
import pathlib

_FILES = ("/sys/fs/cgroup/cpu.stat", "/sys/fs/cgroup/cpu/cpu.stat")


def throttled_periods(files: tuple[str, ...] = _FILES) -> int:
    """Return in how many periods so far; 0 where no control group tells."""
    for file in files:
        with contextlib.suppress(OSError, ValueError):
            for line in pathlib.Path(file).read_text(encoding="ascii").splitlines():
                name, _, value = line.partition(" ")
                if name == "nr_throttled":
                    return int(value)
    return 0

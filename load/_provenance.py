"""With what a load run was made, and on which machine: what somebody needs to repeat it."""

from __future__ import annotations

import importlib.metadata
import os
import pathlib
import platform
import resource
import subprocess

from gates.load import ROOT

_PACKAGES = ("locust", "gevent", "uvloop", "httptools", "pyzmq")


def versions() -> dict[str, str]:
    """Return the versions of Python, the packages that send, the kernel and this checkout."""
    found = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {
        "python": platform.python_version(),
        **found,
        "kernel": platform.release(),
        "checkout": _checkout(),
    }


def machine() -> dict[str, str | int | float]:
    """Return what the generator had to itself: processors, load, descriptors, local ports."""
    return {
        "processors": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "load_average": round(os.getloadavg()[0], 2),
        "open_files_limit": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "local_ports": _first_line("/proc/sys/net/ipv4/ip_local_port_range").replace("\t", "-"),
    }


def _checkout() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            command, cwd=ROOT, capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()


def _processor() -> str:
    lines = _text("/proc/cpuinfo").splitlines()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _first_line(file: str) -> str:
    return next(iter(_text(file).splitlines()), "unknown")


def _text(file: str) -> str:
    try:
        return pathlib.Path(file).read_text(encoding="utf-8")
    except OSError:
        return ""

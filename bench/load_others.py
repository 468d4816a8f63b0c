"""What other generators do on this machine, at the same server: wrk, hey, and Locust's own FastHttpUser."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass

from sandbox.core import debian
from sandbox.core.errors import SandboxError

_SPARE_SECONDS = 60.0
_FAST_HTTP = """
import json, sys
from locust import FastHttpUser, constant, constant_throughput, events, task

class Caller(FastHttpUser):
    wait_time = WAIT

    @task
    def home(self):
        self.client.get("/")

@events.quitting.add_listener
def tell(environment, **_):
    total = environment.stats.total
    # Whole seconds alone: neither its start nor its end count against it.
    inner = [count for _, count in sorted(total.num_reqs_per_sec.items())][1:-1]
    p99 = total.get_response_time_percentile(0.99)
    print(json.dumps({"rps": sum(inner) / max(1, len(inner)), "p99_s": p99 / 1000}))
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a generator says of itself."""

    rps: float
    p50_ms: float
    p99_s: float


class NotMeasuredError(Exception):
    """A generator is not to be had here; the text says why."""


class Program:
    """A generator out of a Debian package of its own name: on the PATH, else unpacked into the cache."""

    def __init__(self, name: str) -> None:
        """Find it; raises NotMeasuredError."""
        self._environment = dict(os.environ)
        found = shutil.which(name)
        if found is None:
            tree = _unpacked(name)
            found = str(tree / "usr" / "bin" / name)
            self._environment["LD_LIBRARY_PATH"] = debian.library_path(tree)
        self._path = found

    def run(self, *arguments: str, seconds: float) -> str:
        """Return what it prints of a run; raises NotMeasuredError where it fails."""
        return _ran([self._path, *arguments], seconds, self._environment)


def _unpacked(name: str) -> pathlib.Path:
    if not debian.available():
        raise NotMeasuredError(f"{name} is not on the PATH and this is no Debian")
    try:
        return debian.unpack(name, (name,))
    except (SandboxError, OSError) as exc:
        raise NotMeasuredError(
            f"{name} is neither on the PATH nor to be had as a package: {exc}"
        ) from exc


def _ran(command: list[str], seconds: float, environment: dict[str, str] | None = None) -> str:
    try:
        return subprocess.run(  # noqa: S603 - generators, at our own server
            command,
            check=True, capture_output=True, text=True, timeout=seconds + _SPARE_SECONDS,
            env=environment,
        ).stdout  # fmt: skip
    except (OSError, subprocess.SubprocessError) as exc:
        raise NotMeasuredError(f"{pathlib.Path(command[0]).name} failed: {exc}") from exc


def wrk(program: Program, url: str, *, connections: int, seconds: int) -> Seen:
    """Let wrk ask from one thread as fast as it can."""
    return read_wrk(
        program.run("-t1", f"-c{connections}", f"-d{seconds}s", "--latency", url, seconds=seconds)
    )


def read_wrk(said: str) -> Seen:
    """Read what wrk prints; raises NotMeasuredError."""
    return Seen(
        rps=float(_found(r"Requests/sec:\s+([\d.]+)", said)),
        p50_ms=_milliseconds(_found(r"50%\s+([\d.]+[mu]?s)", said)),
        p99_s=_milliseconds(_found(r"99%\s+([\d.]+[mu]?s)", said)) / 1000,
    )


def hey(program: Program, url: str, *, connections: int, seconds: int, each_rps: int = 0) -> Seen:
    """Let hey ask: as fast as it can, or so often a second from each connection."""
    limited = ["-q", str(each_rps)] if each_rps else []
    return read_hey(
        program.run("-z", f"{seconds}s", "-c", str(connections), *limited, url, seconds=seconds)
    )


def read_hey(said: str) -> Seen:
    """Read what hey prints; raises NotMeasuredError."""
    return Seen(
        rps=float(_found(r"Requests/sec:\s+([\d.]+)", said)),
        p50_ms=float(_found(r"50% in ([\d.]+) secs", said)) * 1000,
        p99_s=float(_found(r"99% in ([\d.]+) secs", said)),
    )


def fast_http_user(url: str, *, users: int, seconds: int, each_rps: int = 0) -> Seen:
    """Let Locust's own FastHttpUser ask, headless, in one process, without a wait or so often a second."""
    wait = f"constant_throughput({each_rps})" if each_rps else "constant(0)"
    script = _FAST_HTTP.replace("WAIT", wait)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        file = pathlib.Path(folder) / "fast_http.py"
        file.write_text(script, encoding="utf-8")
        said = _ran(
            [
                sys.executable, "-m", "locust", "-f", str(file), "--headless", "--host", url,
                "-u", str(users), "-r", str(users), "-t", f"{seconds}s", "--only-summary",
                "--loglevel", "CRITICAL",
            ],
            seconds,
        )  # fmt: skip
    told = json.loads(next(line for line in said.splitlines() if line.startswith("{")))
    return Seen(rps=told["rps"], p50_ms=0.0, p99_s=told["p99_s"])


def _found(pattern: str, said: str) -> str:
    found = re.search(pattern, said)
    if found is None:
        raise NotMeasuredError(f"no {pattern} in what it said: {said[:200]!r}")
    return found[1]


def _milliseconds(words: str) -> float:
    for unit, factor in (("us", 0.001), ("ms", 1.0), ("s", 1000.0)):
        if words.endswith(unit):
            return float(words.removesuffix(unit)) * factor
    raise NotMeasuredError(f"{words} is no time")

"""The lease under which the load generator sends: extended by whoever needs samples, never cut short."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from sandbox.core.errors import SandboxError
from sandbox.core.state import write_private

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.core.state import StateDirectory

FILE = "traffic-lease.json"


def extend(state: StateDirectory, requests_per_second: float, seconds: float) -> None:
    """Let traffic flow for so long from now; raises SandboxError when the platform does not run."""
    record = state.running()
    if record is None:
        raise SandboxError("the platform is not running: `sandbox up` brings it up.")
    grant(record.runtime, requests_per_second, seconds)


def grant(runtime: Path, requests_per_second: float, seconds: float) -> None:
    """Write the lease of the platform with this runtime directory."""
    path = runtime / FILE
    now = time.time()
    rate, until = _current(path, now)
    lease = {"rps": max(rate, requests_per_second), "until": max(until, now + seconds)}
    write_private(path, json.dumps(lease))


def _current(path: Path, now: float) -> tuple[float, float]:
    """Return rate and end of the lease that others hold; nothing when it has run out."""
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        rate, until = float(held["rps"]), float(held["until"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0, 0.0
    return (rate, until) if until > now else (0.0, 0.0)

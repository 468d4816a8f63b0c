"""Figures of a deployment's gates: how long each phase's answer takes on the local platform."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping

from bench.figure import Figure
from bench.gate import program, run_command

PHASES = range(1, 8)
_BOUND_SECONDS = {3: 30.0}
_OTHER_BOUND_SECONDS = 10.0
_ALL_SECONDS = 60.0
_RELEASE = ("--env", "local", "--release", "v1.2.0")


def figures() -> Iterator[Figure]:
    """Yield the seconds of every phase's gate right after its phase was carried out, and their sum."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        environment = {**os.environ, "SANDBOX_STATE": folder}
        run_command("sandbox", "up", "--pending", environment=environment)
        try:
            run_command("gate", "baseline", "--env", "local", environment=environment)
            yield from _phases(environment)
        finally:
            run_command("sandbox", "down", environment=environment)


def _phases(environment: Mapping[str, str]) -> Iterator[Figure]:
    total, wrong = 0.0, 0
    for phase in PHASES:
        run_command("sandbox", "deploy", str(phase), environment=environment)
        seconds, decision = _gate(phase, environment)
        total += seconds
        wrong += decision != "GO"
        bound = _BOUND_SECONDS.get(phase, _OTHER_BOUND_SECONDS)
        yield Figure(f"gate phase {phase}", seconds, bound, "s")
    yield Figure("all seven phases", total, _ALL_SECONDS, "s")
    yield Figure("phases that were not GO", float(wrong), 0, "phases")


def _gate(phase: int, environment: Mapping[str, str]) -> tuple[float, str]:
    command = (program("gate"), "phase", str(phase), *_RELEASE, "--output", "json")
    started = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    return time.perf_counter() - started, str(json.loads(done.stdout)["decision"])

"""Figures of the whole gate on the local platform."""

from __future__ import annotations

import datetime as dt
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from typing import Any

from bench.figure import Figure
from gates.load import ROOT

HEALTHY_RUNS = 20


def figures() -> Iterator[Figure]:
    """Yield help, first check, platform, smoke and the whole gate, in seconds."""
    yield Figure("gate --help", run_command("gate", "--help"), 0.5, "s")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        environment = {**os.environ, "SANDBOX_STATE": folder}
        started = time.perf_counter()
        verdict = _gate(environment)
        yield Figure("gate post-deploy --env local, to GO", time.perf_counter() - started, 60, "s")
        yield Figure("runs that were not GO", float(verdict["decision"] != "GO"), 0, "runs")
        yield Figure("sandbox up", run_command("sandbox", "up", environment=environment), 15, "s")
        try:
            yield Figure("gate to its first check", _first_check_seconds(environment), 2, "s")
            smoke = ("python", "-m", "pytest", "-q", "-m", "smoke", "--env", "local")
            yield Figure(
                "smoke checks alone", run_command(*smoke, environment=environment), 10, "s"
            )
        finally:
            run_command("sandbox", "down", environment=environment)


def healthy_runs() -> Iterator[Figure]:
    """Yield how many of 20 runs against a healthy platform were not GO."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        environment = {**os.environ, "SANDBOX_STATE": folder}
        run_command("sandbox", "up", environment=environment)
        try:
            wrong = 0
            for _ in range(HEALTHY_RUNS):
                verdict = _gate(environment)
                wrong += verdict["decision"] != "GO"
                sys.stderr.write(f"{verdict['decision']} {verdict['elapsed_seconds']} s\n")
                for reason in verdict["reasons"]:
                    sys.stderr.write(
                        f"   {reason['check']} {reason['region']} {reason['sentence']}\n"
                    )
        finally:
            run_command("sandbox", "down", environment=environment)
    yield Figure(f"of {HEALTHY_RUNS} healthy runs, not GO", float(wrong), 0, "runs")


def _gate(environment: Mapping[str, str]) -> Mapping[str, Any]:
    command = [program("gate"), "post-deploy", "--env", "local", "--output", "json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    verdict: Mapping[str, Any] = json.loads(done.stdout)
    return verdict


def _first_check_seconds(environment: Mapping[str, str]) -> float:
    """Return the seconds from the start of the process to the first `check_started` event."""
    started = time.time()
    run = _gate(environment)["run"]
    events = (ROOT / "reports" / "out" / run / "events.jsonl").read_text(encoding="utf-8")
    first = json.loads(events.splitlines()[0])
    return _epoch(first["at"]) - started


def _epoch(text: str) -> float:

    return dt.datetime.fromisoformat(text).timestamp()


def run_command(*command: str, environment: Mapping[str, str] | None = None) -> float:
    """Run one of our commands to its end and return its seconds; raises RuntimeError if it fails."""
    started = time.perf_counter()
    done = subprocess.run(  # noqa: S603 - our own commands
        [program(command[0]), *command[1:]],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    seconds = time.perf_counter() - started
    if done.returncode != 0:
        raise RuntimeError(
            f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-300:]!r}"
        )
    return seconds


def program(name: str) -> str:
    """Return the path of one of our commands."""
    return str(pathlib.Path(sys.executable).parent / name)

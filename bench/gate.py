"""Figures of the gate: its fold and fan-out, whole runs on the local platform, and a deployment's phases."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import pathlib
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from bench import Figure
from gates.decide.fold import RegionResult, Stage, fold
from gates.decide.judgement import equals
from gates.decide.outcome import Decision, Meaning
from gates.load import ROOT
from steps.cluster.clusters import Clusters
from steps.kit.asked import Asked
from steps.kit.availability import Availability
from steps.kit.check import Check
from steps.service.endpoint import Endpoint
from tests.gates.decide.values import a_row
from tests.probes.servers import answer, serving
from tests.steps.platforms import a_platform

RESULTS = 100_000
ANSWER_SECONDS = 0.3
REGIONS = 10
HEALTHY_RUNS = 20
PHASES = range(1, 8)
_PHASE_SECONDS, _PHASES_SECONDS = 10.0, 90.0
_LONGER_PHASES = {3: 30.0, 4: 40.0}
"""Phase 3 waits for samples; phase 4's journeys in a browser may take 30 s."""
_LOCAL = ("--env", "local")


def engine() -> Iterator[Figure]:
    """Yield the fold of 100,000 results, and ten regions against one: no platform needed."""
    yield Figure("fold of 100,000 check results", _fold_seconds(), 1.0, "s")
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(serving(_slow)) for _ in range(REGIONS)]
        addresses = {f"r{number}": server.url for number, server in enumerate(servers)}
        one, ten = _read_seconds({"r0": addresses["r0"]}), _read_seconds(addresses)
    yield Figure("ten regions at 300 ms against one", ten / one, 1.3, "x")


def _fold_seconds() -> float:
    rows = [a_row(f"BENCH-{number}", Meaning.HOLD) for number in range(RESULTS // REGIONS)]
    regions = [f"r{number}" for number in range(REGIONS)]
    judgement = (equals("status", 200, 200),)
    results = [RegionResult(row.id, region, judgement) for row in rows for region in regions]
    started = time.perf_counter()
    folded = fold(rows, regions, results, Stage.LIVE)
    seconds = time.perf_counter() - started
    if folded.decision is not Decision.GO:
        raise RuntimeError("the benchmark's results must fold to GO")
    return seconds


def _read_seconds(addresses: Mapping[str, str]) -> float:
    """Return how long the health of each region's service takes to be read three times."""
    with tempfile.TemporaryDirectory() as folder:
        platform = a_platform(pathlib.Path(folder), addresses, run_seconds=60)
    asked = Asked(platform, Check("B-1", platform.regions), platform.regions)
    described, clusters = platform.endpoint("api", "liveness"), Clusters(platform)
    endpoint = Endpoint(asked, Availability(platform), clusters, "api", described)
    endpoint.read()
    started = time.perf_counter()
    endpoint.read(3)
    return time.perf_counter() - started


def _slow(connection: socket.socket, over: threading.Event) -> None:
    time.sleep(ANSWER_SECONDS)
    answer(b"{}")(connection, over)


def figures() -> Iterator[Figure]:
    """Yield help, first check, platform, smoke and the whole gate, in seconds."""
    yield Figure("gate --help", _seconds("gate", "--help"), 0.5, "s")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        environment = {**os.environ, "SANDBOX_STATE": folder}
        seconds, verdict = answered("post-deploy", *_LOCAL, environment=environment)
        yield Figure("gate post-deploy --env local, to GO", seconds, 60, "s")
        yield Figure("runs that were not GO", float(verdict["decision"] != "GO"), 0, "runs")
        yield Figure("sandbox up", _seconds("sandbox", "up", environment=environment), 15, "s")
        try:
            yield Figure("gate to its first check", _first_check_seconds(environment), 2, "s")
            smoke = ("python", "-m", "pytest", "-q", "-m", "smoke", *_LOCAL)
            yield Figure("smoke checks alone", _seconds(*smoke, environment=environment), 10, "s")
        finally:
            _seconds("sandbox", "down", environment=environment)


def healthy_runs() -> Iterator[Figure]:
    """Yield how many of 20 runs against a healthy platform were not GO."""
    wrong = 0
    with local_platform() as environment:
        for _ in range(HEALTHY_RUNS):
            _, verdict = answered("post-deploy", *_LOCAL, environment=environment)
            wrong += verdict["decision"] != "GO"
            sys.stderr.write(f"{verdict['decision']} {verdict['elapsed_seconds']} s\n")
            for reason in verdict["reasons"]:
                sys.stderr.write(f"   {reason['check']} {reason['region']} {reason['sentence']}\n")
    yield Figure(f"of {HEALTHY_RUNS} healthy runs, not GO", float(wrong), 0, "runs")


def phases() -> Iterator[Figure]:
    """Yield the seconds of every phase's gate right after its phase was carried out, and their sum."""
    total, wrong = 0.0, 0
    with local_platform("--pending") as environment:
        _seconds("gate", "baseline", *_LOCAL, environment=environment)
        for phase in PHASES:
            _seconds("sandbox", "deploy", str(phase), environment=environment)
            asked = ("phase", str(phase), *_LOCAL, "--release", "v1.2.0")
            seconds, verdict = answered(*asked, environment=environment)
            total += seconds
            wrong += verdict["decision"] != "GO"
            bound = _LONGER_PHASES.get(phase, _PHASE_SECONDS)
            yield Figure(f"gate phase {phase}", seconds, bound, "s")
    yield Figure("all seven phases", total, _PHASES_SECONDS, "s")
    yield Figure("phases that were not GO", float(wrong), 0, "phases")


def countdown() -> Iterator[Figure]:
    """Yield the seconds of all items of the countdown, and what of it is not GO where all is done."""
    with local_platform("--pending") as environment:
        _seconds("gate", "baseline", *_LOCAL, environment=environment)
        asked = ("pre-deploy", "--at", "T-2h", *_LOCAL, "--release", "v1.2.0")
        seconds, verdict = answered(*asked, environment=environment)
    open_ = {reason["check"] for reason in verdict["reasons"]}
    yield Figure("gate pre-deploy --at T-2h, all items", seconds, 20.0, "s")
    yield Figure("items that are not done", float(len(open_)), 0, "items")


def browser() -> Iterator[Figure]:
    """Yield the seconds of every journey and of axe on every page, in both regions; then of all in a browser.

    On a busy machine the time says nothing; what the processors did hardly changes.
    """
    command = ("python", "-m", "pytest", "-q", *_LOCAL, "-m")
    journeys = "(browser and not WV-1) or A11Y-PAGE-1"
    with local_platform() as environment:
        seconds = _seconds(*command, journeys, environment=environment)
        before = processor_seconds()
        _seconds(*command, "browser or accessibility", environment=environment)
        took = processor_seconds() - before
    yield Figure("browser journeys with axe, in Chromium", seconds, 30, "s")
    yield Figure("processor time of all in a browser, without the platform's", took, 60, "s")


@contextlib.contextmanager
def local_platform(*flags: str) -> Iterator[Mapping[str, str]]:
    """Bring a local platform up until the block ends; yield the environment that leads to it."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        environment = {**os.environ, "SANDBOX_STATE": folder}
        _seconds("sandbox", "up", *flags, environment=environment)
        try:
            yield environment
        finally:
            _seconds("sandbox", "down", environment=environment)


def answered(*question: str, environment: Mapping[str, str]) -> tuple[float, Mapping[str, Any]]:
    """Return the seconds that the gate's answer took, and the verdict."""
    started = time.perf_counter()
    done = _run(("gate", *question, "--output", "json"), environment)
    return time.perf_counter() - started, json.loads(done.stdout)


def _first_check_seconds(environment: Mapping[str, str]) -> float:
    """Return the seconds from the start of the process to the first `check_started` event."""
    started = time.time()
    run = answered("post-deploy", *_LOCAL, environment=environment)[1]["run"]
    events = (ROOT / "reports" / "out" / run / "events.jsonl").read_text(encoding="utf-8")
    first = json.loads(events.splitlines()[0])
    return dt.datetime.fromisoformat(first["at"]).timestamp() - started


def _seconds(*command: str, environment: Mapping[str, str] | None = None) -> float:
    """Run one of our commands to its end and return its seconds; raises RuntimeError if it fails."""
    started = time.perf_counter()
    done = _run(command, environment)
    if done.returncode != 0:
        said = f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-300:]!r}"
        raise RuntimeError(said)
    return time.perf_counter() - started


def processor_seconds() -> float:
    """Return what the processes that have ended, and those that they waited for, have used so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _run(
    command: tuple[str, ...], environment: Mapping[str, str] | None
) -> subprocess.CompletedProcess[bytes]:
    program = pathlib.Path(sys.executable).parent / command[0]
    return subprocess.run(  # noqa: S603 - our own commands
        [program, *command[1:]], env=environment, cwd=ROOT, capture_output=True, check=False
    )

"""Proofs on whole runs of the gate: killed at any moment, healthy again and again, and on each instrument."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import os
import pathlib
import random
import shutil
import signal
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from prove import Cases, Remark, instruments
from sandbox.core import SandboxError
from sandbox.core.state import StateDirectory
from sandbox.faults import catalogue
from sandbox.faults.catalogue import Fault
from sandbox.faults.matrix import HEALTHY as NO_FAULT
from tests.gates.process.gates import Gate
from tests.gates.process.kills import POST_DEPLOY, Kill, broken_promises, kill
from tests.sandbox.platforms import Sandbox

KILLS = "a run killed at any moment is never GO, loses no evidence and leaves no process"
HEALTHY = "the gate says GO about a healthy platform, run after run"
SIDE_BY_SIDE = 3
LAST_LINE = 35
"""The lines of a run but its last one: then there is nothing to kill any more."""
LONGEST_DELAY_SECONDS = 3.0
KINDS = (
    ("gate", signal.SIGTERM),
    ("gate", signal.SIGINT),
    ("gate", signal.SIGHUP),
    ("gate", signal.SIGKILL),
    ("child", signal.SIGKILL),
    ("child", signal.SIGTERM),
)


def killed(seed: int) -> Cases:
    """Yield killed runs, a few at a time; each cleans up what the one before it left."""
    chance = random.Random(seed)  # noqa: S311 - cases, no secrets
    with _platform(SIDE_BY_SIDE) as (gates, platform), ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        while True:
            kills = [_any_kill(chance) for _ in gates]
            yield from pool.map(_broken, gates, kills, [platform] * len(gates))


def _any_kill(chance: random.Random) -> Kill:
    victim, sent = chance.choice(KINDS)
    lines = chance.randint(-1 if victim == "gate" else 0, LAST_LINE)
    return Kill(victim, sent, lines, round(chance.uniform(0, LONGEST_DELAY_SECONDS), 2))


def _broken(gate: Gate, one: Kill, platform: Sandbox) -> str | None:
    try:
        broken = broken_promises(kill(gate, one), platform)
    except (AssertionError, OSError, ValueError, KeyError) as exc:
        broken = [f"{type(exc).__name__}: {exc}"]
    return f"{one}: {'; '.join(broken)}" if broken else None


def healthy(_seed: int) -> Cases:
    """Yield one whole run after the other; there is nothing to choose by a seed."""
    with _platform(1) as ([gate], _):
        while True:
            done = gate.run(*POST_DEPLOY)
            verdict = gate.verdict()
            if done.returncode == 0 and verdict["decision"] == "GO":
                yield None
                continue
            reasons = [f"{r['check']} {r['region']} {r['sentence']}" for r in verdict["reasons"]]
            load = f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
            yield f"{verdict['decision']}, {done.returncode}, {load}: {'; '.join(reasons)}"


@contextlib.contextmanager
def _platform(gates: int) -> Iterator[tuple[list[Gate], Sandbox]]:
    """Bring a platform up and give gates, each in its folder; all are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="prove-") as folder:
        base = pathlib.Path(folder)
        platform = Sandbox(StateDirectory(base / "state"))
        up = platform.run("up", "--owner", str(os.getpid()))
        if up.returncode != 0:
            raise RuntimeError(f"the platform did not come up: {up.stderr}")
        try:
            folders = [base / f"gate-{number}" for number in range(gates)]
            yield [Gate(one, platform.state.path) for one in folders], platform
        finally:
            platform.run("down")


BACKENDS = (
    "the whole gate is right with every supported instrument: GO when healthy, and five faults"
)
FAULTS = (
    "errors-3-percent",
    "errors-0.3-percent",
    "latency-over-target",
    "latency-over-rollback-limit",
    "latency-p99-only",
)
"""Of the local platform's catalogue: those that the instrument shows, under every kind of decision."""
_AS_PROMETHEUS = """\
#!{python}
import os, sys
if "--version" in sys.argv:
    print("prometheus, version 2.42.0, played by VictoriaMetrics")
    raise SystemExit
names = {{"--config.file": "-promscrape.config", "--storage.tsdb.path": "-storageDataPath",
         "--web.listen-address": "-httpListenAddr"}}
flags = [one.partition("=") for one in sys.argv[1:]]
own = [f"{{names[name]}}={{value}}" for name, _, value in flags if name in names]
more = ["-promscrape.config.strictParse=false", "-promscrape.fileSDCheckInterval=1s",
        "-search.latencyOffset=1s", "-loggerLevel=ERROR"]
os.environ["LD_LIBRARY_PATH"] = {libraries!r}
os.execv({program!r}, [{program!r}, *own, *more])
"""
"""A program that is started like Prometheus, so that the local platform needs to know nothing of it.

The platform itself would wait half a minute for its first scrapes; the gate asks past that offset.
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Backend:
    """An instrument: its name and the program that stands for `prometheus` on the PATH."""

    name: str
    program: pathlib.Path


def right_with_each(_seed: int) -> Cases:
    """Yield the runs of each instrument; says which of them can't be had here."""
    with tempfile.TemporaryDirectory(prefix="prove-") as folder:
        found = []
        for name, program in _backends(pathlib.Path(folder)).items():
            try:
                found.append(Backend(name, program()))
            except SandboxError as exc:
                yield Remark(f"not tried: {name}: {exc}")
        # Prometheus of the machine is what every other run asks: the others first.
        for number, backend in enumerate(itertools.cycle(reversed(found))):
            yield from _runs(backend, pathlib.Path(folder) / f"run-{number}")


def _backends(folder: pathlib.Path) -> dict[str, Callable[[], pathlib.Path]]:
    """Return by name how each instrument is found."""
    versions = {
        f"Prometheus {version}": functools.partial(instruments.program, version)
        for version in instruments.RELEASES
    }
    return {**versions, "VictoriaMetrics": lambda: _victoria_metrics(folder)}


def _victoria_metrics(folder: pathlib.Path) -> pathlib.Path:
    program, libraries = instruments.victoria_metrics_program()
    script = folder / "victoria-metrics"
    script.write_text(
        _AS_PROMETHEUS.format(python=sys.executable, libraries=libraries, program=str(program))
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return script


def _runs(backend: Backend, folder: pathlib.Path) -> Iterator[str | None]:
    """Yield a run of the gate for each fault, on one platform that this instrument watches."""
    programs = folder / "bin"
    programs.mkdir(parents=True)
    (programs / "prometheus").symlink_to(backend.program)
    platform = Sandbox(StateDirectory(folder / "state"))
    path = f"{programs}:{os.environ['PATH']}"
    up = platform.run("up", "--owner", str(os.getpid()), path=path)
    try:
        if up.returncode != 0:
            yield f"{backend.name}: the platform did not come up: {up.stderr[-500:]}"
            return
        gate = Gate(folder / "gate", platform.state.path)
        known = {one.name: one for one in catalogue.load()}
        for fault in (NO_FAULT, *(known[name] for name in FAULTS)):
            wrong = _wrong(platform, gate, fault)
            yield f"{backend.name}, {fault.name}: {'; '.join(wrong)}" if wrong else None
    finally:
        platform.run("down")
        shutil.rmtree(folder, ignore_errors=True)


def _wrong(platform: Sandbox, gate: Gate, fault: Fault) -> list[str]:
    """Run the gate under a fault; return each check, and the decision, that is not as its entry says."""
    if fault is not NO_FAULT:
        platform.run("fault", "apply", fault.name)
    try:
        gate.run(*POST_DEPLOY)
        verdict = gate.verdict()
    finally:
        if fault is not NO_FAULT:
            platform.run("fault", "revert", fault.name)
    wrong = catalogue.wrong(fault, verdict)
    return wrong and [*wrong, *(one["sentence"] for one in verdict["reasons"])]

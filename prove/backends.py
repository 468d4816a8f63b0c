"""Proof on the instruments: the whole gate against each Prometheus that there is, and VictoriaMetrics."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import os
import pathlib
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator

from prove import prometheus_builds
from prove.proof import Cases, Remark
from sandbox.core import debian
from sandbox.core.errors import SandboxError
from sandbox.core.state import StateDirectory
from sandbox.faults import catalogue, expectation
from sandbox.faults.catalogue import Fault
from sandbox.faults.matrix_page import HEALTHY
from tests.gates.process.gates import Gate, copy_of_checkout
from tests.gates.process.kills import POST_DEPLOY
from tests.sandbox.platforms import Sandbox

PROMISE = (
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
        f"Prometheus {version}": functools.partial(prometheus_builds.program, version)
        for version in prometheus_builds.RELEASES
    }
    return {**versions, "VictoriaMetrics": lambda: _victoria_metrics(folder)}


def _victoria_metrics(folder: pathlib.Path) -> pathlib.Path:
    tree = debian.unpack("victoria-metrics", ("victoria-metrics",))
    program = tree / "usr" / "bin" / "victoria-metrics"
    script = folder / "victoria-metrics"
    script.write_text(
        _AS_PROMETHEUS.format(
            python=sys.executable, libraries=debian.library_path(tree), program=str(program)
        )
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
        gate = Gate(copy_of_checkout(folder / "checkout"), platform.state.path)
        known = {one.name: one for one in catalogue.load()}
        for fault in (HEALTHY, *(known[name] for name in FAULTS)):
            wrong = _wrong(platform, gate, fault)
            yield f"{backend.name}, {fault.name}: {'; '.join(wrong)}" if wrong else None
    finally:
        platform.run("down")
        shutil.rmtree(folder, ignore_errors=True)


def _wrong(platform: Sandbox, gate: Gate, fault: Fault) -> list[str]:
    """Run the gate under a fault; return each check, and the decision, that is not as its entry says."""
    if fault is not HEALTHY:
        platform.run("fault", "apply", fault.name)
    try:
        gate.run(*POST_DEPLOY)
        verdict = gate.verdict()
    finally:
        if fault is not HEALTHY:
            platform.run("fault", "revert", fault.name)
    wrong = expectation.wrong(fault, verdict)
    return wrong and [*wrong, *(one["sentence"] for one in verdict["reasons"])]

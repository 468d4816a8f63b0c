"""Proof on the instruments: the whole gate against each Prometheus that there is, and VictoriaMetrics."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import pathlib
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from prove.proof import Cases, NotTried
from sandbox import binaries, debian
from sandbox.errors import SandboxError
from sandbox.state import StateDirectory
from tests.gates.process.gates import Gate, copy_of_checkout
from tests.gates.process.kills import POST_DEPLOY
from tests.sandbox.platforms import Sandbox

PROMISE = (
    "the whole gate is right with every supported instrument: GO when healthy, and five faults"
)
VERSIONS = ("2.42", "2.53", "3.5")
VICTORIA_METRICS = "VictoriaMetrics"
MORE = "PROVE_PROMETHEUS"
"""Environment variable: more Prometheus programs than the machine's own, separated by colons."""
EXPECTED = {
    "": "GO",
    "errors-3-percent": "ROLLBACK",
    "errors-0.3-percent": "HOLD",
    "latency-over-target": "HOLD",
    "latency-over-rollback-limit": "ROLLBACK",
    "latency-p99-only": "HOLD",
}
"""By fault of the local platform; none is healthy."""
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
        found = list(_backends(pathlib.Path(folder)))
        had = {backend.name for backend in found}
        for name in (*(f"Prometheus {version}" for version in VERSIONS), VICTORIA_METRICS):
            if name not in had:
                yield NotTried(f"{name}: name its program in {MORE}")
        # Prometheus of the machine is what every other run asks: the others first.
        for number, backend in enumerate(itertools.cycle(reversed(found))):
            yield from _runs(backend, pathlib.Path(folder) / f"run-{number}")


def _backends(folder: pathlib.Path) -> Iterator[Backend]:
    programs = [pathlib.Path(one) for one in os.environ.get(MORE, "").split(":") if one]
    with contextlib.suppress(SandboxError):
        programs.append(pathlib.Path(binaries.find_prometheus(print).path))
    named = {_version(program): program for program in reversed(programs)}
    for version in VERSIONS:
        if version in named:
            yield Backend(f"Prometheus {version}", named[version])
    with contextlib.suppress(SandboxError):
        tree = debian.unpack("victoria-metrics", ("victoria-metrics",))
        program = tree / "usr" / "bin" / "victoria-metrics"
        script = folder / "victoria-metrics"
        script.write_text(
            _AS_PROMETHEUS.format(
                python=sys.executable, libraries=debian.library_path(tree), program=str(program)
            )
        )
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        yield Backend(VICTORIA_METRICS, script)


def _version(program: pathlib.Path) -> str:
    said = subprocess.run(  # noqa: S603 - a Prometheus of this machine
        [program, "--version"], capture_output=True, text=True, timeout=10, check=False
    )
    words = (said.stdout + said.stderr).partition("version ")[2]
    return ".".join(words.split(".")[:2])


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
        for fault, wanted in EXPECTED.items():
            yield _run(backend, platform, gate, fault, wanted)
    finally:
        platform.run("down")
        shutil.rmtree(folder, ignore_errors=True)


def _run(backend: Backend, platform: Sandbox, gate: Gate, fault: str, wanted: str) -> str | None:
    if fault:
        platform.run("fault", "apply", fault)
    try:
        gate.run(*POST_DEPLOY)
        verdict = gate.verdict()
    finally:
        if fault:
            platform.run("fault", "revert", fault)
    if verdict["decision"] == wanted:
        return None
    reasons = "; ".join(f"{one['check']} {one['sentence']}" for one in verdict["reasons"])
    return f"{backend.name}, {fault or 'healthy'}: {verdict['decision']}, not {wanted}: {reasons}"

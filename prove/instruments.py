"""The programs that proofs run: fetched or built on first use, started, written to, asked by the product."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import hashlib
import json
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import httpx

from gates.decide.judgement import Judgement
from gates.load import load_policy
from sandbox.core import SandboxError, binaries
from sandbox.core.binaries import cache_directory
from settings.objectives import Objective
from steps.kit import asked
from steps.kit.check import Check
from steps.kit.leases import TrafficLease
from steps.kit.platform import Platform
from steps.objectives import objectives
from tests.probes.real_servers import running
from tests.probes.servers import closed_port, wait_until
from tests.steps.platforms import a_platform

INSTALL_SECONDS = 300


def installed(lock: pathlib.Path) -> pathlib.Path:
    """Return the folder with a lock's packages."""
    version = hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    kept = cache_directory().with_name("prove") / version
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as work:
            uv = pathlib.Path(sys.executable).with_name("uv")
            target = ["--target", f"{work}/packages", "--require-hashes", "-r", str(lock)]
            subprocess.run(  # noqa: S603 - uv of this checkout, packages of the lock
                [uv, "pip", "install", "--quiet", "--python", sys.executable, *target],
                check=True,
                timeout=INSTALL_SECONDS,
            )
            (pathlib.Path(work) / "packages").rename(kept)
    return kept


RELEASES = {
    "2.42": ("2.42.0", "v0.42.0"),
    "2.53": ("2.53.3", "v0.53.3"),
    "3.5": ("3.5.1", "v0.305.1"),
}
"""A release of each version, and what the Go module calls it."""
_MODULE = "github.com/prometheus/prometheus"
_BUILD_SECONDS = 3600


def program(version: str) -> pathlib.Path:
    """Return a Prometheus of this version, built on first use; raises SandboxError."""
    try:
        own = binaries.find_prometheus(print)
    except SandboxError:
        own = None
    if own and own.version_numbers == tuple(map(int, version.split("."))):
        return pathlib.Path(own.path)
    release, module = RELEASES[version]
    kept = cache_directory().with_name("prometheus") / release
    if not kept.exists():
        if not shutil.which("go"):
            raise SandboxError("it is built with Go, and go is not on the PATH")
        _build(release, f"{_MODULE}@{module}", kept)
    return kept


def _build(release: str, module: str, kept: pathlib.Path) -> None:
    """Build it with what its own go.mod and go.sum name, but for the clouds that it could discover.

    Their libraries are most of the work, and nothing here is discovered but by files.
    """
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as work:
        module_folder = json.loads(_run(work, "go", "mod", "download", "-json", module))["Dir"]
        _run(work, "cp", "-r", "--no-preserve=mode", module_folder, "source")
        source = pathlib.Path(work) / "source"
        (source / "plugins" / "plugins.go").unlink()
        named = f"-ldflags=-s -w -X github.com/prometheus/common/version.Version={release}"
        flags = ["-p=2", "-trimpath", "-tags=netgo,stringlabels", named, "-o=../prometheus"]
        _run(str(source), "nice", "-n", "10", "go", "build", *flags, "./cmd/prometheus")
        (pathlib.Path(work) / "prometheus").rename(kept)


def _run(folder: str, *command: str) -> str:
    try:
        return subprocess.run(  # noqa: S603 - Go's own tool, and cp
            command, cwd=folder, check=True, capture_output=True, text=True, timeout=_BUILD_SECONDS
        ).stdout
    except (OSError, subprocess.SubprocessError) as exc:
        said = (getattr(exc, "stderr", "") or str(exc)).strip()
        raise SandboxError(f"{' '.join(command[:5])}: {said.splitlines()[-1]}") from exc


Metrics = Mapping[str, Mapping[str, Any]]


class WouldWaitError(Exception):
    """The product would wait for another scrape."""


class Once(TrafficLease):
    """Ends a check instead of letting it wait."""

    def __init__(self) -> None:
        super().__init__(None)

    def renew(self) -> None:
        """Raise WouldWaitError."""
        raise WouldWaitError


@contextlib.contextmanager
def prometheus(settings: Mapping[str, Any], *flags: str) -> Iterator[str]:
    """Run a Prometheus with this configuration; yield its address."""
    binary = binaries.find_prometheus(print)
    kept = ("--config.file=prometheus.yml", "--storage.tsdb.path=data")
    listens = "--web.listen-address="
    with _instrument((binary.path, *kept, *flags), listens, binary.environment, settings) as url:
        yield url


@contextlib.contextmanager
def victoria_metrics() -> Iterator[str]:
    """Run a VictoriaMetrics that takes samples by remote write; raises SandboxError without one."""
    program, libraries = victoria_metrics_program()
    argv = (str(program), "-storageDataPath=data", "-loggerLevel=ERROR")
    with _instrument(argv, "-httpListenAddr=", {"LD_LIBRARY_PATH": libraries}) as url:
        yield url


def victoria_metrics_program() -> tuple[pathlib.Path, str]:
    """Return VictoriaMetrics out of its Debian package, and where its libraries lie."""
    tree = binaries.unpack("victoria-metrics", ("victoria-metrics",))
    return tree / "usr" / "bin" / "victoria-metrics", binaries.library_path(tree)


@contextlib.contextmanager
def _instrument(
    argv: Sequence[str],
    listens: str,
    environment: Mapping[str, str],
    settings: Mapping[str, Any] | None = None,
) -> Iterator[str]:
    """Run an instrument in a folder of its own, with its configuration; yield its address once ready."""
    with tempfile.TemporaryDirectory(prefix="prove-", ignore_cleanup_errors=True) as name:
        address, folder = f"127.0.0.1:{closed_port()}", pathlib.Path(name)
        (folder / "prometheus.yml").write_text(json.dumps(settings))
        variables = {**environment, "GOMAXPROCS": "1"}
        with running([*argv, f"{listens}{address}"], folder=folder, environment=variables):
            wait_until(lambda: answers(f"http://{address}/-/ready"), f"{argv[0]} is ready", 30)
            yield f"http://{address}"


def answers(url: str) -> bool:
    """Return whether a GET is answered well."""
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(url, timeout=1).is_success
    return False


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """What the product is asked, and of which Prometheus."""

    url: str
    job: str
    scrape_seconds: float
    metrics: Metrics
    target_labels: Mapping[str, str]
    objectives: tuple[Objective, ...]

    def platform(self, folder: pathlib.Path) -> Platform:
        """Return a platform of one region, whose traffic was switched long ago."""
        checked = a_platform(
            folder,
            {"eu": "http://127.0.0.1:9"},
            policy=load_policy().model_copy(update={"objectives": self.objectives}),
            prometheus_at=self.url,
            prometheus={
                "job": self.job,
                "scrape_interval": f"{self.scrape_seconds:g}s",
                "target_labels": self.target_labels,
            },
            metrics=self.metrics,
        )
        settings = checked.environment.settings
        # Nothing here has a label for its region.
        eu = settings.regions["eu"].model_copy(update={"labels": {}})
        settings = settings.model_copy(update={"regions": {"eu": eu}})
        return dataclasses.replace(
            checked,
            environment=dataclasses.replace(checked.environment, settings=settings),
            switched_at=dt.datetime.now(dt.UTC) - dt.timedelta(hours=1),
        )

    def sees(self, name: str) -> bool:
        """Return whether the instrument has samples of a metric of this job."""
        selector = f'{name}{{job="{self.job}"}}[10m]'
        query = {"query": f"last_over_time({selector})", "nocache": "1"}
        answer = httpx.get(f"{self.url}/api/v1/query", params=query, timeout=5).json()
        return bool(answer["data"]["result"])

    def judged(self, check_id: str, folder: pathlib.Path) -> Judgement | None:
        """Return what the product says of a target now; None where it would wait for more scrapes."""
        platform = self.platform(folder)
        check = Check(check_id, platform.regions)
        with contextlib.suppress(WouldWaitError):
            objectives.judge(
                asked.Asked(platform, check, platform.regions),
                objectives.Waiting(Once(), lambda *_event, **_fields: None),
                platform.policy.objective(check_id),
            )
        return next(iter(check.noted()["eu"].judgements), None)


Labels = tuple[tuple[str, str], ...]
_CHUNK = 65_536


def write(url: str, series: Mapping[Labels, Sequence[tuple[float, float]]]) -> None:
    """Write the samples of each series; raises httpx.HTTPError where they are not taken."""
    body = _snappy(b"".join(_field(1, _series(*one)) for one in series.items()))
    headers = {
        "Content-Encoding": "snappy",
        "Content-Type": "application/x-protobuf",
        "X-Prometheus-Remote-Write-Version": "0.1.0",
    }
    answer = httpx.post(f"{url}/api/v1/write", content=body, headers=headers, timeout=30)
    answer.raise_for_status()


def _series(labels: Labels, samples: Iterable[tuple[float, float]]) -> bytes:
    parts = [_field(1, _field(1, k.encode()) + _field(2, v.encode())) for k, v in sorted(labels)]
    for at, value in samples:
        moment = b"\x10" + _varint(round(at * 1000))
        parts.append(_field(2, b"\x09" + struct.pack("<d", value) + moment))
    return b"".join(parts)


def _field(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits at a time
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def _snappy(data: bytes) -> bytes:
    """Return it in Snappy's block format, as literals: nothing is gained by compressing here."""
    chunks = [data[start : start + _CHUNK] for start in range(0, len(data), _CHUNK)]
    literals = [b"\xf4" + struct.pack("<H", len(chunk) - 1) + chunk for chunk in chunks]
    return _varint(len(data)) + b"".join(literals)

"""The instruments that proofs run: a Prometheus, and objectives judged through it by the product itself."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
import pathlib
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from gates.decide.judgement import Judgement
from gates.load import load_policy
from sandbox.core import binaries, debian
from settings.objectives import Objective
from steps.kit import asked
from steps.kit.check import Check
from steps.kit.leases import TrafficLease
from steps.kit.platform import Platform
from steps.objectives import objectives
from tests.probes.real_servers import running
from tests.probes.servers import closed_port, wait_until
from tests.steps.platforms import a_platform

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
    with tempfile.TemporaryDirectory(prefix="prove-", ignore_cleanup_errors=True) as folder:
        port = closed_port()
        (pathlib.Path(folder) / "prometheus.yml").write_text(json.dumps(settings))
        argv = [
            binary.path,
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            f"--web.listen-address=127.0.0.1:{port}",
            *flags,
        ]
        environment = {**binary.environment, "GOMAXPROCS": "1"}
        url = f"http://127.0.0.1:{port}"
        with running(argv, folder=pathlib.Path(folder), environment=environment):
            wait_until(lambda: answers(f"{url}/-/ready"), "Prometheus is ready", 30)
            yield url


@contextlib.contextmanager
def victoria_metrics() -> Iterator[str]:
    """Run a VictoriaMetrics that takes samples by remote write; raises SandboxError without one."""
    tree = debian.unpack("victoria-metrics", ("victoria-metrics",))
    with tempfile.TemporaryDirectory(prefix="prove-", ignore_cleanup_errors=True) as folder:
        port = closed_port()
        argv = [
            str(tree / "usr" / "bin" / "victoria-metrics"),
            f"-httpListenAddr=127.0.0.1:{port}",
            "-storageDataPath=data",
            "-loggerLevel=ERROR",
        ]
        environment = {"LD_LIBRARY_PATH": debian.library_path(tree), "GOMAXPROCS": "1"}
        url = f"http://127.0.0.1:{port}"
        with running(argv, folder=pathlib.Path(folder), environment=environment):
            wait_until(lambda: answers(f"{url}/-/ready"), "VictoriaMetrics is ready", 30)
            yield url


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
                objectives.Waiting(Once()),
                platform.policy.objective(check_id),
            )
        return next(iter(check.noted()["eu"].judgements), None)

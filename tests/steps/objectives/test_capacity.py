"""Before a deployment: file systems are measured, and the traffic of the day is captured in every region."""

from __future__ import annotations

import datetime as dt
import pathlib
from collections.abc import Mapping
from typing import Any

from gates.decide.outcome import Outcome
from sandbox.systems.cluster.state import SIZE_BYTES, Volume
from steps.kit import baseline
from steps.kit.asked import Asked
from steps.kit.check import Check
from steps.objectives.objectives import file_systems
from tests.steps import scenarios
from tests.steps.platforms import NOWHERE, a_platform
from tests.steps.scripted_prometheus import ScriptedPrometheus
from tests.tables import cases

CAPTURED: Mapping[str, Any] = {
    "traffic": {"eu": {"requests_per_second": 12.5}},
    "latency": {"eu": {"p50_seconds": 0.01, "p95_seconds": 0.08, "p99_seconds": None}},
}
NO_LATENCY = {"eu": {"p50_seconds": None, "p95_seconds": None, "p99_seconds": None}}
NODES: dict[str, Any] = {
    "available": "node_filesystem_avail_bytes",
    "size": "node_filesystem_size_bytes",
    "labels": {"mountpoint": "/"},
    "at_least": 2,
}


def looked_up(
    folder: pathlib.Path, facts: Mapping[str, Any] | None, hours_ago: float = 1
) -> tuple[Outcome | None, str]:
    state = {"url": str(folder / "state")}
    platform = a_platform(folder, {"eu": NOWHERE.format(1)}, state=state)
    if facts is not None:
        taken_at = dt.datetime.now(dt.UTC) - dt.timedelta(hours=hours_ago)
        record = {
            "schema": 1,
            "run": "before",
            "environment": "clinic",
            "release": "v1.2.0",
            "taken_at": taken_at.isoformat(),
            "regions": ["eu"],
            "facts": facts,
        }
        baseline.keep(record, baseline.history_of(platform))
    check = scenarios.judged("T2H-TASK-4", platform)
    said = " ".join(one.sentence for one in check.noted()["eu"].judgements)
    return check.outcome("eu"), said


def test_without_one_the_command_is_named(tmp_path: pathlib.Path) -> None:
    outcome, said = looked_up(tmp_path, None)
    assert outcome is Outcome.FAIL
    assert "gate baseline --env clinic --release v1.2.0" in said


@cases(
    "hours_ago outcome",
    {
        "of today": (3.9, Outcome.PASS),
        "of yesterday": (4.1, Outcome.FAIL),
        "of tomorrow": (-1, Outcome.ERROR),
    },
)
def test_it_is_of_today(tmp_path: pathlib.Path, hours_ago: float, outcome: Outcome) -> None:
    assert looked_up(tmp_path, CAPTURED, hours_ago)[0] is outcome


def rate(requests: float | None, region: str = "eu") -> dict[str, Any]:
    return {"traffic": {region: {"requests_per_second": requests}}}


@cases(
    "changed says",
    {
        "the metric was not there": (rate(None), "requests_total"),
        "the metric is not described": ({"traffic": {"eu": {}}}, "requests a second of eu"),
        "of another region alone": (rate(3, "us"), "a second of eu"),
        "not collected": ({"traffic": None}, "requests a second"),
        "no latency of requests": ({"latency": NO_LATENCY}, "latency of eu"),
        "latency not described": ({"latency": {"eu": {}}}, "request_duration"),
        "nobody came": ({**rate(0.0), "latency": NO_LATENCY}, ""),
    },
)
def test_a_baseline_without_the_traffic_has_not_captured_it(
    tmp_path: pathlib.Path, changed: Mapping[str, Any], says: str
) -> None:
    facts = {name: kept for name, kept in {**CAPTURED, **changed}.items() if kept is not None}
    found, said = looked_up(tmp_path, facts)
    assert found is (Outcome.INCONCLUSIVE if says else Outcome.PASS), said
    assert says in said


def measured(folder: pathlib.Path, prometheus: str | None) -> Outcome | None:
    platform = a_platform(
        folder,
        {"eu": NOWHERE.format(1)},
        prometheus_at=prometheus,
        prometheus={"job": "clinic", "scrape_interval": "5s"},
        storage={"nodes": NODES},
    )
    check = Check("T7-INFRA-4", platform.regions)
    file_systems(Asked(platform, check, platform.regions))
    return check.outcome("eu")


def test_free_bytes_are_divided_by_all_bytes_of_this_region(
    tmp_path: pathlib.Path, prometheus: ScriptedPrometheus
) -> None:
    prometheus.answers = {"avail_bytes": (({"instance": "a"}, "0.5"), ({"instance": "b"}, "0.2"))}
    assert measured(tmp_path, prometheus.url) is Outcome.PASS
    labels = '{mountpoint="/",region="eu"}'
    assert prometheus.queries == [
        f"node_filesystem_avail_bytes{labels} / node_filesystem_size_bytes{labels}"
    ]
    prometheus.warnings = ("a store is away",)
    assert measured(tmp_path, prometheus.url) is Outcome.INCONCLUSIVE
    assert measured(tmp_path, None) is Outcome.ERROR


def test_the_local_volume_is_measured_by_what_really_lies_there(tmp_path: pathlib.Path) -> None:
    (tmp_path / "nightly.dump").write_bytes(b"x" * 1000)
    metrics = Volume(tmp_path).metrics()
    claim = '{namespace="database",persistentvolumeclaim="backups"}'
    assert f"kubelet_volume_stats_available_bytes{claim} {SIZE_BYTES - 1000}" in metrics
    assert Volume(tmp_path / "away").used_bytes() == 0

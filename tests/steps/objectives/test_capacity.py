"""Before a deployment: file systems are measured, and the traffic of the day is captured in every region."""

from __future__ import annotations

import datetime as dt
import pathlib
import re
from collections.abc import Mapping
from typing import Any

from gates.decide.outcome import Outcome
from sandbox.systems.cluster.state import SIZE_BYTES, Volume
from steps.kit.asked import Asked
from steps.kit.check import Check
from steps.objectives.objectives import file_systems
from tests.golden import Said
from tests.steps import scenarios
from tests.steps.platforms import NOWHERE, a_platform, keep_baseline
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


def looked_up(folder: pathlib.Path, facts: Mapping[str, Any] | None, hours_ago: float) -> list[str]:
    state = {"url": str(folder / "state")}
    platform = a_platform(folder, {"eu": NOWHERE.format(1)}, state=state)
    if facts is not None:
        taken_at = dt.datetime.now(dt.UTC) - dt.timedelta(hours=hours_ago)
        keep_baseline(platform, facts, taken_at=taken_at.isoformat())
    return scenarios.told(scenarios.judged("T2H-TASK-4", platform))


def rate(requests: float | None, region: str = "eu") -> dict[str, Any]:
    return {**CAPTURED, "traffic": {region: {"requests_per_second": requests}}}


@cases(
    "facts hours_ago",
    {
        "none": (None, 1),
        "of today": (CAPTURED, 3.9),
        "of yesterday": (CAPTURED, 4.1),
        "of tomorrow": (CAPTURED, -1),
        "the metric was not there": (rate(None), 1),
        "the metric is not described": ({**CAPTURED, "traffic": {"eu": {}}}, 1),
        "of another region alone": (rate(3, "us"), 1),
        "not collected": ({"latency": CAPTURED["latency"]}, 1),
        "no latency of requests": ({**CAPTURED, "latency": NO_LATENCY}, 1),
        "latency not described": ({**CAPTURED, "latency": {"eu": {}}}, 1),
        "nobody came": ({**rate(0.0), "latency": NO_LATENCY}, 1),
    },
)
def test_a_baseline_of_today_has_captured_the_traffic(
    tmp_path: pathlib.Path, facts: Mapping[str, Any] | None, hours_ago: float, said: Said
) -> None:
    said(
        [MOMENT.sub("…", one) for one in looked_up(tmp_path, facts, hours_ago)],
        {str(tmp_path): "FOLDER"},
    )


MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00")


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

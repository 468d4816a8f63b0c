"""File systems: free shares from Prometheus; what is not measured, or no share, decides nothing."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any

import pytest

from gates.decide.outcome import Outcome
from probes.prometheus import Series
from sandbox.systems.cluster.volumes import SIZE_BYTES, Volume
from steps.kit.check import Check
from steps.objectives import storage
from tests.probes.servers import closed_port
from tests.steps.platforms import NOWHERE, a_platform
from tests.steps.scripted_prometheus import ScriptedPrometheus, scripted_prometheus

NODES: dict[str, Any] = {
    "available": "node_filesystem_avail_bytes",
    "size": "node_filesystem_size_bytes",
    "labels": {"mountpoint": "/"},
    "at_least": 2,
}


def shares(*values: float) -> list[Series]:
    return [Series({"instance": f"node-{n}"}, value) for n, value in enumerate(values)]


@pytest.mark.parametrize(
    ("values", "outcome", "says"),
    [
        ((0.5, 0.151), Outcome.PASS, "instance node-1 has 15.1% free"),
        ((0.5, 0.149), Outcome.FAIL, "instance node-1 has 14.9% free"),
        ((0.15, 0.15), Outcome.PASS, "wanted at least 15%"),
        ((0.5, -0.01), Outcome.FAIL, "-1.0% free"),
        ((0.5,), Outcome.INCONCLUSIVE, "1 are measured, there are at least 2"),
        ((), Outcome.INCONCLUSIVE, "0 are measured"),
        ((0.5, float("nan")), Outcome.INCONCLUSIVE, "nan of itself"),
        ((0.5, float("inf")), Outcome.INCONCLUSIVE, "are available and size the right metrics"),
        ((0.5, 1.6), Outcome.INCONCLUSIVE, "1.6 of itself"),
    ],
    ids=[
        "room enough",
        "one is nearly full",
        "just enough",
        "more used than there is",
        "one is not measured",
        "none is measured",
        "of no size",
        "of size zero",
        "the two metrics swapped",
    ],
)
def test_the_fullest_file_system_decides(
    values: tuple[float, ...], outcome: Outcome, says: str
) -> None:
    found = storage.judged("nodes", shares(*values), 2, 0.15)
    assert found.outcome is outcome
    assert says in found.sentence


@pytest.fixture
def prometheus() -> Iterator[ScriptedPrometheus]:
    with scripted_prometheus() as server:
        server.answers = {"avail_bytes": (({"instance": "a"}, "0.5"), ({"instance": "b"}, "0.2"))}
        yield server


def asked(folder: pathlib.Path, prometheus: str | None) -> Check:
    platform = a_platform(
        folder,
        {"eu": NOWHERE.format(closed_port())},
        prometheus_at=prometheus,
        prometheus={"job": "clinic", "scrape_interval": "5s"},
        storage={"nodes": NODES},
    )
    check = Check("T7-INFRA-4", platform.regions)
    storage.judge(platform, check)
    return check


def test_free_bytes_are_divided_by_all_bytes_of_this_region(
    tmp_path: pathlib.Path, prometheus: ScriptedPrometheus
) -> None:
    assert asked(tmp_path, prometheus.url).outcome("eu") is Outcome.PASS
    labels = '{mountpoint="/",region="eu"}'
    assert prometheus.queries == [
        f"node_filesystem_avail_bytes{labels} / node_filesystem_size_bytes{labels}"
    ]


def test_without_prometheus_nobody_knows(tmp_path: pathlib.Path) -> None:
    assert asked(tmp_path, None).outcome("eu") is Outcome.ERROR


def test_a_partial_answer_decides_nothing(
    tmp_path: pathlib.Path, prometheus: ScriptedPrometheus
) -> None:
    prometheus.warnings = ("a store is away",)
    assert asked(tmp_path, prometheus.url).outcome("eu") is Outcome.INCONCLUSIVE


def test_the_local_volume_is_measured_by_what_really_lies_there(tmp_path: pathlib.Path) -> None:
    (tmp_path / "nightly.dump").write_bytes(b"x" * 1000)
    metrics = Volume(tmp_path).metrics()
    claim = '{namespace="database",persistentvolumeclaim="backups"}'
    assert f"kubelet_volume_stats_available_bytes{claim} {SIZE_BYTES - 1000}" in metrics
    assert Volume(tmp_path / "away").used_bytes() == 0

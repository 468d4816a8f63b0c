"""How many replicas there are is what the cluster says now, whatever the environment describes."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any

import pytest

from gates.decide.outcome import Outcome
from steps.cluster.clusters import Clusters
from steps.kit.check import Check
from steps.service.endpoint import Replicas, replicas_of
from tests.probes.cluster_server import ClusterServer, cluster_server
from tests.steps.cluster_platform import LIVE, a_cluster_platform
from tests.steps.platforms import HEALTH


@pytest.fixture(scope="module")
def running() -> Iterator[ClusterServer]:
    with cluster_server() as server:
        yield server


@pytest.fixture
def cluster(running: ClusterServer) -> Iterator[ClusterServer]:
    running.tell(**LIVE)
    yield running
    running.straighten()


def counted(folder: pathlib.Path, server: str, described: int | None, **changes: Any) -> Replicas:
    api = {"health": {"liveness": HEALTH}, "replicas": described, "replica_header": "X-Pod"}
    nowhere = "http://127.0.0.1:1"
    region: dict[str, Any] = {
        "services": {"api": nowhere, "fhir": "http://127.0.0.1:2"},
        "prometheus": nowhere,
    }
    region["kubernetes"] = {"server": server, "token": "file:token"}
    services = {"api": api, "fhir": {"health": {"liveness": HEALTH}}}
    sections = {"services": services, "regions": {"eu": region}}
    platform = a_cluster_platform(folder, server, sections=sections, **changes)
    return replicas_of(Clusters(platform), Check("IV-A-1", platform.regions), "api", "eu")


@pytest.mark.parametrize("described", [None, 1, 6])
def test_the_ready_pods_count_and_not_what_is_described(
    tmp_path: pathlib.Path, cluster: ClusterServer, described: int | None
) -> None:
    found = counted(tmp_path, cluster.url, described)
    assert (found.count, found.unknown) == (3, ())


def test_a_service_of_other_pods_is_counted_as_described(
    tmp_path: pathlib.Path, cluster: ClusterServer
) -> None:
    other = {"service": "fhir", "endpoint": "liveness"}
    assert counted(tmp_path, cluster.url, 2, candidate_health=other).count == 2


def test_a_number_that_is_not_known_is_left_open(
    tmp_path: pathlib.Path, cluster: ClusterServer
) -> None:
    (away,) = counted(tmp_path, "http://127.0.0.1:1", 1).met("api /health", [])
    assert away.outcome is Outcome.ERROR
    (unready,) = counted(tmp_path, cluster.url, 1, service="elsewhere").met("api /health", [])
    assert unready.outcome is Outcome.INCONCLUSIVE
    assert "the Service elsewhere has no ready endpoint" in unready.sentence

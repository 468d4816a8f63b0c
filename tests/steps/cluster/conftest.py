from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.probes.cluster_server import ClusterServer, cluster_server


@pytest.fixture(scope="package")
def running() -> Iterator[ClusterServer]:
    with cluster_server() as server:
        yield server


@pytest.fixture
def cluster(running: ClusterServer) -> Iterator[ClusterServer]:
    """Return a cluster that a test may bend; it is straight afterwards."""
    yield running
    running.straighten()

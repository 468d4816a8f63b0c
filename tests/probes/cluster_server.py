"""The Kubernetes stand-in on a port of its own, as the local platform runs it."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from pydantic import SecretStr

from probes.kubernetes.client import KubernetesTarget
from sandbox.systems.cluster.kubernetes import make_app
from sandbox.systems.standin_servers import RBAC
from tests.probes.standin_server import ADMIN, StandIn, listening

TOKEN = "sentinel-9f2-token"


@dataclass(frozen=True, slots=True)
class ClusterServer(StandIn):
    """One cluster to ask and to bend."""

    @property
    def target(self) -> KubernetesTarget:
        """Return it as the gate's account sees it."""
        return KubernetesTarget(self.url, SecretStr(TOKEN))


@contextlib.contextmanager
def cluster_server(
    number: int = 1, certificate: pathlib.Path | None = None
) -> Iterator[ClusterServer]:
    """Run a cluster until the block ends."""
    settings = {"token": TOKEN, "rbac": str(RBAC), "number": number, "volume": "/nowhere"}
    with listening(make_app(SecretStr(ADMIN), settings), certificate) as url:
        yield ClusterServer(url)


@pytest.fixture(scope="module")
def cluster_of_module() -> Iterator[ClusterServer]:
    with cluster_server() as server:
        yield server


@pytest.fixture
def cluster(cluster_of_module: ClusterServer) -> Iterator[ClusterServer]:
    """Return the stand-in of a cluster, which a test may bend; it is straight afterwards."""
    yield cluster_of_module
    cluster_of_module.straighten()

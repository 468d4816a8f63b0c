"""The Kubernetes stand-in on a port of its own, as the local platform runs it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn
from pydantic import SecretStr

from probes.kubernetes_client import KubernetesTarget
from sandbox.standin_servers import RBAC
from sandbox.standins.kubernetes import make_app
from tests.probes.servers import wait_until

ADMIN, TOKEN = "sentinel-admin", "sentinel-9f2-token"


@dataclass(frozen=True, slots=True)
class ClusterServer:
    """One cluster to ask and to bend."""

    url: str

    @property
    def target(self) -> KubernetesTarget:
        """Return it as the gate's account sees it."""
        return KubernetesTarget(self.url, SecretStr(TOKEN))

    def tell(self, **facts: Any) -> None:
        """Change facts, as a step of the deployment does."""
        self._put("/_sandbox/state", facts)

    def bend(self, **values: Any) -> None:
        """Lay values over the facts, as a fault does."""
        self._put("/_sandbox/fault", {"fault": "test", "values": values})

    def straighten(self) -> None:
        """Take them off."""
        self._put("/_sandbox/fault", {"fault": "test", "values": None})

    def _put(self, path: str, order: dict[str, Any]) -> None:
        answer = httpx.put(self.url + path, json=order, headers={"X-Sandbox-Token": ADMIN})
        assert answer.status_code == 200, answer.text


@contextlib.contextmanager
def cluster_server(number: int = 1) -> Iterator[ClusterServer]:
    """Run a cluster until the block ends."""
    app = make_app(SecretStr(ADMIN), {"token": TOKEN, "rbac": str(RBAC), "number": number})
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started, "the cluster listens")
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield ClusterServer(f"http://127.0.0.1:{port}")
    finally:
        server.should_exit = True
        thread.join(5)

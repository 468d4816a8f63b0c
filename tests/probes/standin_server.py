"""A stand-in on a port of its own, as the local platform runs it."""

from __future__ import annotations

import contextlib
import pathlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn
from starlette.types import ASGIApp

from tests.probes.servers import NO_AUTHORITIES, wait_until

ADMIN = "sentinel-admin"


@dataclass(frozen=True, slots=True)
class StandIn:
    """One stand-in to ask and to bend."""

    url: str

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
        headers = {"X-Sandbox-Token": ADMIN}
        answer = httpx.put(self.url + path, json=order, headers=headers, verify=NO_AUTHORITIES)
        assert answer.status_code == 200, answer.text


@contextlib.contextmanager
def listening(app: ASGIApp, certificate: pathlib.Path | None = None) -> Iterator[str]:
    """Serve an application until the block ends, by TLS where there is a certificate with its key.

    Yields its address.
    """
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_level="warning", ws="none", ssl_certfile=certificate
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started, "the stand-in listens")
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(5)

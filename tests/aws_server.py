"""The local platform's AWS with its edges, in a process of its own, for the tests that need one."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
from pydantic import SecretStr

from probes.aws import AwsTarget
from sandbox.systems.delivery.aws.state import REGION
from tests.checkout import ROOT
from tests.probes.servers import NO_AUTHORITIES, closed_ports

KEY_ID = "the-gates-key"
OPERATOR_ID = "AKIAOPERATOR00000000"
TOKEN = "admin-token"
_STARTS_SECONDS = 60.0


@dataclasses.dataclass(frozen=True, slots=True)
class AwsServer:
    """A running account: where it listens, and how it is told and bent."""

    ports: dict[str, int]

    def url(self, name: str = "aws") -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def target(self, key_id: str = KEY_ID, endpoint_url: str | None = None) -> AwsTarget:
        """Return the gate's access, or that of another key or endpoint."""
        return AwsTarget(
            region=REGION,
            endpoint_url=endpoint_url or self.url(),
            access_key_id=SecretStr(key_id),
            secret_access_key=SecretStr("sentinel-secret"),
        )

    def tell(self, **facts: Any) -> None:
        """Change facts, as a phase of the deployment does."""
        self._put("/_sandbox/state", facts)

    @contextlib.contextmanager
    def bent(self, **values: Any) -> Iterator[None]:
        """Hold a fault until the block ends."""
        self._put("/_sandbox/fault", {"fault": "test", "values": values})
        try:
            yield
        finally:
            self._put("/_sandbox/fault", {"fault": "test", "values": None})

    def _put(self, path: str, order: dict[str, Any]) -> None:
        headers = {"X-Sandbox-Token": TOKEN}
        answer = httpx.put(self.url() + path, json=order, headers=headers, verify=NO_AUTHORITIES)
        assert answer.status_code == 200, answer.status_code

    def ready(self) -> bool:
        """Tell whether it answers."""
        with contextlib.suppress(httpx.TransportError):
            url = self.url() + "/_sandbox/ready"
            return httpx.get(url, verify=NO_AUTHORITIES).status_code == 200
        return False


@contextlib.contextmanager
def aws_server(folder: pathlib.Path) -> Iterator[AwsServer]:
    """Serve an account before its release until the block ends."""
    names = ("aws", "web-eu", "web-us")
    server = AwsServer(dict(zip(names, closed_ports(len(names)), strict=True)))
    settings = folder / "aws.json"
    keys = {"gate_key_id": KEY_ID, "operator_key_id": OPERATOR_ID}
    settings.write_text(json.dumps({"admin_token": TOKEN, "ports": server.ports, **keys}))
    argv = [sys.executable, "-m", "sandbox.systems.delivery.aws", str(settings)]
    with subprocess.Popen(argv, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + _STARTS_SECONDS
            while not server.ready():
                assert process.poll() is None, "AWS ended while it started"
                assert time.monotonic() < deadline, "AWS did not answer in time"
                time.sleep(0.05)
            yield server
        finally:
            process.terminate()

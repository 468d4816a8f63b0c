"""The local platform's AWS with its edges, in a process of its own, for the tests that need one."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import httpx
from pydantic import SecretStr

from probes.aws import AwsTarget, session
from sandbox.systems.delivery.aws.state import REGION
from tests.checkout import ROOT
from tests.probes.servers import NO_AUTHORITIES, closed_ports, wait_until
from tests.probes.standin_server import ADMIN, StandIn

KEY_ID = "the-gates-key"
OPERATOR_ID = "AKIAOPERATOR00000000"


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
        StandIn(self.url()).tell(**facts)

    @contextlib.contextmanager
    def bent(self, **values: Any) -> Iterator[None]:
        """Hold a fault until the block ends."""
        account = StandIn(self.url())
        account.bend(**values)
        try:
            yield
        finally:
            account.straighten()

    def log(self, group: str, lines: Mapping[str, Iterable[str]]) -> None:
        """Have a log group keep lines of now, by stream; it is made where it is not there."""
        keys = {"aws_access_key_id": OPERATOR_ID, "aws_secret_access_key": "x"}
        client = session().client("logs", region_name=REGION, endpoint_url=self.url(), **keys)
        with contextlib.suppress(client.exceptions.ResourceAlreadyExistsException):
            client.create_log_group(logGroupName=group)
        for stream, texts in lines.items():
            client.create_log_stream(logGroupName=group, logStreamName=stream)
            now = int(time.time() * 1000)
            events = [{"timestamp": now, "message": text} for text in texts]
            client.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)

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
    apis = dict.fromkeys(("eu", "us"), "http://127.0.0.1:1")
    document = {"admin_token": ADMIN, "ports": server.ports, "apis": apis, **keys}
    settings.write_text(json.dumps(document))
    argv = [sys.executable, "-m", "sandbox.systems.delivery.aws", str(settings)]
    with subprocess.Popen(argv, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: process.poll() is not None or server.ready(), "AWS answers")
            assert process.poll() is None, "AWS ended while it started"
            yield server
        finally:
            process.terminate()

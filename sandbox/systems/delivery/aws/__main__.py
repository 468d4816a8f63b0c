"""AWS for one platform, and the edges of its web site: `python -m sandbox.systems.delivery.aws CONFIG.json`.

The configuration: `{"admin_token", "gate_key_id", "operator_key_id", "ports": {"aws": 1, "web-eu": 2, …}}`,
an edge for each `web-REGION`.
`PUT /_sandbox/state` and `PUT /_sandbox/fault` are those of the stand-ins.
"""

from __future__ import annotations

import hmac
import json
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from pydantic import SecretStr, ValidationError
from werkzeug.serving import make_server

from sandbox.core import CHECKOUT, configured
from sandbox.systems.delivery.aws.guard import Guard
from sandbox.systems.delivery.aws.world import World

HOST = "127.0.0.1"
POLICY = CHECKOUT / "deploy" / "aws" / "gate_policy.json"
_EDGE = "web-"


class AwsConfig(configured.Configuration):
    """Where the services and the edges listen."""

    admin_token: SecretStr
    gate_key_id: str
    """May do what the gate's policy says."""
    operator_key_id: str
    """May do everything; whoever deploys has it."""
    ports: dict[str, int]


class _Quiet(MotoRequestHandler):
    """Without a line for every request."""

    def log_request(self, *_arguments: Any) -> None:
        """Say nothing."""


class Admin:
    """A WSGI wrapper with the routes of the supervisor."""

    def __init__(self, app: Callable[..., Iterable[bytes]], world: World, token: SecretStr) -> None:
        self._app = app
        self._world = world
        self._token = token.get_secret_value().encode()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Serve one request."""
        path = environ["PATH_INFO"]
        if not path.startswith("/_sandbox/"):
            return self._app(environ, start_response)
        status = "200 OK" if path == "/_sandbox/ready" else self._ordered(path, environ)
        start_response(status, [("Content-Type", "application/json"), ("Content-Length", "2")])
        return [b"{}"]

    def _ordered(self, path: str, environ: dict[str, Any]) -> str:
        given = environ.get("HTTP_X_SANDBOX_TOKEN", "").encode()
        if not hmac.compare_digest(given, self._token):
            return "401 Unauthorized"
        order = json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
        try:
            if path == "/_sandbox/state":
                self._world.tell(order)
            else:
                self._world.bend(order["fault"], order["values"])
        except ValidationError:
            return "422 Unprocessable Content"
        return "200 OK"


def serve(configuration: AwsConfig, ends: threading.Event) -> None:
    """Serve until the event is set."""
    regions = [name.removeprefix(_EDGE) for name in configuration.ports if name.startswith(_EDGE)]
    services = DomainDispatcherApplication(create_backend_app)
    guard = Guard(
        services,
        json.loads(POLICY.read_bytes()),
        gate_key_id=configuration.gate_key_id,
        operator_key_id=configuration.operator_key_id,
    )
    world = World(guard, regions)
    apps: Mapping[str, Any] = {
        "aws": Admin(guard, world, configuration.admin_token),
        **{f"{_EDGE}{region}": edge for region, edge in world.edges.items()},
    }
    servers = [
        make_server(HOST, port, apps[name], threaded=True, request_handler=_Quiet)
        for name, port in configuration.ports.items()
    ]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    ends.wait()
    for server in servers:
        server.shutdown()
        server.server_close()


def main(arguments: list[str]) -> int:
    """Serve until told to stop; 64 without a file, 78 when it cannot be used."""
    ends = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ends.set())
    return configured.run(arguments, AwsConfig, lambda configuration: serve(configuration, ends))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""AWS for one platform, and the edges of its web site: `python -m sandbox.systems.delivery.aws CONFIG.json`.

The configuration: `{"admin_token", "gate_key_id", "operator_key_id", "ports": {"aws": 1, "web-eu": 2, …},
"apis": {"eu": "http://…", …}}`, an edge for each `web-REGION`.
`PUT /_sandbox/state` and `PUT /_sandbox/fault` are those of the stand-ins.
"""

from __future__ import annotations

import datetime as dt
import json
import signal
import sys
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from pydantic import SecretStr
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

from sandbox.core import CHECKOUT, standins
from sandbox.core.standins import Facts
from sandbox.systems.delivery.aws.account import Account
from sandbox.systems.delivery.aws.edge import Edge
from sandbox.systems.delivery.aws.guard import Application, Guard
from sandbox.systems.delivery.aws.state import (
    INVALIDATION_ORDERED_AFTER,
    INVALIDATION_TAKES,
    AwsState,
)
from sandbox.systems.delivery.builds import web_bundle

_BEFORE = {"1.2.0": "1.1.0"}
_TIMER_MARGIN_SECONDS = 0.05


class World(Facts[AwsState]):
    """Everything that the process serves; one lock for every change."""

    def __init__(
        self, account: Account, guard: Guard, apis: Mapping[str, str], admin_token: SecretStr
    ) -> None:
        super().__init__(AwsState(), admin_token)
        self._guard = guard
        self._account = account
        self.edges = {region: Edge(self._account.object, url) for region, url in apis.items()}
        self._lock = threading.Lock()
        self.changed()

    def order(self, path: str, token: str, order: dict[str, Any]) -> int:
        """Carry an order out; a new bundle is uploaded now, and its invalidation takes a moment."""
        uploaded = "web_version" in order
        if uploaded:
            order = {**order, "web_uploaded_at": dt.datetime.now(dt.UTC)}
        with self._lock:
            status = super().order(path, token, order)
        if uploaded:
            seconds = (INVALIDATION_ORDERED_AFTER + INVALIDATION_TAKES).total_seconds()
            timer = threading.Timer(seconds + _TIMER_MARGIN_SECONDS, self._complete)
            timer.daemon = True
            timer.start()
        return status

    def _complete(self) -> None:
        with self._lock:
            self.changed()

    def changed(self) -> None:
        """Show what the facts are now, and have the edges forget what they keep."""
        self._guard.credentials_refused = self.now.credentials_refused
        self._guard.throttled = self.now.throttled
        self._account.show(self.now)
        old = web_bundle(_BEFORE.get(self.now.web_version, "1.0.0"))
        stale = {
            name: (file.content, {"cache-control": file.cache, "content-type": file.content_type})
            for name, file in old.items()
        }
        for region, edge in self.edges.items():
            edge.forget(stale if self.now.stale_edge == region else None)


HOST = "127.0.0.1"
POLICY = CHECKOUT / "deploy" / "aws" / "gate_policy.json"
_EDGE = "web-"


class AwsConfig(standins.Configuration):
    """Where the services and the edges listen."""

    admin_token: SecretStr
    gate_key_id: str
    """May do what the gate's policy says."""
    operator_key_id: str
    """May do everything; whoever deploys has it."""
    ports: dict[str, int]
    apis: dict[str, str]
    """Where each region's edge passes the API's requests on to."""


class _Quiet(MotoRequestHandler):  # type: ignore[misc]  # its types are not read
    """Without a line for every request."""

    def log_request(self, *_arguments: Any) -> None:
        """Say nothing."""


def with_orders(app: Application, world: World) -> Application:
    """Return a WSGI application that takes the supervisor's orders, too."""

    def serve(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if not path.startswith("/_sandbox/"):
            return app(environ, start_response)
        status = 200
        if path != "/_sandbox/ready":
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            status = world.order(path, environ.get("HTTP_X_SANDBOX_TOKEN", ""), json.loads(body))
        return Response("{}", status, content_type="application/json")(environ, start_response)

    return serve


def serve(configuration: AwsConfig, ends: threading.Event) -> None:
    """Serve until the event is set."""
    account = Account()
    guard = Guard(
        account.serving(DomainDispatcherApplication(create_backend_app)),
        json.loads(POLICY.read_bytes()),
        gate_key_id=configuration.gate_key_id,
        operator_key_id=configuration.operator_key_id,
    )
    world = World(account, guard, configuration.apis, configuration.admin_token)
    apps: Mapping[str, Any] = {
        "aws": with_orders(guard, world),
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
    return standins.run(arguments, AwsConfig, lambda configuration: serve(configuration, ends))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

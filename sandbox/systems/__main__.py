"""All stand-ins in one process: `python -m sandbox.systems CONFIG.json`.

The configuration: `{"admin_token": "...", "servers": {"fhir": {"port": 1234, …settings}}}`.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import uvicorn
import uvloop
from pydantic import SecretStr

from sandbox.core import standins
from sandbox.systems.cluster import kubernetes
from sandbox.systems.flags import audit
from sandbox.systems.monitoring import grafana
from sandbox.systems.network import standins as network
from sandbox.systems.people import standins as people
from sandbox.systems.service import standins as service
from sandbox.systems.source import standins as source

if TYPE_CHECKING:
    from starlette.applications import Starlette

    Maker = Callable[[SecretStr, Mapping[str, Any]], Starlette]

MAKERS: Mapping[str, Maker] = {
    "audit": audit.make_app,
    "calendar": people.calendar,
    "certificates": network.certificates,
    "fhir": service.fhir,
    "forge": source.forge,
    "grafana": grafana.make_app,
    "jira": source.jira,
    "kubernetes-eu": kubernetes.make_app,
    "kubernetes-us": kubernetes.make_app,
    "names": network.names,
    "pagerduty": people.pagerduty,
    "slack": people.slack,
    "staging": source.staging,
    "statuspage": people.status_page,
    "support": people.support,
    "vendors": service.vendors,
}
"""Each makes its application from the admin token and its own settings."""


class StandInsConfig(standins.Configuration):
    """Which stand-ins listen where."""

    admin_token: SecretStr
    servers: dict[str, dict[str, Any]]


_TICK_SECONDS = 0.5


class _Server(uvicorn.Server):
    """One of several servers in a process; signals are the process's business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to `_serve`."""
        yield

    async def main_loop(self) -> None:
        """Look less often than uvicorn whether to end: so many servers would do little else."""
        tenths = 0
        while not await self.on_tick(tenths):
            await asyncio.sleep(_TICK_SECONDS)
            tenths += round(10 * _TICK_SECONDS)  # the date of answers is renewed every ten


async def _serve(configuration: StandInsConfig) -> None:
    servers = [
        _server(configuration.admin_token, name, dict(settings))
        for name, settings in configuration.servers.items()
    ]

    def end() -> None:
        for server in servers:
            server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    await asyncio.gather(*(server.serve() for server in servers))


def _server(admin_token: SecretStr, name: str, settings: dict[str, Any]) -> _Server:
    port = settings.pop("port")
    app = MAKERS[name](admin_token, settings)
    return _Server(standins.uvicorn_config(app, host="127.0.0.1", port=port))


def main(arguments: list[str]) -> int:
    """Serve until told to stop; 64 without a file, 78 when it cannot be used."""
    return standins.run(arguments, StandInsConfig, lambda config: uvloop.run(_serve(config)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

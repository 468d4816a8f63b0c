"""Run one process of the reference API: `python -m sandbox.app CONFIG.json`."""

from __future__ import annotations

import contextlib
import gc
import socket
import sys

import uvicorn

from sandbox.app.config import AppConfig
from sandbox.app.main import make_app
from sandbox.core import standins

_NOT_STARTED = 3
_KEEP_ALIVE_SECONDS = 75


def main(arguments: list[str]) -> int:
    """Serve until told to stop; 64 without a file, 78 when it cannot be used."""
    return standins.run(arguments, AppConfig, _serve)


def _serve(config: AppConfig) -> int:
    app = make_app(config)
    settings = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        access_log=False,
        proxy_headers=False,
        log_level="warning",
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=1,
    )
    # What exists now stays; without this, a collection now and then looks through all of it and
    # holds up every request meanwhile.
    gc.freeze()
    listeners = [socket.create_server((host, config.port)) for host in config.hosts]
    server = uvicorn.Server(settings)
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=listeners)
    return 0 if server.started else _NOT_STARTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

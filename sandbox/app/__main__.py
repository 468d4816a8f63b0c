"""Run one process of the reference API: `python -m sandbox.app CONFIG.json`."""

from __future__ import annotations

import contextlib
import gc
import socket
import sys
from pathlib import Path

import uvicorn

from sandbox.app.config import ConfigError, read_config
from sandbox.app.main import make_app

_CONFIGURATION_ERROR = 78
_NOT_STARTED = 3
_KEEP_ALIVE_SECONDS = 75


def main(arguments: list[str]) -> int:
    """Serve until told to stop; 64 without a file, 78 when it cannot be used."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m sandbox.app CONFIG.json\n")
        return 64
    try:
        config = read_config(Path(arguments[0]))
    except ConfigError as exc:
        sys.stderr.write(f"{exc}\n")
        return _CONFIGURATION_ERROR
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

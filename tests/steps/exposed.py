"""Platforms that only expose metrics, scraped by one real Prometheus: what they count is known exactly."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from probes import http
from probes.observation import Deadline
from sandbox.core import binaries
from tests.probes.servers import closed_port, wait_until

SCRAPE_SECONDS = 0.5
CLOCK = argparse.Namespace(began=0.0)
"""When the platforms began; a start of a process is told in its time."""
Lines = Mapping[str, float]
"""Series as the text format writes them, and their values."""
Exposes = Callable[[float], Lines]
"""What a pod exposes so many seconds after the start; nothing: its scrape fails."""


@dataclasses.dataclass(frozen=True)
class Exposed:
    """One platform: its pods, what each exposes, and how Prometheus is told of them."""

    exposes: Exposes
    pods: tuple[Mapping[str, str], ...] = ({"instance": "pod-1"}, {"instance": "pod-2"})
    """The labels of each target."""
    second: Exposes | None = None
    """What pod-2 exposes, where it is something else."""


class _Handler(BaseHTTPRequestHandler):
    platforms: Mapping[str, Exposed]
    began: float | None = None
    asked = False
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        _, name, pod = self.path.split("/")
        type(self).asked = True
        platform = self.platforms[name]
        exposes = (platform.second if pod == "pod-2" else None) or platform.exposes
        lines = {} if self.began is None else exposes(time.time() - self.began)
        text = "".join(f"{series} {value}\n" for series, value in lines.items())
        body = text.encode()
        self.send_response(200 if lines else 503)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its signature
        """Say nothing."""


@contextlib.contextmanager
def scraped(platforms: Mapping[str, Exposed]) -> Iterator[tuple[str, float]]:
    """Scrape these platforms, each in a job of its name; yield the Prometheus and when it began."""

    class Handler(_Handler):
        pass

    Handler.platforms = platforms
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            with _prometheus(platforms, server.server_port) as url:
                # It takes Prometheus five seconds to find its targets.
                wait_until(lambda: Handler.asked, "Prometheus scrapes")
                CLOCK.began = Handler.began = time.time()
                yield url, Handler.began
        finally:
            server.shutdown()


@contextlib.contextmanager
def _prometheus(platforms: Mapping[str, Exposed], port: int) -> Iterator[str]:
    jobs = [_job(name, platform, port) for name, platform in platforms.items()]
    scrape = f"{SCRAPE_SECONDS * 1000:.0f}ms"
    settings = {
        "global": {"scrape_interval": scrape, "scrape_timeout": scrape},
        "scrape_configs": jobs,
    }
    binary, own = binaries.find_prometheus(print), closed_port()
    with tempfile.TemporaryDirectory(prefix="scraped-", ignore_cleanup_errors=True) as folder:
        (pathlib.Path(folder) / "prometheus.yml").write_text(json.dumps(settings))
        process = subprocess.Popen(
            [
                binary.path,
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{own}",
                "--log.level=error",
            ],
            env={**os.environ, **binary.environment, "GOMAXPROCS": "1"},
        )
        try:
            url = f"http://127.0.0.1:{own}"
            wait_until(lambda: _ready(url), "Prometheus is ready")
            yield url
        finally:
            process.terminate()
            process.wait(timeout=10)


def _ready(url: str) -> bool:
    observed = http.request(
        http.HttpTarget(url), "GET", "/-/ready", deadline=Deadline.after(1), max_bytes=1000
    )
    return observed.value is not None and observed.value.status == HTTPStatus.OK


def _job(name: str, platform: Exposed, port: int) -> dict[str, Any]:
    return {
        "job_name": name,
        "static_configs": [
            {
                "targets": [f"127.0.0.1:{port}"],
                "labels": {**labels, "__metrics_path__": f"/{name}/{labels['instance']}"},
            }
            for labels in platform.pods
        ],
    }

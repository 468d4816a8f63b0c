"""The web service of the example: pages, /status, /metrics, and visitors who read its pages.

Nothing here is Unified Health's: other paths, fields, metric names, labels and bucket bounds.
"""

# ruff: noqa: INP001 - the example is a folder of scripts and no package

from __future__ import annotations

import bisect
import contextlib
import http.client
import itertools
import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOST = "127.0.0.1"
BUILD = "3.1.4"
BOUNDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
FAULTS = ("slow", "errors", "down")
SLOW_SECONDS = 0.4
EVERY_NTH_FAILS = 8
VISITORS = 4
PAUSE_SECONDS = 0.04
"""Between two pages of one visitor; together they read about 80 pages a second."""


class Pages:
    """What was served so far, counted as Prometheus wants it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._codes: Counter[int] = Counter({200: 0, 500: 0})
        self._buckets = [0] * (len(BOUNDS) + 1)
        self._seconds = 0.0

    def count(self, code: int, seconds: float) -> None:
        """Count one page."""
        with self._lock:
            self._codes[code] += 1
            self._buckets[bisect.bisect_left(BOUNDS, seconds)] += 1
            self._seconds += seconds

    def exposition(self) -> str:
        """Return the metrics in Prometheus' text format."""
        with self._lock:
            codes = [f'web_pages_total{{code="{code}"}} {n}' for code, n in self._codes.items()]
            sums = list(itertools.accumulate(self._buckets))
            seconds = self._seconds
        bounds = [*(f"{bound:g}" for bound in BOUNDS), "+Inf"]
        lines = [
            "# TYPE web_pages_total counter",
            *codes,
            "# TYPE web_request_seconds histogram",
            *(
                f'web_request_seconds_bucket{{le="{bound}"}} {n}'
                for bound, n in zip(bounds, sums, strict=True)
            ),
            f"web_request_seconds_sum {seconds}",
            f"web_request_seconds_count {sums[-1]}",
        ]
        return "\n".join(lines) + "\n"


class Site:
    """The service: it can be broken, stopped and started again on the same port."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.fault = ""
        self.pages = Pages()
        self._number = itertools.count(1)
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        """Serve in a thread of its own."""
        server = ThreadingHTTPServer((HOST, self.port), _handler(self))
        self._server = server
        threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()

    def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def bend(self, fault: str) -> None:
        """Break the service in one of the FAULTS; the empty fault fixes it."""
        self.fault = fault
        if fault == "down":
            self.stop()
        elif self._server is None:
            self.start()

    def page(self) -> int:
        """Make a page and return its status."""
        started = time.monotonic()
        if self.fault == "slow":
            time.sleep(SLOW_SECONDS)
        fails = self.fault == "errors" and next(self._number) % EVERY_NTH_FAILS == 0
        code = 500 if fails else 200
        self.pages.count(code, time.monotonic() - started)
        return code


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if site.fault == "down":
                # A visitor's connection outlives the listener; a service that is down answers nobody.
                self.close_connection = True
            elif self.path == "/status":
                body = json.dumps({"state": "serving", "build": BUILD})
                self._answer(200, "application/json", body)
            elif self.path == "/metrics":
                self._answer(200, "text/plain; version=0.0.4", site.pages.exposition())
            else:
                self._answer(site.page(), "text/html", "<h1>A plain page</h1>")

        def _answer(self, status: int, content_type: str, body: str) -> None:
            data = body.encode()
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_words: object) -> None:
            """Keep silent: there are thousands of pages."""

    return Handler


def visit(port: int, ended: threading.Event) -> None:
    """Read pages until the end, as many visitors at once; a page that fails is part of their day."""

    def one() -> None:
        while not ended.wait(PAUSE_SECONDS):
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection(HOST, port, timeout=2)
                with contextlib.closing(connection):
                    while not ended.wait(PAUSE_SECONDS):
                        connection.request("GET", "/")
                        connection.getresponse().read()

    for _ in range(VISITORS):
        threading.Thread(target=one, daemon=True).start()

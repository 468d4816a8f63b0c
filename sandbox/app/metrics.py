"""What one process of the reference API counts and times, in its own Prometheus registry."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from sandbox.app.faults import Switches

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
REQUEST_BOUNDS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0)
QUERY_BOUNDS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
_OTHER_BOUNDS_SECONDS = (0.015, 0.15, 0.4, 0.9, 3.0)
_REQUEST_DURATION = "http_request_duration_seconds"
_RENAMED = "http_server_request_duration_seconds"
_SYNTHETIC = ("false", "true")
_BUSINESS = {
    "registrations": ("Users registered",),
    "logins": ("Users logged in",),
    "appointments_booked": ("Appointments booked",),
    "payments": ("Payments by status", "succeeded", "declined"),
    "video_calls": ("Video calls by status", "initialised", "ended", "dropped", "refused"),
    "appointments_over": ("Appointments that are over, by status", "completed", "interrupted"),
}
"""Counters of what users do: what is said of each, and its statuses where it has some."""


_CPU_LIMIT_CORES, _MEMORY_LIMIT_MEGABYTES, _MEGABYTE = 1.0, 512, 1024 * 1024


class Usage(NamedTuple):
    """What a process uses besides its own memory and time."""

    pool_used: int
    pool_most: int
    round_trip_seconds: float
    """To Redis and back; NaN where it does not answer."""
    sessions: float
    """How many users are signed in, everywhere; NaN where Redis does not answer."""
    leaked_megabytes: float

    def exposition(self, switches: Switches) -> bytes:
        """Return it, with what the process uses and may use of the machine, in Prometheus's text format."""
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        resident = pages * resource.getpagesize() + self.leaked_megabytes * _MEGABYTE
        megabytes = switches.memory_limit_megabytes or _MEMORY_LIMIT_MEGABYTES
        gauges = {
            "process_cpu_seconds_total": time.process_time(),
            "process_cpu_limit_cores": switches.cpu_limit_cores or _CPU_LIMIT_CORES,
            "process_resident_memory_bytes": resident,
            "process_memory_limit_bytes": megabytes * _MEGABYTE,
            "db_pool_connections_used": self.pool_used,
            "db_pool_connections_most": self.pool_most,
            "redis_round_trip_seconds": self.round_trip_seconds,
            "sessions_active": self.sessions,
        }
        return "".join(f"{name} {value}\n" for name, value in gauges.items()).encode()


class Endpoint(NamedTuple):
    """A route whose series exist from the start, with the status of its success."""

    method: str
    route: str
    status: int


class Metrics:
    """All metrics of the process; `reset` starts them again at zero, as a restart would."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self._endpoints = tuple(endpoints)
        self._scrapes: list[bytes] = []
        self.reset(other_bounds=False)

    def reset(self, *, other_bounds: bool) -> None:
        """Begin with a fresh registry, and with the wrong histogram bounds when told so."""
        self._text = b""
        self._registry = CollectorRegistry()
        self._other_bounds = other_bounds
        self._series: dict[Endpoint, tuple[Counter, Histogram]] = {}
        self._make_http()
        self._queries = Histogram(
            "db_query_duration_seconds",
            "Time that one query took, from the API's side",
            buckets=QUERY_BOUNDS_SECONDS,
            registry=self._registry,
        )
        self._make_business()
        # As client libraries say it of the process; `reset` is a restart.
        Gauge(
            "process_start_time_seconds", "Start of the process", registry=self._registry
        ).set_to_current_time()

    def _make_http(self) -> None:
        self._durations = Histogram(
            _REQUEST_DURATION,
            "Time from the first byte of a request to the last of its answer",
            ("method", "route"),
            buckets=_OTHER_BOUNDS_SECONDS if self._other_bounds else REQUEST_BOUNDS_SECONDS,
            registry=self._registry,
        )
        self._requests = Counter(
            "http_requests",
            "Requests answered",
            ("method", "route", "status"),
            registry=self._registry,
        )
        for method, route, status in self._endpoints:
            self._durations.labels(method, route)
            for each in (str(status), "500"):
                self._requests.labels(method, route, each)

    def _make_business(self) -> None:
        self._business = {
            name: Counter(
                name,
                about,
                ("synthetic", "status") if statuses else ("synthetic",),
                registry=self._registry,
            )
            for name, (about, *statuses) in _BUSINESS.items()
        }
        for name, (_, *statuses) in _BUSINESS.items():
            for synthetic in _SYNTHETIC:
                for status in statuses or [""]:
                    self._business[name].labels(*filter(None, (synthetic, status)))

    def request(self, endpoint: Endpoint, seconds: float, *, into_histogram: bool) -> None:
        """Count one answered request and, unless its histogram is to stay empty, its time."""
        self._text = b""
        count, duration = self._series.get(endpoint) or self._find_series(endpoint)
        count.inc()
        if into_histogram:
            duration.observe(seconds)

    def _find_series(self, endpoint: Endpoint) -> tuple[Counter, Histogram]:
        method, route, status = endpoint
        series = (
            self._requests.labels(method, route, str(status)),
            self._durations.labels(method, route),
        )
        self._series[endpoint] = series
        return series

    def query(self, seconds: float) -> None:
        """Count the time of one database query."""
        self._text = b""
        self._queries.observe(seconds)

    def count(self, what: str, status: str = "", *, synthetic: bool) -> None:
        """Count what a user did, by its counter's name, with a status where it has some."""
        self._text = b""
        self._business[what].labels(*filter(None, (_SYNTHETIC[synthetic], status))).inc()

    def exposition(self, switches: Switches, usage: Usage) -> bytes:
        """Return everything in Prometheus's text format, counters as written while nothing was counted."""
        self._text = self._text or generate_latest(self._registry)
        text = self._text + usage.exposition(switches)
        if switches.metric_renamed:
            text = text.replace(_REQUEST_DURATION.encode(), _RENAMED.encode())
        if switches.status_in_words:
            text = text.replace(b'status="500"', b'status="500 Internal Server Error"')
        if not switches.workers_in_turn:
            self._scrapes.clear()
            return text
        self._scrapes.append(text)
        return text if len(self._scrapes) % 2 else self._scrapes[0]

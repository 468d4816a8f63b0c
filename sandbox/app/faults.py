"""The faults that one process of the reference API can be told to have.

`PUT /_sandbox/faults` replaces the whole set; `{}` clears it. Ratios are counted (every k-th read), so
that a fault is exact and repeatable. They touch the two reads that the traffic sends and nothing else.
"""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from sandbox.app.bent import Bent

_Every = Annotated[int, Field(ge=0)]


class Switches(BaseModel):
    """Every switch of the API; the default is a healthy API."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    error_every: _Every = 0
    """Every k-th read answers 500; 0 is never."""
    slow_every: _Every = 0
    """Every k-th read takes `slow_seconds` longer; 0 is never."""
    slow_seconds: float = Field(default=0.0, ge=0.0, le=30.0)

    reported_version: str | None = None
    """What /health says instead of the truth."""
    reported_version_at: str | None = None
    """At this replica's address only."""
    health_status: int = 0
    """What health endpoints answer instead; 0 is the truth."""
    health_status_at: str | None = None
    """At this replica's address only."""
    health_status_every: Annotated[int, Field(ge=1)] = 1
    """To every k-th ask only."""
    health_status_first: _Every = 0
    """To the first so many asks only; 0 is all."""
    health_status_path: str = "/health"
    """At this path and below; with a blank behind it, at this path alone."""
    health_cached: bool = False
    """All of /health* comes as out of a cache, a day old."""
    health_db_claims_ms: float | None = None
    """What /health/db says of its latency instead of the truth."""
    html_health: bool = False
    """All of /health* answers 200 with a login page."""
    large_health_megabytes: int = Field(default=0, ge=0, le=4096)
    """All of /health* streams that many megabytes."""
    health_db_extra_ms: float = Field(default=0.0, ge=0.0, le=60_000.0)
    """The query behind /health/db really takes that much longer."""
    external_missing: str | None = None
    """The name of an external service that /health/external leaves out."""

    registration_broken: bool = False
    """Registration refuses everybody with 422."""
    login_broken: bool = False
    """Login answers 401 to the right password."""
    booking_writes_nothing: bool = False
    """Booking answers 201 with a fresh id and stores no row."""
    booking_refused: bool = False
    """Booking is refused with 409."""
    payment_declined: bool = False
    """The payment gateway is asked with a card that it declines: 402."""
    video_refused: bool = False
    """A video call is refused with 409."""
    calls_dropped: bool = False
    """Every video call breaks off, and with it the appointment."""
    appointments_interrupted: bool = False
    """Every appointment breaks off, at the end of its call."""

    mobile_field_missing: str | None = None
    """A field that answers to requests of mobile apps lack."""
    mobile_version_refused: str | None = None
    """A version of the mobile app that is told to upgrade: 426."""
    openapi_needs: str | None = None
    """SCHEMA.FIELD that the API's document needs now, such as Login.deviceId."""
    openapi_lacks: str | None = None
    """SCHEMA.FIELD that the API's document no longer has."""

    bent: tuple[Bent, ...] = ()
    """Operations that break the API's own document."""

    cpu_limit_cores: float | None = Field(default=None, gt=0)
    """What the process is allowed to use of the machine's CPUs, as it says itself."""
    memory_limit_megabytes: int | None = Field(default=None, gt=0)
    """The same of the machine's memory."""
    memory_leaks_megabytes: float = Field(default=0.0, ge=0.0, le=100.0)
    """So much memory is lost every second from when this is set on, as the process says itself."""
    pool_held: int = Field(default=0, ge=0, le=15)
    """So many of the pool's 16 connections are taken and never given back."""

    metrics_broken: bool = False
    """/metrics answers 500."""
    metric_renamed: bool = False
    """`http_request_duration_seconds` is exposed under another name."""
    histogram_empty: bool = False
    """`http_request_duration_seconds` counts no request any more."""
    other_bucket_bounds: bool = False
    """Fresh metrics whose request histogram has no bound at 0.05, 0.2 and 0.5."""
    errors_in_new_series: bool = False
    """Every error is counted under a route of its own, whose series begins with it."""
    status_in_words: bool = False
    """`http_requests_total` says `500 Internal Server Error` instead of 500."""
    workers_in_turn: bool = False
    """Every other scrape is answered by a worker that never had a request since this was set."""
    reset_counters: bool = False
    """Once, when set: every metric starts again at zero."""


class InjectedError(Exception):
    """A read was chosen to fail; it becomes a 500."""


class Faults:
    """The switches in force, and how many reads they have seen."""

    def __init__(self) -> None:
        self.switches = Switches()
        self._reads = 0
        self._health_asks = 0
        self._since = time.monotonic()

    @property
    def leaked_megabytes(self) -> float:
        """How much memory is lost by now."""
        return self.switches.memory_leaks_megabytes * (time.monotonic() - self._since)

    def replace(self, switches: Switches) -> None:
        """Put another whole set in force; counting of reads starts again."""
        self.switches = switches.model_copy(update={"reset_counters": False})
        self._reads = self._health_asks = 0
        self._since = time.monotonic()

    def version(self, true: str, host: str) -> str:
        """Return the version that the replica at an address tells."""
        switches = self.switches
        told = switches.reported_version_at in (None, host)
        return (switches.reported_version or true) if told else true

    def health_status(self, path: str, host: str) -> int:
        """Return the status that this ask of a health endpoint gets instead of its answer; 0: none."""
        switches = self.switches
        if not switches.health_status or not f"{path} ".startswith(switches.health_status_path):
            return 0
        if switches.health_status_at not in (None, host):
            return 0
        self._health_asks += 1
        in_time = self._health_asks <= (switches.health_status_first or self._health_asks)
        its_turn = self._health_asks % switches.health_status_every == 0
        return switches.health_status if in_time and its_turn else 0

    async def disturb_read(self) -> None:
        """Delay or fail this read if its turn has come; raises InjectedError."""
        self._reads += 1
        switches = self.switches
        if switches.slow_every and self._reads % switches.slow_every == 0:
            await asyncio.sleep(switches.slow_seconds)
        if switches.error_every and self._reads % switches.error_every == 0:
            raise InjectedError

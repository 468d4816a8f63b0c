"""Calendars as servers publish them (iCalendar, RFC 5545): what is entered about a time.

The file is read in a process that ends by itself: a rule of repetition of a few letters can take minutes.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import json
import pathlib
import subprocess
import sys
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr, TypeAdapter

from probes import api, http
from probes.observation import (
    Deadline,
    FailureKind,
    FoundError,
    Observation,
    PhaseClock,
    observed,
    unusable,
)

MAX_BYTES: Final = 4 * 1024 * 1024
_PROGRAM: Final = pathlib.Path(__file__).with_name("program.py")
_READ_SECONDS: Final = 15.0
"""The program ends itself after 2 s of processor time; a busy machine may give it these that late."""


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """Something that is entered and not cancelled; of one that repeats, each time by itself."""

    title: str = dataclasses.field(repr=False)
    begins: dt.datetime
    ends: dt.datetime


@dataclasses.dataclass(frozen=True, slots=True)
class Calendar:
    """What a calendar holds about the time asked for, and a day around it."""

    entries: tuple[Entry, ...]
    events: int
    """How many there are in the whole file, cancelled ones too; one that repeats is one."""
    written_at: dt.datetime | None
    """When somebody last wrote an entry, or the server the file; None where it says neither."""

    def facts(self) -> Mapping[str, object]:
        """Return how much it holds: titles are their owners' business."""
        written = None if self.written_at is None else self.written_at.isoformat()
        return {"events": self.events, "entries": len(self.entries), "written at": written}


@dataclasses.dataclass(frozen=True, slots=True)
class Feed:
    """Where a calendar is published."""

    name: str
    target: http.HttpTarget
    path: SecretStr | None
    """The rest of the address; never shown."""
    time_zone: str
    """Of its all-day entries, and of times that name no zone."""


def between(
    feed: Feed, since: dt.datetime, until: dt.datetime, now: dt.datetime, *, deadline: Deadline
) -> Observation[Calendar]:
    """Read what is entered between two times; never raises for the server's doing."""

    def measured(clock: PhaseClock) -> Calendar:
        target, path = _split(feed)
        asked = http.got(clock, target, path, deadline=deadline, max_bytes=MAX_BYTES)
        order = {
            "file": base64.b64encode(api.good_answer(target, asked).body).decode(),
            "time_zone": feed.time_zone,
            "since": since.isoformat(),
            "until": until.isoformat(),
            "now": now.isoformat(),
        }
        return _reported(order)

    return observed("calendar", f"{feed.target.base_url} ({feed.name})", measured)


def _split(feed: Feed) -> tuple[http.HttpTarget, str]:
    """Return the server, and the path that is asked of it."""
    parts = urlsplit(feed.target.base_url)
    server = dataclasses.replace(feed.target, base_url=f"{parts.scheme}://{parts.netloc}")
    rest = "" if feed.path is None else f"/{feed.path.get_secret_value().lstrip('/')}"
    return server, f"{parts.path}{rest}" or "/"


def _reported(order: Mapping[str, str]) -> Calendar:
    """Have a process read the file; raises FoundError where it ends without a report."""
    try:
        done = subprocess.run(  # noqa: S603 - this Python and a module of this package
            # By its path and alone: nothing of ours has to be loaded for it.
            [sys.executable, "-I", "-W", "ignore", str(_PROGRAM)],
            input=json.dumps(order).encode(),
            env={},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # may hold what the file says
            timeout=_READ_SECONDS,
            check=False,
        )
        report = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        detail = "The calendar takes too long, or too much memory, to read."
        raise FoundError(FailureKind.TIMEOUT, detail) from None
    if "unusable" in report:
        raise unusable(f"The calendar can't be used: {report['unusable']}.")
    return TypeAdapter(Calendar).validate_python(report)

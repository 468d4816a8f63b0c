"""Reads one iCalendar file, given on stdin, and reports what it holds about a time; see the package.

    python -I program.py < order.json

Whatever in it is not understood makes the whole of it unusable: what was left out could be in the way.
"""

from __future__ import annotations

import base64
import collections
import datetime as dt
import itertools
import json
import resource
import signal
import sys
import zoneinfo
from collections.abc import Iterator, Mapping
from typing import Any

import icalendar
import recurring_ical_events

_CPU_SECONDS = 2.0
_MOST_MEMORY = 200 * 1024 * 1024
_MOST_ENTRIES = 20_000
_MOST_EVENTS = 20_000
_LONGEST_TITLE = 80
_DAY = dt.timedelta(days=1)
_STAMPS = ("LAST-MODIFIED", "DTSTAMP", "CREATED")
_CANCELLED = "CANCELLED"


class UnusableError(Exception):
    """The file can't be believed; the text says why and shows nothing of it."""


def main() -> int:
    """Read one file; what breaks on it is reported by its type."""
    order = json.load(sys.stdin)
    signal.setitimer(signal.ITIMER_PROF, _CPU_SECONDS)  # its signal ends the process
    resource.setrlimit(resource.RLIMIT_DATA, (_MOST_MEMORY, _MOST_MEMORY))
    try:
        report = read(order)
    except UnusableError as exc:
        report = {"unusable": str(exc)}
    except Exception as exc:  # noqa: BLE001 - the libraries raise whatever a file leads to
        report = {"unusable": f"it is not iCalendar that can be read ({type(exc).__name__})"}
    json.dump(report, sys.stdout)
    return 0


def read(order: Mapping[str, str]) -> dict[str, Any]:
    """Return what a file holds; raises UnusableError, and whatever the libraries raise."""
    calendars = _whole(base64.b64decode(order["file"]))
    events = [event for one in calendars for event in one.walk("VEVENT")]
    _refuse_strange(events)
    zone = zoneinfo.ZoneInfo(order["time_zone"])
    since, until, now = (
        dt.datetime.fromisoformat(order[name]) for name in ("since", "until", "now")
    )
    found = (
        occurrence
        for one in calendars
        # Times without a zone are compared as if of UTC; a day more on each side holds every zone's.
        for occurrence in recurring_ical_events.of(one).between(since - _DAY, until + _DAY)
    )
    kept = list(itertools.islice(found, _MOST_ENTRIES + 1))
    if len(kept) > _MOST_ENTRIES:
        raise UnusableError(
            f"it holds more than {_MOST_ENTRIES:,} entries for the time asked about"
        )
    written = [at for at in map(_utc, _stamps(calendars, events)) if at <= now + _DAY]
    return {
        "entries": [_entry(one, zone) for one in kept if one.get("STATUS") != _CANCELLED],
        "events": len(events),
        "written_at": max(written).isoformat() if written else None,
    }


def _whole(data: bytes) -> list[icalendar.Calendar]:
    """Return the calendars of a file that has its end; each ends where the library found its end."""
    text = data.decode("utf-8-sig")
    calendars = icalendar.Calendar.from_ical(text, multiple=True)
    lines = collections.Counter(line.strip().upper() for line in text.splitlines())
    ended = text.rstrip().upper().endswith("END:VCALENDAR")
    parsed = [one for each in calendars for one in each.subcomponents if one.name == "VEVENT"]
    if not calendars or not ended or lines["BEGIN:VCALENDAR"] != len(calendars):
        raise UnusableError("it breaks off, or holds no whole calendar")
    if lines["BEGIN:VEVENT"] != len(parsed) or lines["END:VEVENT"] != len(parsed):
        raise UnusableError("one of its entries breaks off")
    if not parsed:
        raise UnusableError("it holds no entry at all")
    if len(parsed) > _MOST_EVENTS:
        raise UnusableError(f"it holds more than {_MOST_EVENTS:,} events")
    return calendars


def _refuse_strange(events: list[icalendar.Component]) -> None:
    """Raise UnusableError for what the libraries would leave out, or take for another time."""
    for number, event in enumerate(events):
        event.setdefault("UID", f"without an id {number}")
        if event.errors:
            raise UnusableError("one of its entries has a value that is not understood")
        for zone in _unknown_zones(event):
            raise UnusableError(f"it uses the time zone “{zone[:40]}” without describing it")
    series = collections.Counter(str(one["UID"]) for one in events if "RECURRENCE-ID" not in one)
    if any(times > 1 for times in series.values()):
        raise UnusableError("two of its entries have the same UID")


def _unknown_zones(event: icalendar.Component) -> Iterator[str]:
    """Yield the zones that times name and that nobody knows: the library takes such times for local ones."""
    for name, value in event.property_items(recursive=False, sorted=False):
        zone = getattr(value, "params", {}).get("TZID")
        if zone and any(one.tzinfo is None for one in _times(value)):
            yield str(zone)
        elif name in ("DTSTART", "DTEND", "RECURRENCE-ID") and not list(_times(value, dt.date)):
            raise UnusableError("one of its entries has no readable time")


def _times(value: Any, kind: type[dt.date] = dt.datetime) -> Iterator[Any]:
    held = [one.dt for one in getattr(value, "dts", [value]) if hasattr(one, "dt")]
    for one in held:
        yield from (
            at for at in (one if isinstance(one, tuple) else (one,)) if isinstance(at, kind)
        )


def _stamps(
    calendars: list[icalendar.Calendar], events: list[icalendar.Component]
) -> Iterator[dt.datetime]:
    for one in (*calendars, *events):
        for name in _STAMPS:
            yield from _times(one.get(name))


def _utc(at: dt.datetime) -> dt.datetime:
    return at if at.tzinfo is not None else at.replace(tzinfo=dt.UTC)


def _entry(occurrence: icalendar.Event, zone: zoneinfo.ZoneInfo) -> dict[str, str]:
    title = str(occurrence.get("SUMMARY") or "an entry without a title")
    begins, ends = (_at(one, zone).isoformat() for one in (occurrence.start, occurrence.end))
    return {"title": title[:_LONGEST_TITLE], "begins": begins, "ends": ends}


def _at(value: dt.date | dt.datetime, zone: zoneinfo.ZoneInfo) -> dt.datetime:
    """Return a time with its zone, in UTC; a day begins at its midnight."""
    if not isinstance(value, dt.datetime):
        value = dt.datetime(value.year, value.month, value.day)  # noqa: DTZ001 - its zone follows
    return (value if value.tzinfo is not None else value.replace(tzinfo=zone)).astimezone(dt.UTC)


if __name__ == "__main__":
    sys.exit(main())

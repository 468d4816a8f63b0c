"""What a calendar's file says, entry by entry, and what of it can't be believed."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from probes.calendar import program
from tests.golden import Said
from tests.tables import cases

ONCE = ("DTSTART:20260131T230000Z", "DURATION:PT1H", "SUMMARY:Audit")
WEEKLY = (
    "DTSTART:20260117T230000Z",
    "DURATION:PT1H",
    "SUMMARY:Weekly",
    "RRULE:FREQ=WEEKLY;COUNT=4",
)
BERLIN = (
    *("BEGIN:VTIMEZONE", "TZID:Our Office", "BEGIN:STANDARD", "DTSTART:19700101T000000"),
    *("TZOFFSETFROM:+0300", "TZOFFSETTO:+0300", "END:STANDARD", "END:VTIMEZONE"),
)


def entry(*lines: str, uid: str = "UID:a") -> list[str]:
    return ["BEGIN:VEVENT", *filter(None, [uid]), "DTSTAMP:20260101T000000Z", *lines, "END:VEVENT"]


def calendar(*lines: str) -> str:
    return "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:x", *lines, "END:VCALENDAR", ""])


def read(text: str, zone: str = "Europe/Berlin") -> dict[str, Any]:
    """Return what is said of the night of a deployment, and the month after it."""
    times = {"since": "2026-01-31T22:00:00+00:00", "until": "2026-02-28T00:00:00+00:00"}
    order = {"file": base64.b64encode(text.encode()).decode(), "time_zone": zone, **times}
    return program.read({**order, "now": "2026-01-31T20:00:00+00:00"})


@cases(
    "lines",
    {
        "once": entry(*ONCE),
        "all day, in the feed's zone": entry("DTSTART;VALUE=DATE:20260201"),
        "several days": entry("DTSTART;VALUE=DATE:20260201", "DTEND;VALUE=DATE:20260204"),
        "in a zone of its own": entry("DTSTART;TZID=America/New_York:20260131T180000", "DURATION:PT1H"),
        "in a zone that the file describes": [
            *BERLIN, *entry("DTSTART;TZID=Our Office:20260201T020000", "DURATION:PT1H")
        ],
        "in no zone": entry("DTSTART:20260201T000000", "DURATION:PT1H"),
        "weekly": entry(*WEEKLY),
        "weekly but for one time": entry(*WEEKLY, "EXDATE:20260131T230000Z"),
        "weekly, one time cancelled": [
            *entry(*WEEKLY),
            *entry("RECURRENCE-ID:20260131T230000Z", "DTSTART:20260131T230000Z", "STATUS:CANCELLED"),
        ],
        "weekly, one time moved": [
            *entry(*WEEKLY),
            *entry("RECURRENCE-ID:20260131T230000Z", "DTSTART:20260201T030000Z", "SUMMARY:Moved"),
        ],
        "further times": entry(*ONCE, "RDATE:20260202T230000Z"),
        "the last day of each month": entry(
            "DTSTART;VALUE=DATE:20251231", "RRULE:FREQ=MONTHLY;BYMONTHDAY=-1"
        ),
        "over the change to summer time": entry(
            "DTSTART;TZID=Europe/Berlin:20250201T000000", "DURATION:PT1H", "RRULE:FREQ=YEARLY"
        ),
        "cancelled as a whole": entry(*ONCE, "STATUS:CANCELLED"),
        "tentative counts": entry(*ONCE, "STATUS:TENTATIVE"),
        "marked as free time counts": entry(*ONCE, "TRANSP:TRANSPARENT"),
        "without ids": [*entry(*ONCE, uid=""), *entry(*ONCE, uid="")],
        "written to in the future": entry("DTSTART:20260201T000000Z", "LAST-MODIFIED:20270101T000000Z"),
    },
)  # fmt: skip
def test_what_is_entered(lines: list[str], said: Said) -> None:
    said(read(calendar(*lines)))


WHOLE = calendar(*entry(*ONCE))


@cases(
    "text",
    {
        "an empty file": "",
        "a page of a login": "<html><body>Please sign in</body></html>",
        "no entry at all": calendar(),
        "without its end": WHOLE.replace("END:VCALENDAR", ""),
        "cut within an entry": WHOLE[:90],
        "an entry without its end": WHOLE.replace("END:VEVENT\r\n", ""),
        "a second calendar that breaks off": WHOLE + WHOLE[:90],
        "what follows its end": WHOLE + "BEGIN:VEVENT",
        "a time that is none": calendar(*entry("DTSTART:tomorrow")),
        "no time": calendar(*entry("SUMMARY:Audit")),
        "a zone that nobody knows": calendar(*entry("DTSTART;TZID=Mars/Base:20260131T230000")),
        "a time left out in such a zone": calendar(
            *entry(*WEEKLY, "EXDATE;TZID=Mars/Base:20260131T230000")
        ),
        "a rule that is none": calendar(*entry(*ONCE, "RRULE:FREQ=SOMETIMES")),
        "two of one id, of which one would be left out": calendar(*entry(*ONCE), *entry(*ONCE)),
        "other months than ours": WHOLE.replace("VERSION:2.0", "CALSCALE:JULIAN"),
    },
)
def test_what_can_not_be_understood_makes_all_of_it_unusable(text: str, said: Said) -> None:
    with pytest.raises((program.UnusableError, ValueError, KeyError)) as found:
        read(text)
    said([type(found.value).__name__, str(found.value)])


def test_more_than_a_gate_wants_to_read_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "_MOST_ENTRIES", 2)
    with pytest.raises(program.UnusableError, match="more than 2 entries"):
        read(calendar(*entry("DTSTART:20260131T000000Z", "RRULE:FREQ=DAILY")))
    monkeypatch.setattr(program, "_MOST_EVENTS", 1)
    with pytest.raises(program.UnusableError, match="more than 1 events"):
        read(calendar(*entry(*ONCE), *entry(*ONCE, uid="UID:b")))

from __future__ import annotations

import pytest

from reports import figures, words
from tests.tables import cases


@cases(
    "seconds text",
    {
        "milliseconds below a second": (0.0123, "12.3 ms"),
        "just below a second": (0.9994, "999 ms"),
        "what rounds to a second": (0.9996, "1 s"),
        "seconds below a minute": (31.2, "31.2 s"),
        "at a minute": (60, "1 min 00 s"),
        "below an hour": (3599.4, "59 min 59 s"),
        "hours": (7260, "2 h 01 min"),
        "a day": (86400, "1 day"),
        "days": (3 * 86400, "3 days"),
    },
)
def test_a_length_of_time_is_written_for_people(seconds: float, text: str) -> None:
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0 %"), (0.000988, "0.0988 %"), (0.0302, "3.02 %"), (0.7011, "70.1 %"), (1.0, "100 %")],
)
def test_a_share_has_three_significant_digits(share: float, text: str) -> None:
    assert figures.percent(share) == text


@cases(
    "text line",
    {
        "our own signs": ("“healthy” → 5 ≥ 3", '"healthy" -> 5 >= 3'),
        "white space": ("two\nlines\tand a tab", "two lines and a tab"),
        "escapes": ("\x1b[31mred\x07", "[31mred"),
        "other letters": ("Zürich", "Z?rich"),
    },
)
def test_a_line_of_a_log_is_ascii(text: str, line: str) -> None:
    assert words.ascii_line(text) == line


@cases(
    "text shown",
    {
        "a time in another zone": ("2026-11-23T02:16:01.25+01:00", "2026-11-23 01:16:01 UTC"),
        "what is not a time": ("yesterday", "yesterday"),
    },
)
def test_a_moment_is_shown_in_utc(text: str, shown: str) -> None:
    assert words.moment(text) == shown

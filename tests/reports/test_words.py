from __future__ import annotations

import pytest

from reports import figures, words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        pytest.param(0.0123, "12.3 ms", id="milliseconds below a second"),
        pytest.param(0.9994, "999 ms", id="just below a second"),
        pytest.param(0.9996, "1 s", id="what rounds to a second"),
        pytest.param(31.2, "31.2 s", id="seconds below a minute"),
        pytest.param(60, "1 min 00 s", id="at a minute"),
        pytest.param(3599.4, "59 min 59 s", id="below an hour"),
        pytest.param(7260, "2 h 01 min", id="hours"),
        pytest.param(86400, "1 day", id="a day"),
        pytest.param(3 * 86400, "3 days", id="days"),
    ],
)
def test_a_length_of_time_is_written_for_people(seconds: float, text: str) -> None:
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0 %"), (0.000988, "0.0988 %"), (0.0302, "3.02 %"), (0.7011, "70.1 %"), (1.0, "100 %")],
)
def test_a_share_has_three_significant_digits(share: float, text: str) -> None:
    assert figures.percent(share) == text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param("“healthy” → 5 ≥ 3", '"healthy" -> 5 >= 3', id="our own signs"),
        pytest.param("two\nlines\tand a tab", "two lines and a tab", id="white space"),
        pytest.param("\x1b[31mred\x07", "[31mred", id="escapes"),
        pytest.param("Zürich", "Z?rich", id="other letters"),
    ],
)
def test_a_line_of_a_log_is_ascii(text: str, line: str) -> None:
    assert words.ascii_line(text) == line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2026-11-23T02:16:01.25+01:00", "2026-11-23 01:16:01 UTC"),
        ("yesterday", "yesterday"),
    ],
    ids=["a time in another zone", "what is not a time"],
)
def test_a_moment_is_shown_in_utc(text: str, shown: str) -> None:
    assert words.moment(text) == shown

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rich.console import Console

from gates.cli.live_view import LiveView
from gates.cli.view import PlainView, view_for
from reports.events import MOST_SEEN, Measured, read_lines
from tests.reports import verdicts
from tests.reports.test_events import WHOLE, started, waiting
from tests.tables import cases

REGIONS = ("eu", "us")
XTERM = {"TERM": "xterm-256color"}


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def ticking(*seconds: float) -> Callable[[], float]:
    """Return a clock that shows these times, the last one for ever."""
    left = list(seconds)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


@cases(
    "stream environ kind",
    {
        "a terminal is drawn on": (Terminal(), XTERM, LiveView),
        "also without colour": (Terminal(), {**XTERM, "NO_COLOR": "1"}, LiveView),
        "CI=false is not CI": (Terminal(), {**XTERM, "CI": "false"}, LiveView),
        "a CI log gets lines": (Terminal(), {**XTERM, "CI": "true"}, PlainView),
        "a dumb terminal gets lines": (Terminal(), {"TERM": "dumb"}, PlainView),
        "an unknown terminal gets lines": (Terminal(), {}, PlainView),
        "a file gets lines": (io.StringIO(), XTERM, PlainView),
    },
)
def test_the_view_fits_the_stream(stream: io.StringIO, environ: dict[str, str], kind: type) -> None:
    assert isinstance(view_for(stream, 5, REGIONS, environ), kind)


def test_a_finished_check_is_one_line_and_its_findings_stand_below() -> None:
    stream = io.StringIO()
    view = PlainView(stream, Measured(total=5, regions=REGIONS), ticking(0.0, 12.34))
    with view:
        view.note("bringing the local platform up")
        view.event(started("IV-HEALTH-1"))
        view.event(WHOLE[0])
        view.event(WHOLE[3])
        view.event(started("IV-PERF-3"))
        for region in REGIONS:
            view.event(waiting("IV-PERF-3", region))
        view.event({"event": "problem", "sentence": "a synthetic record is left over"})
    assert stream.getvalue() == (
        "12.3s bringing the local platform up\n"
        "12.3s IV-HEALTH-1 eu PASS, us PASS\n"
        "12.3s IV-PERF-1 eu INCONCLUSIVE, us PASS\n"
        "    eu INCONCLUSIVE: API p95 response time under 200 ms: 0 % of 41 took over 200 ms "
        "proves nothing yet; 59 events would prove 5 %, 18 are missing\n"
        "12.3s IV-PERF-3 waits: eu 2,100 of 2,995 events\n"
        "12.3s problem: a synthetic record is left over\n"
    )


def test_a_finding_that_another_check_told_is_not_written_again() -> None:
    stream = io.StringIO()
    view = view_for(stream, 2, REGIONS, {})
    found = {"judgements": [verdicts.instrument_away("eu")[0].record()], "observations": []}
    for check in ("IV-PERF-1", "IV-PERF-2"):
        event = {
            "event": "check_finished",
            "check": check,
            "regions": dict.fromkeys(REGIONS, found),
        }
        view.event(event)
    text = stream.getvalue()
    assert text.count("connection refused") == 1
    assert "    eu, us ERROR: as IV-PERF-1\n" in text


def test_the_drawing_shows_bar_current_check_regions_and_red_findings() -> None:
    console = Console(file=Terminal(), force_terminal=True, width=80, _environ=XTERM)
    view = LiveView(console, Measured(total=18, regions=REGIONS), ticking(0.0, 0.0, 75.0))
    for event in (*WHOLE, started("IV-PERF-4"), waiting("IV-PERF-4", "eu")):
        view.event(event)
    with console.capture() as capture:
        console.print(view.renderable())
    text = re.sub(r"\x1b\[[0-9;]*m", "", capture.get())
    wanted = (
        "5 of 18 checks",
        "1:15",
        "now IV-PERF-4",
        "eu 2,100 of 2,995 events",
        "3 PASS",
        "1 INCONCLUSIVE",
        "1 FAIL",
    )
    assert [words for words in wanted if words not in text] == []
    assert "FAIL IV-PERF-3 eu, us Error rate" in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_drawing_leaves_nothing_on_the_terminal_but_the_cursor_even_if_interrupted() -> None:
    stream = Terminal()

    def interrupted() -> None:
        with view_for(stream, 5, REGIONS, XTERM) as view:
            view.event(WHOLE[0])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert stream.getvalue().count("\x1b[?25l") == stream.getvalue().count("\x1b[?25h") == 1


@cases(
    "error",
    {
        "a closed pipe": BrokenPipeError(32, "the reader went away"),
        "a closed terminal": OSError(5, "the terminal went away"),
        "a closed file": ValueError("I/O operation on closed file"),
    },
)
def test_a_terminal_that_was_closed_meanwhile_ends_nothing(error: Exception) -> None:
    class Closing(Terminal):
        closing = False

        def write(self, text: str) -> int:
            if self.closing:
                raise error
            return super().write(text)

    for environ in (XTERM, {}):
        stream = Closing()
        with view_for(stream, 5, REGIONS, environ) as view:
            stream.closing = True
            view.note("first")
            view.event(WHOLE[0])


def test_no_color_takes_the_colours_away() -> None:
    stream = Terminal()
    with view_for(stream, 5, REGIONS, {**XTERM, "NO_COLOR": "1"}) as view:
        for event in WHOLE:
            view.event(event)
    assert "\x1b[3" not in stream.getvalue()


def watched(more: int = 0) -> Iterator[dict[str, Any]]:
    """Yield a watch of 30 s: errors in one region from the ninth second on, and a gap in the other."""
    conditions = [("TRIG-1", "Error rate", 0.01), ("TRIG-5", "api", None)]
    conditions += [("XV-APP-1", f"objective {number}", 0.05) for number in range(more)]
    named = [
        {"check": check, "region": region, "subject": subject, "limit": limit, "for_seconds": 5.0}
        | {"limit_words": "" if limit is None else f"{limit:.2%}"}
        for region in REGIONS
        for check, subject, limit in conditions
    ]
    yield started("TRIG-1")
    yield {"event": "watch_began", "at": verdicts.AT, "began": 1e9, "wanted_seconds": 30.0} | {
        "watched": named
    }
    for second in range(1, 15):
        for one in named:
            bad = one["check"] == "TRIG-1" and one["region"] == "eu" and second > 8
            away = one["check"] == "TRIG-1" and one["region"] == "us" and second in (4, 5)
            value = None if away or one["limit"] is None else 0.029 if bad else 0.0
            yield {
                "event": "evaluated",
                **{name: one[name] for name in ("check", "region", "subject")},
                "at": 1e9 + second,
                "words": "timed out"
                if away
                else "answers"
                if value is None
                else f"{value:.2%} of 900",
                "holds": None if away else bad,
                "value": value,
                "pending_since": 1e9 + 9 if bad else None,
                "fired_at": 1e9 + 14 if bad and second == 14 else None,
            }


def at_once(events: list[dict[str, Any]], width: int, height: int) -> list[str]:
    """Return the lines that are drawn after events, without their colours."""
    console = Console(
        file=Terminal(), force_terminal=True, width=width, height=height, _environ=XTERM
    )
    view = LiveView(console, Measured(total=2, regions=REGIONS), ticking(0.0))
    for event in events:
        view.event(event)
    with console.capture() as capture:
        console.print(view.renderable())
    return re.sub(r"\x1b\[[0-9;]*m", "", capture.get()).splitlines()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40)])
def test_a_watch_shows_what_is_nearest_to_a_rollback_in_each_region(
    width: int, height: int
) -> None:
    drawn = at_once([*watched(more=40)][: -84 * 2], width, height)
    assert (len(drawn) < height, max(map(len, drawn)) <= width) == (True, True), drawn
    said = [" ".join(line.split()) for line in drawn]
    assert "watched 12 s of 30 s" in said[0]
    (pending,) = (one for one in said if "eu TRIG-1 Error rate 2.90% of 900 1.00%" in one)
    assert "2 of 5 s 01:46:49" in pending
    assert pending.endswith("▁▁▁▁████")
    assert "·▁▁▁▁▁▁▁" in next(one for one in said if "us TRIG-1" in one)
    assert "more, farther from a rollback" in said[-1]
    ended = at_once([*watched(more=40), *WHOLE], width, height)
    assert len(ended) < height
    assert "FAIL IV-PERF-3 eu, us" in ended[-1]


def test_a_log_of_a_watch_has_a_line_for_each_change_and_now_and_then_one() -> None:
    stream = io.StringIO()
    view = PlainView(
        stream, Measured(total=2, regions=REGIONS), ticking(0.0, *(0.1 * n for n in range(900)))
    )
    for event in watched():
        view.event(event)
    said = [line.partition(" ")[2] for line in stream.getvalue().splitlines()]
    assert said == [
        "watched 0 ms of 30 s: nothing is pending",
        "us TRIG-1 Error rate: timed out (limit 1.00%), no answer",
        "us TRIG-1 Error rate: 0.00% of 900 (limit 1.00%), fine",
        "eu TRIG-1 Error rate: 2.90% of 900 (limit 1.00%), pending since 01:46:49 UTC, 5 s left",
        "eu TRIG-1 Error rate: 2.90% of 900 (limit 1.00%), fired",
    ]


def test_an_answer_that_came_late_closes_the_gap_and_a_long_watch_keeps_the_newest() -> None:
    events = [*watched()]
    late = next(one for one in events if one.get("words") == "timed out")
    again = {**late, "words": "0.00% of 900", "holds": False, "value": 0.0}
    measured = read_lines(json.dumps(one) for one in (*events, again))
    assert measured.watched is not None
    (us,) = (
        one for one in measured.watched.conditions if one.key == ("TRIG-1", "us", "Error rate")
    )
    assert [figure for _, figure in us.seen].count(None) == 1
    assert (us.status, us.at) == ("fine", 1e9 + 14)
    assert measured.last_at == "2001-09-09T01:46:44+00:00"
    for second in range(100):
        us = us.after({**again, "at": 1e9 + 20 + second})
    assert len(us.seen) == MOST_SEEN

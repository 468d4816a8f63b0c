from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest
from rich.console import Console

from gates.cli.live_view import LiveView
from gates.cli.view import PlainView, view_for
from reports.events import Measured
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

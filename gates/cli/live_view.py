"""Draws a run while it goes on, on a terminal that can move its cursor."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from gates.cli.view import PlainView, since_words
from gates.decide.outcome import Outcome
from reports import words
from reports.causes import checks_in
from reports.events import Condition, Measured, Watched, shown_after
from reports.terminal import WIDEST, colour_of

LAST_REDS = 5
OTHER_LINES = 5
"""Of a watch's drawing, beside its table and the red findings: bar, what goes on, head, what is left out."""
BARS = "▁▂▃▄▅▆▇█"
NARROW, FEW_SEEN, MANY_SEEN = 100, 8, 24
_STATUS = {"fired": "bold red", "pending": "yellow", "no answer": "yellow", "fine": "green"}
_NEAREST = ("fired", "pending", "no answer", "fine", "waiting")
DRAWN_PER_SECOND = 4


def live_view(stream: IO[str], progress: Measured, environ: Mapping[str, str]) -> LiveView | None:
    """Return a view drawn on the stream, or None where it cannot show the characters."""
    console = _ProgressConsole(file=stream, force_terminal=True, highlight=False, _environ=environ)
    return None if console.options.ascii_only else LiveView(console, progress)


class _ProgressConsole(Console):
    """A console whose reader may go away: rich would end the process with exit code 1."""

    def on_broken_pipe(self) -> None:
        """Fall silent; the run and its verdict go on."""
        self.quiet = True


class LiveView(PlainView):
    """Elapsed time, bar, the check under way, outcomes by region and the last red findings."""

    def __init__(
        self, console: Console, progress: Measured, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(console.file, progress, clock)
        self._since = self._started
        self._note = ""
        self._console = console
        self._live = Live(
            console=console,
            get_renderable=self.renderable,
            refresh_per_second=DRAWN_PER_SECOND,
            transient=True,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take the drawing away and give the cursor back."""
        with contextlib.suppress(OSError, ValueError):
            # A terminal that was closed meanwhile must not cost the run its verdict.
            self._live.stop()

    def note(self, text: str) -> None:
        """Show a sentence beside the bar until a check begins or ends."""
        self._note = words.one_line(text)
        self._since = self._clock()

    def event(self, event: Mapping[str, Any]) -> None:
        """Take an event in; the next drawing shows it."""
        running = self._progress.running
        self._progress = shown_after(self._progress, event)
        if self._progress.running != running:
            self._since = self._clock()
            self._note = ""

    def renderable(self) -> RenderableType:
        """Return the drawing of this moment."""
        return Group(*self._parts(self._progress))

    def _parts(self, progress: Measured) -> Iterator[RenderableType]:
        reds = [one for cause in progress.causes() for one in cause.findings()][-LAST_REDS:]
        yield Padding(self._bar(progress), (0, 2))
        yield Padding(Text(self._now(progress), no_wrap=True, overflow="ellipsis"), (0, 2))
        if progress.watched is not None:
            tallies = len(progress.regions) if progress.checks else 0
            room = self._console.height - OTHER_LINES - len(reds) - tallies
            yield Padding(_watched(progress.watched, room, self._console.width), (0, 2))
        if progress.watched is None or progress.checks:
            yield Padding(_regions(progress), (0, 2))
        for red in reds:
            outcome = red.reason.outcome
            where = f"{words.named(red.checks, 1)} {', '.join(red.regions)}"
            line = Text.assemble(
                (outcome, f"bold {colour_of(outcome)}"),
                f" {where} {words.one_line(red.sentence)}",
                no_wrap=True,
                overflow="ellipsis",
            )
            yield Padding(line, (0, 2))
        for problem in progress.problems[-1:]:
            yield Padding(Text(f"problem: {words.one_line(problem)}", "yellow"), (0, 2))

    def _bar(self, progress: Measured) -> Table:
        done, total = len({one.check for one in progress.checks}), max(1, progress.total)
        said = f"{done} of {checks_in(progress.total)}"
        if progress.watched is not None and not done:
            watched = progress.watched
            done, total = round(watched.seconds), max(1, round(watched.wanted_seconds))
            said = f"watched {words.duration(done)} of {words.duration(total)}"
        colour = "red" if progress.causes() else "green"
        table = Table.grid(padding=(0, 2), expand=False)
        table.add_row(
            ProgressBar(total, min(done, total), width=WIDEST // 3, complete_style=colour),
            Text(said),
            Text(_clock_face(self._clock() - self._started)),
        )
        return table

    def _now(self, progress: Measured) -> str:
        seconds = self._clock() - self._since
        doing = self._note or (f"now {progress.running}" if progress.running else "")
        lasted = f"{doing}, {seconds:.0f} s" if doing and seconds >= 1 else doing
        return f"{lasted}: {progress.awaited}" if progress.awaited and not self._note else lasted


def _regions(progress: Measured) -> Table:
    table = Table.grid(padding=(0, 2))
    for region in progress.regions:
        tally = progress.tally(region)
        order = ["PASS", *sorted(word for word in tally if word != Outcome.PASS.value)]
        cells = [Text(f"{tally[word]} {word}", colour_of(word)) for word in order if tally[word]]
        table.add_row(Text(region), Text("  ").join(cells))
    return table


def _watched(watched: Watched, room: int, width: int) -> RenderableType:
    """Return the conditions, region by region; where there is no room, those nearest to firing."""
    regions = list(dict.fromkeys(one.region for one in watched.conditions))
    each = max(1, room // max(1, len(regions)))
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, width=min(width, WIDEST + 20) - 4)
    widths = {2: {"ratio": 1}, 3: {"width": 14 if width < NARROW else 34}}
    for place, name in enumerate(("", "", "", "value", "limit", "time left", "since UTC", "")):
        table.add_column(name, no_wrap=True, overflow="ellipsis", **widths.get(place, {}))  # type: ignore[arg-type] # numbers
    left_out = 0
    for region in regions:
        ours = [one for one in watched.conditions if one.region == region]
        near = sorted(ours, key=_distance)[:each]
        left_out += len(ours) - len(near)
        shown = [one for one in ours if one in near]
        for one in shown:
            table.add_row(region if one is shown[0] else "", *_cells(one, width))
    if not left_out:
        return table
    return Group(table, Text(f"and {left_out} more, farther from a rollback", "dim"))


def _distance(one: Condition) -> tuple[int, float]:
    return _NEAREST.index(one.status), one.left_seconds


def _cells(one: Condition, width: int) -> Iterator[Text]:
    colour = _STATUS.get(one.status, "dim")
    left = f"{one.left_seconds:.0f} of {words.duration(one.for_seconds)}"
    yield from map(Text, (one.check, one.subject, words.one_line(one.words), one.limit_words))
    yield Text(left if one.status == "pending" else one.status, colour)
    yield Text(since_words(one), colour)
    yield Text(_sparkline(one, FEW_SEEN if width < NARROW else MANY_SEEN), colour)


def _sparkline(one: Condition, most: int) -> str:
    """Draw the newest figures, a full bar for the limit or the largest; a point is one without an answer."""
    figures = [figure for _, figure in one.seen]
    top = max((each for each in (*figures, one.limit) if each is not None), default=0.0) or 1.0
    return "".join(
        "·" if each is None else BARS[round(max(0.0, each) / top * (len(BARS) - 1))]
        for each in figures[-most:]
    )


def _clock_face(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), words.MINUTE_SECONDS)
    return f"{minutes}:{rest:02d}"

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

from gates.cli.view import PlainView
from gates.decide.outcome import Outcome
from reports import words
from reports.causes import checks_in
from reports.events import Measured, shown_after
from reports.terminal import WIDEST, colour_of

LAST_REDS = 5
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
        yield Padding(self._bar(progress), (0, 2))
        yield Padding(Text(self._now(progress), no_wrap=True, overflow="ellipsis"), (0, 2))
        yield Padding(_regions(progress), (0, 2))
        found = [one for cause in progress.causes() for one in cause.findings()]
        for red in found[-LAST_REDS:]:
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
        done = len({one.check for one in progress.checks})
        colour = "red" if progress.causes() else "green"
        table = Table.grid(padding=(0, 2), expand=False)
        table.add_row(
            ProgressBar(max(1, progress.total), done, width=WIDEST // 2, complete_style=colour),
            Text(f"{done} of {checks_in(progress.total)}"),
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


def _clock_face(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), words.MINUTE_SECONDS)
    return f"{minutes}:{rest:02d}"

"""The final verdict on a terminal: the decision large, what is red, what to do, where to read on."""

from __future__ import annotations

import io
from collections.abc import Iterator

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gates.decide.fold import WAIVED
from gates.decide.outcome import Decision
from gates.decide.verdict import Verdict
from reports import causes, figures, words
from reports.causes import Cause, Finding, advised_by, causes_of, checks_in
from reports.texts import drawn

WIDEST = 100
"""Lines longer than this are hard to read, however wide the terminal is."""
MOST_ROWS = 10
"""More red rows than a screen holds hide the decision; the rest is in `gate explain`."""

_COLOURS = {
    "GO": "green",
    "HOLD": "yellow",
    words.OVERRIDDEN: "yellow",
    words.NO_VERDICT: "magenta",
}
_RED = "red"
_OUTCOME_COLOURS = {"PASS": "green", "NOT_APPLICABLE": "dim", "FAIL": "red"}
_OTHER_OUTCOME = "yellow"


def print_verdict(verdict: Verdict, console: Console) -> None:
    """Print a verdict: set out on a terminal, plain lines elsewhere; raises OSError if nobody reads."""
    fancy = console.is_terminal and not console.is_dumb_terminal
    if not fancy or console.options.ascii_only:
        console.file.write(plain(verdict))
        return
    # Not written by rich itself: when the reader of a pipe went away it would end the process
    # with exit code 1, which is not a code of the gate.
    console.file.write(_drawn(verdict, console))


def _drawn(verdict: Verdict, console: Console) -> str:
    paper = Console(
        file=io.StringIO(),
        force_terminal=True,
        width=min(console.width, WIDEST),
        height=console.height,
        no_color=console.no_color,
    )
    with paper.capture() as capture:
        # A command may be longer than a line: it is never broken nor cut, so that it can be copied.
        paper.print(renderable(verdict), crop=False)
    return capture.get()


def renderable(verdict: Verdict) -> RenderableType:
    """Return a verdict as something that rich prints."""
    return Group(*_parts(verdict))


def colour_of(outcome: str) -> str:
    """Return the colour of an outcome word; the word itself is always shown too."""
    return _OUTCOME_COLOURS.get(outcome, _OTHER_OUTCOME)


def _parts(verdict: Verdict) -> Iterator[RenderableType]:
    yield _panel(verdict)
    for line in words.not_asked(verdict):
        yield _indented(f"Not asked: {line}")
    for line in words.by_people(verdict):
        yield _indented(line)
    for sentence in verdict.sentences:
        yield _indented(words.one_line(sentence))
    if verdict.regions:
        yield Padding(_regions(verdict), (0, 0, 0, 2))
    if verdict.reasons:
        yield _heading("Why")
        yield from _red_table(verdict)
    if verdict.advisories:
        yield _heading("Advisory, not counted")
        yield Padding(_causes_table(advised_by(verdict)), (0, 0, 0, 2))
    if verdict.is_go:
        yield from _figures(verdict)
    yield _heading("Next")
    yield from _steps(verdict)
    yield from _foot(verdict)


def _panel(verdict: Verdict) -> Panel:
    word = words.decision_word(verdict)
    colour = _COLOURS.get(word, _RED)
    ink = "white" if colour == _RED else "black"
    head = Text.assemble(
        (f" {word} ", f"bold {ink} on {colour}"), "  ", (words.about(verdict), "bold")
    )
    head.append(f"\n{words.scope(verdict)}", style="dim")
    head.append(f"\n{words.meaning(verdict)}")
    return Panel(head, box=box.HEAVY, border_style=colour, padding=(0, 1))


def _regions(verdict: Verdict) -> Table:
    table = Table.grid(padding=(0, 2))
    for region, decision in verdict.regions.items():
        colour = _COLOURS.get(decision.value, _RED)
        red = words.red_of(verdict, region).removeprefix(": ")
        said = Text(decision.value, f"bold {colour}")
        table.add_row(Text(region), said, Text(red or _passed(verdict, region)))
    return table


def _passed(verdict: Verdict, region: str) -> str:
    outcomes = [verdict.cell(check, region) for check in verdict.checks]
    skipped, waived = outcomes.count("NOT_APPLICABLE"), outcomes.count(WAIVED)
    more = f", {waived} waived" if waived else ""
    more += f", {skipped} not applicable" if skipped else ""
    return f"{checks_in(outcomes.count('PASS'))} passed{more}"


def _red_table(verdict: Verdict) -> Iterator[RenderableType]:
    found = causes_of(verdict)
    yield Padding(_causes_table(found), (0, 0, 0, 2))
    hidden = len(_rows(found)) - MOST_ROWS
    if hidden > 0:
        yield _indented(f"and {hidden} more: {words.explain_command(verdict)}")


def _causes_table(found: tuple[Cause, ...]) -> Table:
    table = _table("check", "region")
    table.add_column("finding", ratio=1, overflow="fold")
    table.add_column("owner", overflow="fold", max_width=14)
    for number, (cause, finding) in enumerate(_rows(found)[:MOST_ROWS]):
        if number:
            table.add_row()
        first = finding.reason
        outcome = Text(first.outcome, f"bold {colour_of(first.outcome)}")
        many = len(finding.checks) > 1
        named = checks_in(len(finding.checks)) if many else words.named(finding.checks)
        cell = [Text(named if finding.checks else "the run", "bold"), outcome]
        if finding.decision not in (Decision.GO, Decision.HOLD):
            cell.append(Text(f"→ {finding.decision.value}", f"bold {_RED}"))
        table.add_row(
            Text("\n").join(cell),
            Text("\n".join(finding.regions)),
            _finding(finding),
            Text(cause.owner),
        )
    return table


def _rows(found: tuple[Cause, ...]) -> list[tuple[Cause, Finding]]:
    return [(cause, finding) for cause in found for finding in cause.findings()]


def _finding(finding: Finding) -> Text:
    text = Text(words.one_line(finding.sentence))
    if len(finding.checks) > 1:
        text.append(f"\n{words.named(finding.checks)}", style="dim")
    judgement = finding.reason.judgement
    if judgement is not None and judgement.clears:
        text.append(f"\nclears: {words.one_line(judgement.clears)}", style="dim")
    return text


def _figures(verdict: Verdict) -> Iterator[RenderableType]:
    found = figures.key_figures(verdict)
    if not found:
        return
    yield _heading("Key figures")
    table = _table("objective", "in", "quantile", "measured")
    for name in ("proved", "budget", "samples"):
        table.add_column(name, justify="right", overflow="fold")
    for figure in found:
        table.add_row(*map(Text, figure.cells))
    yield Padding(table, (0, 0, 0, 2))


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _steps(verdict: Verdict) -> Iterator[RenderableType]:
    for number, step in enumerate(words.next_steps(verdict), start=1):
        before, _, command = words.one_line(step).partition(words.GATE)
        table = Table.grid(padding=(0, 1))
        table.add_row(f"{number}.", before)
        yield Padding(table, (0, 0, 0, 2))
        if command:
            yield _command(f"     {words.GATE}{command}")


def _foot(verdict: Verdict) -> Iterator[RenderableType]:
    took = f" in {words.duration(verdict.elapsed_seconds)}" if verdict.elapsed_seconds else ""
    table = Table.grid(padding=(0, 2))
    table.add_column(min_width=len("evidence"))
    table.add_row(Text("results", "dim"), Text(f"{words.tally(verdict)}{took}"))
    if slowest := figures.slowest_check(verdict):
        table.add_row(Text("slowest", "dim"), Text(slowest))
    yield Text("")
    yield Padding(table, (0, 0, 0, 2))
    yield _command(Text.assemble("  ", ("why", "dim"), "       ", words.explain_command(verdict)))
    yield _command(Text.assemble("  ", ("evidence", "dim"), "  ", words.evidence(verdict)))


def _command(line: str | Text) -> Text:
    text = Text(line, "cyan") if isinstance(line, str) else line
    text.no_wrap, text.overflow = True, "ignore"
    return text


def _heading(text: str) -> Text:
    return Text(f"\n  {text}", style="bold")


def _indented(text: str) -> Padding:
    return Padding(Text(text), (0, 0, 0, 2))


def plain(verdict: Verdict) -> str:
    """Return a verdict as plain lines for logs: ASCII, one fact a line, the same from run to run."""
    return drawn(
        "verdict.txt.j2", _ascii, verdict=verdict, words=words, figures=figures, causes=causes
    )


def _ascii(value: object) -> str:
    return words.ascii_line(str(value))

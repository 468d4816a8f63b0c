from __future__ import annotations

import dataclasses
import io
import re
from typing import TextIO

import pytest
from rich.console import Console

from gates.decide.judgement import equals
from gates.decide.outcome import Meaning
from gates.decide.verdict import Verdict
from reports import terminal, words
from tests.reports import verdicts
from tests.tables import cases


def drawn(verdict: Verdict, width: int = 80) -> str:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=width, _environ={"TERM": "xterm"})
    terminal.print_verdict(verdict, console)
    return re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())


@pytest.mark.parametrize("name", verdicts.EVERY)
def test_no_line_is_wider_than_the_terminal_and_plain_ones_are_printable_ascii(name: str) -> None:
    for width in (40, 80, 200):
        text = drawn(verdicts.EVERY[name](), width)
        copied = ("     ./harness gate ", "  why ", "  evidence ")
        lines = [line for line in text.splitlines() if not line.startswith(copied)]
        assert max(map(len, lines)) <= min(width, terminal.WIDEST)
        for step in words.next_steps(verdicts.EVERY[name]()):
            _, gate, command = step.partition(words.GATE)
            assert f"{gate}{command}" in text, "a command is never broken"
    text = terminal.plain(verdicts.EVERY[name]())
    assert all(line.isascii() and line.isprintable() for line in text.splitlines())


ASCII = io.TextIOWrapper(io.BytesIO(), encoding="ascii")


@cases(
    "file name",
    {
        "no terminal": (io.StringIO(), None),
        "a dumb terminal": (io.StringIO(), "dumb"),
        "a terminal without box characters": (ASCII, "xterm"),
    },
)
def test_what_cannot_be_drawn_is_said_in_plain_lines(file: TextIO, name: str | None) -> None:
    console = Console(file=file, force_terminal=bool(name), _environ={"TERM": name or ""})
    terminal.print_verdict(verdicts.go(), console)
    console.file.seek(0)
    assert console.file.read() == terminal.plain(verdicts.go())


def test_a_reader_that_went_away_is_an_error_and_never_exit_code_1() -> None:
    class ClosedPipe(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError(32, f"nobody reads these {len(text)} characters")

    console = Console(file=ClosedPipe(), force_terminal=True, _environ={"TERM": "xterm"})
    with pytest.raises(BrokenPipeError):
        terminal.print_verdict(verdicts.go(), console)


def test_markup_and_escapes_of_a_sentence_are_shown_and_not_obeyed() -> None:
    said = "[bold red]not markup[/] \x1b[2J \x07 \u202e end"
    bad = dataclasses.replace(equals("status", 503, 200), sentence=said)
    text = drawn(verdicts.failing(bad))
    assert "[bold red]not markup[/]" in text
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_more_red_rows_than_a_screen_holds_are_counted() -> None:
    rows = tuple(verdicts.row(f"IV-X-{n}", "qa", Meaning.HOLD) for n in range(30))
    found: verdicts.Found = {(row.id, "eu"): (equals(row.id, 1, 2),) for row in rows}
    text = drawn(verdicts.verdict_of(found, rows=rows))
    assert text.count("wanted 2") == 10
    assert "30 checks did not run in us" not in text
    assert "more: ./harness gate explain" in text

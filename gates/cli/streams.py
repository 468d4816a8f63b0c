"""Stdout and stderr whose readers may go away: a verdict is on disk, and its code is what counts."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from typing import IO

from gates.decide.plain_text import one_line


def prepare() -> None:
    """Put streams in place that survive a closed pipe, a full disk behind stderr and any character.

    What was started with a stream closed gets one that nobody reads: the next file that is opened
    would take its number, and everything printed would go into that file.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    sys.stdout = _Stdout(
        *_parts(sys.stdout, 1), errors="replace", line_buffering=_drawn(sys.stdout)
    )
    sys.stderr = _Stderr(*_parts(sys.stderr, 2), errors="backslashreplace", line_buffering=True)


def teller(stderr: IO[str], prefix: str = "gate") -> Callable[[str], None]:
    """Return what tells a sentence on stderr, on a line of its own and without what moves a terminal."""

    def tell(text: str) -> None:
        stderr.write(f"{prefix}: {one_line(text)}\n")
        stderr.flush()

    return tell


def discard(stream: IO[str]) -> None:
    """Let what is still to be written to a stream go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


class _Stdout(io.TextIOWrapper):
    """Falls silent when its reader goes away, as `head` does; a full disk is still an error."""

    forgives: tuple[type[OSError], ...] = (BrokenPipeError,)

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except self.forgives:
            discard(self)
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except self.forgives:
            discard(self)


class _Stderr(_Stdout):
    """Falls silent whatever happens to it: progress is not a product."""

    forgives = (OSError,)


def _parts(stream: IO[str] | None, number: int) -> tuple[IO[bytes], str]:
    if stream is None:
        return open(number, "wb", closefd=False), "utf-8"
    return stream.buffer, stream.encoding  # type: ignore[attr-defined]  # the interpreter's own streams have one


def _drawn(stream: IO[str] | None) -> bool:
    return stream is not None and stream.isatty()

"""A load run for people: one page, verdict and reasons first, and plain lines for a terminal or a log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jinja2

from reports import load_charts, load_words
from reports.load_words import DamagedLoadRecordError, checked
from reports.texts import drawn
from reports.words import ascii_line, one_line

_MOST_REASONS = 12


class _Ascii(str):
    """A line of ASCII already, whose spaces are meant."""

    __slots__ = ()


def render(record: Mapping[str, Any]) -> str:
    """Return the page of a run; raises DamagedLoadRecordError."""
    return _drawn("load_page.html.j2", _shown, record)


def plain(record: Mapping[str, Any]) -> str:
    """Return a run as plain lines, the same from run to run; raises DamagedLoadRecordError."""
    return _drawn("load_run.txt.j2", _ascii, record)


def _drawn(template: str, written: Any, record: Mapping[str, Any]) -> str:
    try:
        known = checked(record)
        return drawn(
            template,
            written,
            record=known,
            words=load_words,
            charts=load_charts,
            shown=load_words.reasons(known) or load_words.proved(known),
            most=_MOST_REASONS,
            in_ms=[f"{name} ms" for name in load_words.PERCENTILES],
            table=list(_table(known["endpoints"])),
        )
    except (KeyError, TypeError, AttributeError, IndexError, jinja2.UndefinedError) as exc:
        raise DamagedLoadRecordError("it is damaged: a part of it cannot be read") from exc


def _shown(value: object) -> object:
    """Return any value as one plain line, which the template then escapes; its own markup as it is."""
    return value if hasattr(value, "__html__") else one_line(str(value))


def _ascii(value: object) -> str:
    return value if isinstance(value, _Ascii) else ascii_line(str(value))


def _table(rows: Sequence[Mapping[str, Any]]) -> Iterator[_Ascii]:
    """Yield the lines of a table whose first two columns are names, and all others numbers."""
    cells = [["region", "endpoint", "requests", "failed", *load_words.PERCENTILES]]
    for row in rows:
        times = [load_words.milliseconds(row["response"].get(p)) for p in load_words.PERCENTILES]
        names = [ascii_line(row[name]) for name in ("region", "endpoint")]
        cells.append([*names, *(f"{row[name]:,}" for name in ("requests", "failed")), *times])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        padded = (
            cell.ljust(width) if place < 2 else cell.rjust(width)  # noqa: PLR2004 - the names
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        yield _Ascii("  ".join(padded).rstrip())

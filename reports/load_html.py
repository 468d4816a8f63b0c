"""The few pieces of HTML that a load run's page is made of; every text is escaped here."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from reports.words import one_line


class Cell(NamedTuple):
    """One cell of a table."""

    text: object
    look: str = ""
    """Its classes in the style sheet."""


def escaped(value: object) -> str:
    """Return any value as text that HTML and its attributes show and never obey."""
    return html.escape(one_line(str(value)))


def section(title: str, *parts: str) -> str:
    """Return parts under a heading."""
    return f"<section>\n<h2>{escaped(title)}</h2>\n{chr(10).join(parts)}\n</section>"


def items(entries: Iterable[tuple[str, str]]) -> str:
    """Return a list of reasons: class and HTML of each."""
    return (
        '<ul class="reasons">'
        + "".join(f'<li class="{escaped(look)}">{content}</li>' for look, content in entries)
        + "</ul>"
    )


def table(
    caption: str, headers: Sequence[str], rows: Iterable[Sequence[Cell]], *, words: int = 2
) -> str:
    """Return a table; its first `words` columns hold words, the others figures."""
    head = "".join(
        f'<th scope="col"{_class("name" if place < words else "")}>{escaped(header)}</th>'
        for place, header in enumerate(headers)
    )
    body = "\n".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return (
        f'<div class="wide"><table><caption>{escaped(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>"
    )


def facts(values: Mapping[str, Any]) -> str:
    """Return labelled values."""
    return (
        "<dl>"
        + "".join(
            f"<dt>{escaped(key)}</dt><dd>{escaped(value)}</dd>" for key, value in values.items()
        )
        + "</dl>"
    )


def _cell(cell: Cell) -> str:
    return f"<td{_class(cell.look)}>{escaped(cell.text)}</td>"


def _class(look: str) -> str:
    return f' class="{escaped(look)}"' if look else ""

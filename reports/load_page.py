"""A load run as one page for people: verdict and reasons first, then everything that explains them."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

import jinja2

from reports import load_charts, load_words
from reports.load_record import DamagedLoadRecordError, checked
from reports.words import one_line

_MOST_REASONS = 12


def _shown(value: object) -> object:
    """Return any value as one plain line, which the template then escapes; its own markup as it is."""
    return value if hasattr(value, "__html__") else one_line(str(value))


_PAGE = jinja2.Environment(
    loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    finalize=_shown,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
).get_template("load_page.html.j2")


def render(record: Mapping[str, Any]) -> str:
    """Return the page of a run; raises DamagedLoadRecordError."""
    try:
        known = checked(record)
        return _PAGE.render(
            record=known,
            words=load_words,
            charts=load_charts,
            shown=load_words.reasons(known) or load_words.proved(known),
            most=_MOST_REASONS,
            in_ms=[f"{name} ms" for name in load_words.PERCENTILES],
        )
    except (KeyError, TypeError, AttributeError, IndexError, jinja2.UndefinedError) as exc:
        raise DamagedLoadRecordError("it is damaged: a part of it cannot be read") from exc

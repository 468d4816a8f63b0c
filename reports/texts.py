"""Draws reports from the templates beside this file; what is written is made safe for its format."""

from __future__ import annotations

import functools
import json
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jinja2


_HERE = pathlib.Path(__file__).parent


def drawn(file: str | pathlib.Path, written: Callable[[Any], object], **values: Any) -> str:
    """Return a template filled: one beside this file, or that of a path.

    `written` makes a value what may stand there, and HTML is escaped besides. Raises
    jinja2.UndefinedError for a value that there is not.
    """
    path = _HERE / file
    return _templates(path.parent, written).get_template(path.name).render(**values)


@functools.cache
def _templates(folder: pathlib.Path, written: Callable[[Any], object]) -> jinja2.Environment:
    import jinja2  # noqa: PLC0415 - the checks need not wait for it

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=jinja2.select_autoescape(["html.j2"]),
        undefined=jinja2.StrictUndefined,
        finalize=written,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def as_json(value: object) -> str:
    """Return a value as JSON, which YAML reads back whatever is in it."""
    return json.dumps(value, default=str, ensure_ascii=False)


def json_file(value: object) -> str:
    """Return a value as the text of a JSON file; raises ValueError for a number that JSON does not have."""
    return json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n"

"""Draws reports from the templates beside this file; what is written is made safe for its format."""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jinja2


def drawn(name: str, written: Callable[[Any], object], **values: Any) -> str:
    """Return a report; `written` makes a value what may stand there, and HTML is escaped besides.

    Raises jinja2.UndefinedError for a value that there is not.
    """
    return _templates(written).get_template(name).render(**values)


@functools.cache
def _templates(written: Callable[[Any], object]) -> jinja2.Environment:
    import jinja2  # noqa: PLC0415 - the checks need not wait for it

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
        autoescape=jinja2.select_autoescape(["html.j2"]),
        undefined=jinja2.StrictUndefined,
        finalize=written,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )

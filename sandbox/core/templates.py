"""Configurations as templates that read as the file does; what stands in braces is written as JSON."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import jinja2


def rendered(file: Path, **values: Any) -> str:
    """Return a template of YAML filled; raises jinja2.UndefinedError for a value that is missing."""
    return _template(file).render(**values)


@functools.cache
def _template(file: Path) -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(file.parent),
        undefined=jinja2.StrictUndefined,
        finalize=functools.partial(json.dumps, default=str),
        trim_blocks=True,
        autoescape=False,  # noqa: S701 - no HTML
    )
    return environment.get_template(file.name)

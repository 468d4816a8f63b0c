"""What broken promises are called."""

from __future__ import annotations

import functools
import pathlib

import yaml


@functools.cache
def words() -> dict[str, str]:
    """Return the name of each kind of broken promise, with places for its detail and status."""
    text = pathlib.Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")
    found: dict[str, str] = yaml.safe_load(text)
    return found

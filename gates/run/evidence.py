"""Writes evidence so that it is whole or absent: temporary file, fsync, rename, fsync of the folder."""

from __future__ import annotations

import json
import os
import pathlib
from typing import Any

from reports.writers import write_whole


def write_durably(path: pathlib.Path, text: str) -> None:
    """Replace a file's content at once and for good; raises OSError."""
    write_whole(path, text)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_json(path: pathlib.Path, value: dict[str, Any]) -> None:
    """Write JSON durably; raises OSError, and ValueError for a number that JSON does not have."""
    write_durably(path, json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def read_back(path: pathlib.Path, value: dict[str, Any]) -> None:
    """Prove that a written verdict is the one on disk; raises OSError where it is not."""
    try:
        same = json.loads(path.read_text(encoding="utf-8")) == json.loads(json.dumps(value))
    except ValueError:
        same = False
    if not same:
        raise OSError(5, "the verdict on disk is not the one that was written", str(path))

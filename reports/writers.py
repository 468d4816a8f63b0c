"""Writes every report of a run: one line here for each format."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from reports import junit, summary

WRITERS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "junit.xml": junit.render,
    "summary.md": summary.render,
}


def write_all(run_dir: pathlib.Path, record: Mapping[str, Any]) -> None:
    """Write a verdict in every format into its run's folder.

    Each file appears whole or not at all. Raises DamagedVerdictError, and OSError when the disk
    does not take it.
    """
    for name, render in WRITERS.items():
        write_whole(run_dir / name, render(record))


def write_whole(path: pathlib.Path, text: str) -> None:
    """Write a file that is never seen half-written: a neighbour first, on disk, then renamed."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)

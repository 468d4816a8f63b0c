"""Golden files: what a report looks like, for people to read and for tests to compare.

`GOLDEN_WRITE=1` writes them anew; read the difference before you commit it.
"""

from __future__ import annotations

import os
import pathlib

FOLDER = pathlib.Path(__file__).parent / "golden"


def compare(name: str, text: str, folder: pathlib.Path = FOLDER) -> None:
    """Compare a report with its golden file."""
    path = folder / name
    if os.environ.get("GOLDEN_WRITE") == "1":
        path.write_text(text, encoding="utf-8")
    assert path.is_file(), f"no golden file {name}; GOLDEN_WRITE=1 writes it"
    assert text == path.read_text(encoding="utf-8")

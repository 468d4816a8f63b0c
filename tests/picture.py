"""Draws a verdict as the README shows it: `python -m tests.picture reports/out/RUN docs/images/NAME.svg`."""

from __future__ import annotations

import io
import json
import pathlib
import re
import sys

from rich import _export_format, terminal_theme
from rich.console import Console

from reports import terminal
from reports.verdict import read

WIDTH = 100


def draw(run_dir: pathlib.Path, picture: pathlib.Path) -> None:
    """Write the picture of a run's verdict; its fonts are the reader's own, nothing is fetched."""
    verdict = read(json.loads((run_dir / "verdict.json").read_text(encoding="utf-8")))
    console = Console(file=io.StringIO(), record=True, force_terminal=True, width=WIDTH)
    console.print(terminal.renderable(verdict))
    form = re.sub(
        r"@font-face \{\{.*?\}\}\s*", "", _export_format.CONSOLE_SVG_FORMAT, flags=re.DOTALL
    )
    title = f"gate {verdict.gate} --env {verdict.environment}"
    console.save_svg(
        str(picture), title=title, theme=terminal_theme.DIMMED_MONOKAI, code_format=form
    )


if __name__ == "__main__":
    draw(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))

"""Runs as they lie in reports/out, for the commands that read them, and those commands called."""

from __future__ import annotations

import importlib
import io
import json
import pathlib
from typing import Any

from gates.cli import main
from gates.decide.verdict import Verdict
from tests.reports import verdicts


def run_id(number: int, kind: str = "post-deploy") -> str:
    """Return a run's id; a higher number is a later run."""
    return f"20261123T01{number:02d}36Z-{kind}-a1b2c{number % 10}"


def leave(
    out: pathlib.Path, run: str, verdict: Verdict | None = None, *, events: str = "", **changes: Any
) -> pathlib.Path:
    """Write a run's folder and return it."""
    folder = out / run
    folder.mkdir(parents=True)
    whole = {**(verdict or verdicts.go()).record(), "run": run, **changes}
    (folder / "verdict.json").write_text(json.dumps(whole), encoding="utf-8")
    if events:
        (folder / "events.jsonl").write_text(events, encoding="utf-8")
    return folder


def called(command: str, out: pathlib.Path, *arguments: str, **more: Any) -> tuple[int, str, str]:
    """Call a command of these runs in this process; return its code, stdout and stderr."""
    module = importlib.import_module(main.module_of(command))
    stdout, stderr = io.StringIO(), io.StringIO()
    out.mkdir(parents=True, exist_ok=True)
    parser, _ = main.parser_for([command])
    parsed = parser.parse_args([command, "--out", str(out), *arguments])
    return module.run(parsed, stdout, stderr, **more), stdout.getvalue(), stderr.getvalue()

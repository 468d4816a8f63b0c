"""`./harness faults`: applies every fault in turn, runs the whole gate, prints what turned which colour."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sandbox.faults import catalogue, expectation
from sandbox.faults.catalogue import Fault

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TABLE = ROOT / "docs" / "fault-matrix.md"
LETTERS = {"PASS": "·", "FAIL": "F", "ERROR": "E", "INCONCLUSIVE": "?", "MISSING": "M"}
HEALTHY = Fault(name="healthy", description="No fault at all.", decision="GO")


def main(arguments: Sequence[str]) -> int:
    """Run the matrix; 0 when every fault turned exactly its own checks."""
    parser = argparse.ArgumentParser(prog="./harness faults", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="FAULT", help="only these; their rows are written anew"
    )
    options = parser.parse_args(arguments)
    faults = [
        fault
        for fault in catalogue.load()
        if fault.gate == HEALTHY.gate and (not options.names or fault.name in options.names)
    ]
    ours = _sandbox("status", "--environment", check=False).returncode != 0
    if ours:
        _sandbox("up")
    try:
        named = HEALTHY.name in options.names or not options.names
        rows = [_row(fault) for fault in [*([HEALTHY] if named else []), *faults]]
    finally:
        _sandbox("fault", "revert", "--all", check=False)
        if ours:
            _sandbox("down")
    bad = [row for row in rows if row["differences"]]
    text = replaced(TABLE.read_text(encoding="utf-8"), rows) if options.names else render(rows)
    TABLE.write_text(text, encoding="utf-8")
    print(f"{len(rows) - len(bad)} of {len(rows)} came out as expected")  # noqa: T201 - the product of this command
    return 1 if bad else 0


def _row(fault: Fault) -> dict[str, Any]:
    if fault is not HEALTHY:
        _sandbox("fault", "apply", fault.name)
    started = time.monotonic()
    verdict = _gate()
    seconds = time.monotonic() - started
    if fault is not HEALTHY:
        _sandbox("fault", "revert", fault.name)
    found = expectation.outcomes(verdict["checks"])
    wrong = [
        f"{d.check}: {d.found}, not {d.expected}" for d in expectation.differences(fault, found)
    ]
    if verdict["decision"] != fault.decision:
        wrong.append(f"decision {verdict['decision']}, not {fault.decision}")
    print(  # noqa: T201 - the product of this command
        f"{fault.name:30} {verdict['decision']:8} {seconds:5.1f} s  {'; '.join(wrong) or 'as expected'}",
        flush=True,
    )
    return {"fault": fault, "found": found, "decision": verdict["decision"], "differences": wrong}


def _gate() -> Mapping[str, Any]:
    command = [_program("gate"), "post-deploy", "--env", "local", "--output", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)  # noqa: S603 - our own command
    verdict: Mapping[str, Any] = json.loads(done.stdout)
    return verdict


def _sandbox(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own command
        [_program("sandbox"), *arguments],
        stdout=subprocess.PIPE,
        text=True,
        check=check,
        timeout=600,
        cwd=tempfile.gettempdir(),
    )


def _program(name: str) -> str:
    return str(pathlib.Path(sys.executable).parent / name)


def render(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the matrix as Markdown: one row for each fault, one column for each check."""
    rows = list(rows)
    checks = list(rows[0]["found"])
    lines = [
        "# Fault matrix",
        "",
        (
            f"Made by `./harness faults` on {dt.datetime.now(dt.UTC):%Y-%m-%d}: each fault applied to "
            "the local platform, the whole gate run, each check's worst outcome."
        ),
        "",
        (
            "`·` PASS, `F` FAIL, `E` ERROR, `?` INCONCLUSIVE. A row that differs from the fault's entry in "
            "`sandbox/faults/catalogue.d/*.yaml` is marked."
        ),
        "",
        "| fault | decision | " + " | ".join(_short(check) for check in checks) + " |",
        "|---|---|" + "---|" * len(checks),
    ]
    return "\n".join([*lines, *(_line(row, checks) for row in rows), ""])


def replaced(table: str, rows: Iterable[Mapping[str, Any]]) -> str:
    """Return a table with these rows in the place of the older ones of the same faults."""
    lines = table.splitlines()
    for row in rows:
        starts = (f"| {row['fault'].name} |", f"| {row['fault'].name} **differs** |")
        place = next(number for number, line in enumerate(lines) if line.startswith(starts))
        lines[place] = _line(row, list(row["found"]))
    return "\n".join([*lines, ""])


def _line(row: Mapping[str, Any], checks: Sequence[str]) -> str:
    letters = [LETTERS.get(row["found"][check], row["found"][check]) for check in checks]
    mark = " **differs**" if row["differences"] else ""
    return f"| {row['fault'].name}{mark} | {row['decision']} | " + " | ".join(letters) + " |"


def _short(check: str) -> str:
    return (
        check.removeprefix("IV-").replace("HEALTH", "H").replace("FLOW", "FL").replace("PERF", "P")
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The fault matrix as a page: a table for each gate, a row for each fault, a column for each check."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sandbox.faults.catalogue import GATES, Fault

HEALTHY = Fault(name="healthy", description="No fault at all.", decision="GO")
LETTERS = {"PASS": "·", "FAIL": "F", "ERROR": "E", "INCONCLUSIVE": "?", "MISSING": "M"}
_HEAD = """# Fault matrix

Made by `./harness faults`, last on {day}: a deployment of the local platform from before the release to
its end, each fault applied when its gate is due, the whole gate run, each check's worst outcome.

`·` PASS, `F` FAIL, `E` ERROR, `?` INCONCLUSIVE. A row that differs from the fault's entry in
`sandbox/systems/*/faults.yaml` is marked.
"""
_NAME = re.compile(r"\| (\S+)")


@dataclass(frozen=True, slots=True)
class Row:
    """What one run of a gate found under a fault."""

    fault: Fault
    found: Mapping[str, str]
    """Each check's worst outcome."""
    decision: str
    differences: tuple[str, ...]


def render(rows: Iterable[Row], old: str = "") -> str:
    """Return the page; rows of an older page that were not measured anew stay as they were."""
    rows = list(rows)
    tables = _tables(old)
    for gate in GATES:
        mine = [row for row in rows if row.fault.gate == gate]
        if mine:
            tables[gate] = _merged(tables.get(gate, []), _table(mine))
    parts = [f"## {gate}\n\n" + "\n".join(tables[gate]) + "\n" for gate in GATES if gate in tables]
    return "\n".join([_HEAD.format(day=f"{dt.datetime.now(dt.UTC):%Y-%m-%d}"), *parts])


def _table(rows: Sequence[Row]) -> list[str]:
    checks = list(rows[0].found)
    names = " | ".join(_short(check) for check in checks)
    ordered = sorted(rows, key=lambda row: row.fault.name != HEALTHY.name)
    return [
        f"| fault | decision | {names} |",
        "|---|---|" + "---|" * len(checks),
        *(_line(row, checks) for row in ordered),
    ]


def _line(row: Row, checks: Sequence[str]) -> str:
    letters = [LETTERS.get(row.found[check], row.found[check]) for check in checks]
    mark = " **differs**" if row.differences else ""
    return f"| {row.fault.name}{mark} | {row.decision} | " + " | ".join(letters) + " |"


def _merged(old: list[str], new: list[str]) -> list[str]:
    """Put new rows in the place of older ones; other columns make every older row worthless."""
    if old[:1] != new[:1]:
        return new
    fresh = {_name(line): line for line in new[2:]}
    kept = [fresh.pop(_name(line), line) for line in old[2:]]
    return [*new[:2], *kept, *fresh.values()]


def _tables(page: str) -> dict[str, list[str]]:
    """Return the lines of each gate's table of a page."""
    found: dict[str, list[str]] = {}
    for section in page.split("\n## ")[1:]:
        gate, _, rest = section.partition("\n")
        found[gate.strip()] = [line for line in rest.splitlines() if line.startswith("|")]
    return found


def _name(line: str) -> str:
    match = _NAME.match(line)
    return match[1] if match else ""


def _short(check: str) -> str:
    short = check.removeprefix("IV-").replace("HEALTH", "H").replace("FLOW", "FL")
    return short.replace("PERF", "P")

"""`./harness faults`: walks a deployment, applies every fault when its gate is due, prints the colours."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime as dt
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.core import CHECKOUT
from sandbox.core.state import StateDirectory
from sandbox.faults import catalogue
from sandbox.faults.catalogue import GATES, Fault

HEALTHY = Fault(name="healthy", description="No fault at all.", decision="GO")
LETTERS = {"PASS": "·", "FAIL": "F", "ERROR": "E", "INCONCLUSIVE": "?", "MISSING": "M"}
_HEAD = """# Fault matrix

Made by `./harness faults`, last on {day}: a deployment of the local platform from before the release to
its end, each fault applied when its gate is due, the whole gate run, each check's worst outcome.

`·` PASS, `F` FAIL, `E` ERROR, `?` INCONCLUSIVE. A row that differs from the fault's entry in
`sandbox/systems/*/faults.yaml` is marked.
"""
FIRST_HOUR = "post-deploy-1h"
USERS_A_SECOND, LOOK_BACK_SECONDS = 2, 25
"""Of each region; and a look-back of the first hour in the local platform's time, and some more."""
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
    return [
        f"| fault | decision | {names} |",
        "|---|---|" + "---|" * len(checks),
        *(_line(row, checks) for row in rows),
    ]


def _line(row: Row, checks: Sequence[str]) -> str:
    letters = [LETTERS.get(row.found[check], row.found[check]) for check in checks]
    mark = " **differs**" if row.differences else ""
    return f"| {row.fault.name}{mark} | {row.decision} | " + " | ".join(letters) + " |"


def _merged(old: list[str], new: list[str]) -> list[str]:
    """Put new rows in the place of older ones; other columns make every older row worthless."""
    fresh = {_name(line): line for line in new[2:]}
    older = old[2:] if old[:1] == new[:1] else []
    kept = [fresh.pop(_name(line), line) for line in older]
    rows = sorted([*kept, *fresh.values()], key=lambda line: _name(line) != HEALTHY.name)
    return [*new[:2], *rows]


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


TABLE = CHECKOUT / "docs" / "fault-matrix.md"
NOTHING_ASKED = 78


def main(arguments: Sequence[str]) -> int:
    """Run the matrix; 0 when every gate was GO by itself and every fault turned exactly its own checks."""
    parser = argparse.ArgumentParser(prog="./harness faults", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="FAULT|GATE",
        help="only these, or those of these gates; their rows are written anew",
    )
    options = parser.parse_args(arguments)
    asked = set(options.names)
    wanted = [one for one in catalogue.load() if not asked or {one.name, one.gate} & asked]
    if unknown := asked - {name for one in wanted for name in (one.name, one.gate)}:
        parser.error(f"there is no fault {', '.join(sorted(unknown))}: see sandbox fault list")
    rows: list[Row] = []
    old = TABLE.read_text(encoding="utf-8") if TABLE.exists() else ""
    with tempfile.TemporaryDirectory(prefix="fault-matrix-") as folder:
        for row in Walk(Path(folder)).rows(wanted):
            rows.append(row)
            # A run that is cut short keeps what it found; the rest of the page stays as it was.
            TABLE.write_text(render(rows, old), encoding="utf-8")
    if not asked:
        TABLE.write_text(render(rows), encoding="utf-8")
    bad = [row for row in rows if row.differences]
    print(f"{len(rows) - len(bad)} of {len(rows)} came out as expected")  # noqa: T201 - the product of this command
    return 1 if bad else 0


@dataclasses.dataclass(frozen=True, slots=True)
class Walk:
    """A platform of its own, from before the release to its end; nobody else's is touched."""

    state: Path

    def rows(self, wanted: Collection[Fault]) -> Iterator[Row]:
        """Yield a row of each gate without faults, and of each of its wanted faults."""
        last = max(GATES.index(fault.gate) for fault in wanted)
        self._sandbox("up", "--pending")
        try:
            with self._users(come=GATES.index(FIRST_HOUR) <= last):
                self._gate("baseline")
            for gate in GATES[: last + 1]:
                with self._users(come=gate in (FIRST_HOUR, "post-deploy-24h")):
                    yield from self._gate_rows(
                        gate, [fault for fault in wanted if fault.gate == gate]
                    )
        finally:
            self._sandbox("down")

    @contextlib.contextmanager
    def _users(self, *, come: bool) -> Iterator[None]:
        """Let users come meanwhile, and before that for a look-back; the first hour is measured by them."""
        if not come:
            yield
            return
        asked = ("users", "--rate", f"{USERS_A_SECOND}", "--for", "86400")
        sandbox = str(Path(sys.executable).parent / "sandbox")
        environment = {**os.environ, "SANDBOX_STATE": str(self.state)}
        with subprocess.Popen([sandbox, *asked], env=environment) as users:  # noqa: S603 - our own command
            try:
                time.sleep(LOOK_BACK_SECONDS)
                yield
            finally:
                users.terminate()

    def _gate_rows(self, gate: str, faults: Sequence[Fault]) -> Iterator[Row]:
        if gate.startswith("phase-"):
            self._sandbox("deploy", gate[-1])
        if gate == "post-rollback":
            self._sandbox("rollback", "kubernetes")
        if gate == "post-restore":
            self._sandbox("rollback", "database")
            self._sandbox("rollback", "dns")
        for fault in faults:
            with self._records_kept():
                self._sandbox("fault", "apply", fault.name)
                try:
                    yield from self._row(fault)
                finally:
                    self._sandbox("fault", "revert", fault.name)
        if faults or gate.startswith("phase-"):
            # Last, so that the phase after finds this one GO; it shows, too, that nothing is left.
            yield from self._row(HEALTHY.model_copy(update={"gate": gate}))

    @contextlib.contextmanager
    def _records_kept(self) -> Iterator[None]:
        """Leave the records of the deployment as they were: a red phase ends an attempt (ADR 0028)."""
        records = StateDirectory(self.state).gate
        with tempfile.TemporaryDirectory(prefix="fault-matrix-") as folder:
            shutil.copytree(records, folder, dirs_exist_ok=True)
            try:
                yield
            finally:
                shutil.rmtree(records)
                shutil.copytree(folder, records)

    def _row(self, fault: Fault) -> Iterator[Row]:
        started = time.monotonic()
        verdict = self._gate(*_command(fault.gate))
        if verdict["exit_code"] == NOTHING_ASKED:
            return
        found = catalogue.outcomes(verdict["checks"])
        wrong = catalogue.wrong(fault, verdict)
        seconds = time.monotonic() - started
        print(  # noqa: T201 - the product of this command
            f"{fault.gate:11} {fault.name:30} {verdict['decision']:8} {seconds:5.1f} s  "
            f"{'; '.join(wrong) or 'as expected'}",
            flush=True,
        )
        yield Row(fault, found, verdict["decision"], tuple(wrong))

    def _gate(self, *command: str) -> Mapping[str, Any]:
        asked = [*command, "--env", "local", "--release", "v1.2.0", "--output", "json"]
        done = self._run("gate", *asked, check=False)
        if not done.stdout:
            raise SystemExit(f"gate {' '.join(command)} said nothing but: {done.stderr}")
        verdict: Mapping[str, Any] = json.loads(done.stdout)
        return verdict

    def _sandbox(self, *arguments: str) -> None:
        self._run("sandbox", *arguments, check=True)

    def _run(self, program: str, *arguments: str, check: bool) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - our own commands
            [str(Path(sys.executable).parent / program), *arguments],
            capture_output=True,
            text=True,
            check=check,
            timeout=600,
            env={**os.environ, "SANDBOX_STATE": str(self.state)},
        )


def _command(gate: str) -> tuple[str, ...]:
    """Return how a gate of the catalogue is asked."""
    if gate.startswith("post-deploy-"):
        return ("post-deploy", "--window", gate.removeprefix("post-deploy-"))
    if gate == "post-rollback":
        return (gate, "--method", "flags", "--method", "kubernetes")
    if gate == "rollout":
        return (gate, "--day", "1")
    if gate == "post-restore":
        return ("post-rollback", "--method", "dns", "--method", "database", "--at", "1w")
    if gate == "watch":
        return (gate, "--for", "30s")
    of_two_words = gate.startswith(("phase-", "rollback-"))
    return tuple(gate.split("-")) if of_two_words else (gate,)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

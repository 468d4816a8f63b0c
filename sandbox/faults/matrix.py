"""`./harness faults`: walks a deployment, applies every fault when its gate is due, prints the colours."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sandbox.core import CHECKOUT
from sandbox.core.state import StateDirectory
from sandbox.faults import catalogue, expectation, matrix_page
from sandbox.faults.catalogue import GATES, Fault
from sandbox.faults.matrix_page import HEALTHY, Row

TABLE = CHECKOUT / "docs" / "fault-matrix.md"
NOTHING_ASKED = 78


def main(arguments: Sequence[str]) -> int:
    """Run the matrix; 0 when every gate was GO by itself and every fault turned exactly its own checks."""
    parser = argparse.ArgumentParser(prog="./harness faults", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="FAULT", help="only these; their rows are written anew"
    )
    options = parser.parse_args(arguments)
    wanted = [
        fault for fault in catalogue.load() if not options.names or fault.name in options.names
    ]
    if unknown := set(options.names) - {fault.name for fault in wanted}:
        parser.error(f"there is no fault {', '.join(sorted(unknown))}: see sandbox fault list")
    rows: list[Row] = []
    whole = False
    try:
        with tempfile.TemporaryDirectory(prefix="fault-matrix-") as folder:
            for row in Walk(Path(folder)).rows(wanted):
                rows.append(row)  # noqa: PERF402 - what was found before an interruption stays
        whole = not options.names
    finally:
        # A run that was cut short keeps what it found; the rest of the page stays as it was.
        old = "" if whole or not TABLE.exists() else TABLE.read_text(encoding="utf-8")
        if rows:
            TABLE.write_text(matrix_page.render(rows, old), encoding="utf-8")
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
            self._gate("baseline")
            for gate in GATES[: last + 1]:
                yield from self._gate_rows(gate, [fault for fault in wanted if fault.gate == gate])
        finally:
            self._sandbox("down")

    def _gate_rows(self, gate: str, faults: Sequence[Fault]) -> Iterator[Row]:
        if gate.startswith("phase-"):
            self._sandbox("deploy", gate[-1])
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
        found = expectation.outcomes(verdict["checks"])
        wrong = expectation.wrong(fault, verdict)
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
    if gate == "post-deploy-1h":
        return ("post-deploy", "--window", "1h")
    return tuple(gate.split("-")) if gate.startswith("phase-") else (gate,)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

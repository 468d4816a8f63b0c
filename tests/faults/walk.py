"""A deployment walked phase by phase: one pending platform, and the gate that follows it."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Collection, Iterable
from typing import Any

from gates.decide.fold import Folded
from gates.decide.scope import Gate as Question
from gates.decide.scope import Phase, PostDeploy, PreDeploy, RollbackPlan, Scope
from gates.load import load_catalogue
from sandbox.faults.catalogue import Fault
from tests.faults.runs import folded, found, run_checks, said
from tests.gates.process.gates import Gate
from tests.sandbox.platforms import Sandbox

ROWS = load_catalogue()
ADDS = {"post-deploy-1h": "15m", "post-deploy-24h": "1h"}
"""What each of these windows is longer than."""


@dataclasses.dataclass(slots=True)
class Walk:
    """A platform on its way from before the release to its end."""

    platform: Sandbox
    gate: Gate
    done: int = 0

    def carry_out(self, phase: int) -> None:
        """Carry out every phase up to this one that is not carried out yet."""
        while self.done < phase:
            self.platform.ask({"do": "deploy", "phase": self.done + 1})
            self.done += 1

    def ask(self, *arguments: str) -> dict[str, Any]:
        """Run the gate as people do and return its verdict."""
        release = ("--env", "local", "--release", "v1.2.0", "--output", "json")
        done = self.gate.run(*arguments, *release)
        self.platform.end_traffic()
        assert done.stdout, done.stderr
        verdict: dict[str, Any] = json.loads(done.stdout)
        return verdict

    def look(
        self, gate: str, run_dir: pathlib.Path, leave_out: Collection[str] = ()
    ) -> tuple[dict[str, str], Folded, str]:
        """Return the outcomes of a gate's checks, its decision, and the sentences behind them."""
        scope = self.scope(gate)
        checks = {row.id for row in scope.rows} - set(leave_out)
        read = run_checks(self.platform, run_dir, checks)
        return found(read, checks), folded(read, checks, scope.stages), said(read)

    def scope(self, gate: str) -> Scope:
        """Return what a gate asks now; of the first hour and day what each adds to the time before."""
        switched = self.platform.environment().traffic.switched_at is not None
        asked = question_of(gate).scope(ROWS, switched=switched)
        if gate not in ADDS:
            return asked
        before = {row.id for row in PostDeploy(ADDS[gate]).scope(ROWS, switched=switched).rows}
        added = [row for row in asked.rows if row.id not in before]
        return dataclasses.replace(asked, rows=tuple(added))


def question_of(gate: str) -> Question:
    """Return the gate behind its name in the catalogue of faults."""
    if gate == "pre-deploy":
        return PreDeploy("T-2h")
    if gate in ADDS:
        return PostDeploy(gate.removeprefix("post-deploy-"))
    if gate == "rollback-plan":
        return RollbackPlan()
    return Phase.parse(gate.removeprefix("phase-"))


def batches(faults: Iterable[Fault]) -> list[tuple[Fault, ...]]:
    """Put faults of a gate together whose checks do not meet: each process serves several."""
    open_batches: list[list[Fault]] = []
    for fault in faults:
        fitting = (one for one in open_batches if not fault.alone and _fits(fault, one))
        batch = next(fitting, None)
        if batch is None:
            open_batches.append([fault])
        else:
            batch.append(fault)
    return [tuple(batch) for batch in open_batches]


def _fits(fault: Fault, batch: list[Fault]) -> bool:
    return all(not one.alone and not fault.listed & one.listed for one in batch)

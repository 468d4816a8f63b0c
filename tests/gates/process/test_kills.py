"""Signals at moments spread over a run: never GO, nothing lost, nothing left behind."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.faults.runs import run_checks
from tests.gates.process.gates import Gate, checks_of_its_own
from tests.gates.process.kills import (
    Kill,
    Killed,
    broken_promises,
    journalled,
    kill,
    processes_naming,
    records,
    without_traffic,
)
from tests.sandbox.platforms import Sandbox, eventually

SEED = 20261123
SIDE_BY_SIDE = 3
EARLY, MIDDLE, WAITING = (0, 6), (7, 26), (27, 31)
"""Ranges of events: before and while the health checks run, up to the journeys, until samples suffice."""


def kills() -> list[Kill]:
    """Return the same kills in every run: each kind at its moments, chosen by the seed."""
    moments = {
        ("gate", signal.SIGTERM): (EARLY, WAITING),
        ("gate", signal.SIGINT): (MIDDLE,),
        ("gate", signal.SIGKILL): (EARLY, MIDDLE),
        ("child", signal.SIGKILL): (EARLY, WAITING),
        ("gate", signal.SIGHUP): (EARLY,),  # its terminal is closed
    }
    chance = random.Random(SEED)  # noqa: S311 - moments, no secrets
    return [
        Kill(victim, sent, chance.randint(*span))
        for (victim, sent), spans in moments.items()
        for span in spans
    ]


Ends = Mapping[Kill, "Future[Killed]"]


@pytest.fixture(scope="module")
def ends(platform: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ends]:
    """Kill several gates side by side, all on one platform."""

    def killed(one: Kill) -> Killed:
        folder = tmp_path_factory.mktemp("killed")
        asked = without_traffic(platform, folder / "quiet.yaml")
        return kill(Gate(folder, platform.state.path), one, asked)

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        yield {one: pool.submit(killed, one) for one in kills()}


@pytest.mark.parametrize("one", kills(), ids=str)
def test_a_killed_run_keeps_its_promises(ends: Ends, platform: Sandbox, one: Kill) -> None:
    assert broken_promises(ends[one].result(), platform) == [], f"{one}, seed {SEED}"


def test_a_gate_killed_while_it_brings_the_platform_up_leaves_no_process(tmp_path: Path) -> None:
    """Nobody is there any more to take it down, so it has to notice by itself."""
    lonely = Gate(tmp_path, tmp_path / "state")
    with lonely.start("post-deploy", "--env", "local") as process:
        eventually("something is coming up", lambda: processes_naming(lonely.state))
        process.kill()
        process.communicate(timeout=60)
    eventually("nothing is left", lambda: not processes_naming(lonely.state))
    assert lonely.verdict()["state"] == "incomplete"
    assert lonely.verdict()["decision"] is None


@contextlib.contextmanager
def vendors_that_hang(platform: Sandbox) -> Iterator[None]:
    """Let the vendors take calls and not answer: a journey then waits for seconds at its payment."""
    rows = platform.ask({"do": "status"})["processes"]
    (vendors,) = (row["pid"] for row in rows if row["name"] == "standins")
    os.kill(vendors, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(vendors, signal.SIGCONT)


def test_records_of_a_child_killed_in_its_journey_are_removed_by_the_next_run(
    gate: Gate, platform: Sandbox
) -> None:
    own = checks_of_its_own(gate.folder / "journey", "IV-FLOW")
    asked = without_traffic(platform, gate.folder / "quiet.yaml", checks=str(own))
    with vendors_that_hang(platform):
        killed = kill(gate, Kill("child", signal.SIGKILL, 0, in_journey=True), asked)
    assert broken_promises(killed, platform) == []
    assert killed.run is not None
    assert journalled(killed.run)
    assert records(platform, killed.run) <= journalled(killed.run)
    run_checks(platform, killed.run.parent / f"next-{uuid.uuid4().hex}", ["IV-FLOW-1"])
    assert records(platform, killed.run) == set()
    assert journalled(killed.run) == set()

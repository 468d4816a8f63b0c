"""A watch of the local platform: sound, and under each fault that must end it or leave it open."""

from __future__ import annotations

import pathlib

import pytest

from sandbox.faults import catalogue
from tests.faults.runs import (
    AT_LENGTH,
    applied,
    folded,
    found,
    run_checks,
    said,
    together,
    with_state,
)
from tests.gates.process.gates import ForkedGate
from tests.sandbox.platforms import Sandbox

FAULTS = {fault.name: fault for fault in catalogue.load() if fault.gate == "watch"}
CHECKS = {"TRIG-1", "TRIG-2", "TRIG-3", "TRIG-4", "TRIG-5", "TRIG-6", "WATCH-1", "CANARY-1"}
SECONDS = 40
"""A fault ends its watch long before."""
TOGETHER = (
    ("ten-complaints-while-watched",),
    ("payments-lost-while-watched", "orphans-while-watched", "bookings-moved-while-watched"),
    (
        *("alertmanager-down-while-watched", "audit-log-unreadable-while-watched"),
        *("postgres-unreadable-while-watched", "support-desk-down-while-watched"),
    ),
)
"""Faults that one watch sees: the first on a platform that is sound; of one trigger, what is said of each."""
TOLD = ("payments has 9,498 rows", "1 row points nowhere", "rows of appointments from before")
BATCHES = [*TOGETHER, *([name] for name in FAULTS if not any(name in one for one in TOGETHER))]


NOT_WATCHED = (
    *("images", "frontend", "browser", "mobile", "dns", "certificates", "prometheus", "storage"),
    *("flags", "stability"),
)
"""What takes a baseline its time, and no trigger compares with."""


@pytest.fixture(scope="module")
def state(platform: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Return a state that knows how the platform is without faults."""
    folder = tmp_path_factory.mktemp("watch")
    file, known = folder / "environment.yaml", folder / "state"
    environment = with_state(platform, file, known, *NOT_WATCHED)
    taken = ForkedGate(folder, platform.state.path).run("baseline", "--env", str(environment))
    assert taken.returncode == 0, taken.stderr
    return known


@pytest.mark.parametrize(
    "names",
    [pytest.param(one, marks=AT_LENGTH) if one not in TOGETHER[1:2] else one for one in BATCHES],
    ids=" and ".join,
)
def test_a_fault_ends_the_watch_by_its_own_trigger_or_leaves_it_open(
    names: tuple[str, ...], platform: Sandbox, tmp_path: pathlib.Path, state: pathlib.Path
) -> None:
    fault = together([FAULTS[name] for name in names])
    with applied(platform, names):
        waits = fault.decision == "ROLLBACK" or "CANARY-1" in fault.fail
        lasts = SECONDS if waits else 11
        read = run_checks(platform, tmp_path, CHECKS, watch_seconds=lasts, state=state)
    wanted = {one: catalogue.expected(fault, one) for one in CHECKS}
    assert found(read, CHECKS) == wanted, said(read)
    assert folded(read, CHECKS).decision.value == fault.decision
    if names == TOGETHER[1]:
        assert all(one in said(read) for one in TOLD), said(read)

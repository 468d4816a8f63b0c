"""The first hour of a platform whose users come: sound, under each fault, and with each instrument away."""

from __future__ import annotations

import contextlib
import pathlib
import shutil
import time
from collections.abc import Iterator

import pytest

from sandbox.faults import catalogue
from sandbox.faults.catalogue import expected
from sandbox.faults.matrix import FIRST_HOUR, HEALTHY, LOOK_BACK_SECONDS, USERS_A_SECOND
from tests.faults.runs import AT_LENGTH, applied, folded, found, run_checks, said, together
from tests.gates.process.gates import ForkedGate
from tests.sandbox.platforms import Sandbox

CHECKS = {
    *(f"XV-{area}-{number}" for area in ("APP", "INFRA", "DB", "BIZ") for number in range(1, 5)),
    *("XV-USER-1", "XV-USER-2", "XV-USER-3", "H24-6"),
}
OF_THE_DAY = {"H24-6"}
FAULTS = {
    one.name: one
    for one in catalogue.load()
    if one.listed & CHECKS and (one.gate == FIRST_HOUR or one.listed <= CHECKS)
}
HARMLESS = "one-complaint"
BATCHES = (
    (),
    (
        *("users-stay-away", "cpu-limit-too-low", "memory-limit-too-low", "pool-nearly-full"),
        *("way-to-redis-slow", "transaction-left-open", "standby-replays-nothing"),
        *("queries-slower-than-before", "errors-in-the-first-hour", "slow-in-the-first-hour"),
        "container-restarts-in-the-first-hour",
    ),
    ("bookings-stop", "payments-stop", "registrations-stop", "video-calls-stop"),
    ("calls-dropped", "sessions-lost"),
    ("appointments-interrupted", "sessions-leak"),
    ("memory-leaks",),
    ("prometheus-away-the-day-after",),
    (
        *("prometheus-away-in-the-first-hour", "postgres-away-in-the-first-hour"),
        "kubernetes-away-in-the-first-hour",
    ),
    ("baseline-gone-in-the-first-hour",),
)


@pytest.fixture(scope="module")
def visited(platform: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Return a platform to which users come, with a baseline of that; without either in the end."""
    records = platform.state.gate
    kept = tmp_path_factory.mktemp("kept")
    shutil.copytree(records, kept, dirs_exist_ok=True)
    with (
        platform.start("users", "--rate", f"{USERS_A_SECOND}", "--for", "1800") as users,
        contextlib.ExitStack() as stack,
    ):
        stack.callback(users.terminate)
        time.sleep(LOOK_BACK_SECONDS)
        gate = ForkedGate(tmp_path_factory.mktemp("gate"), platform.state.path)
        taken = gate.run("baseline", "--env", "local", "--release", "v1.2.0")
        assert taken.returncode == 0, taken.stderr
        yield platform
    shutil.rmtree(records)
    shutil.copytree(kept, records)


@AT_LENGTH
@pytest.mark.parametrize("batch", BATCHES, ids=lambda batch: " and ".join(batch) or "sound")
def test_a_fault_turns_its_checks_of_the_first_hour(
    batch: tuple[str, ...], visited: Sandbox, tmp_path: pathlib.Path
) -> None:
    fault = together([FAULTS[name] for name in batch]) if batch else HEALTHY
    of_the_hour = fault.fail and fault.gate == FIRST_HOUR
    checks = CHECKS - OF_THE_DAY if of_the_hour else (fault.listed & CHECKS) or CHECKS
    # Whatever is applied is a release that goes live then.
    with applied(visited, batch or (HARMLESS,)):
        read = run_checks(visited, tmp_path, checks)
    assert found(read, checks) == {one: expected(fault, one) for one in checks}, said(read)
    assert folded(read, checks).decision.value == fault.decision


def test_every_check_of_the_first_hour_is_failed_by_some_fault_and_all_are_tried() -> None:
    assert {one for fault in FAULTS.values() for one in fault.fail} >= CHECKS
    assert {
        one for fault in FAULTS.values() for one in (*fault.error, *fault.inconclusive)
    } >= CHECKS
    assert sorted(name for batch in BATCHES for name in batch) == sorted(FAULTS)

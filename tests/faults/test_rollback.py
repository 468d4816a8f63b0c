"""After a rollback: red before it, green after it by each method, and red under each fault."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator

import pytest

from gates.decide.fold import Stage
from gates.decide.scope import PostRollback
from gates.load import load_catalogue
from sandbox.core.state import StateDirectory
from sandbox.faults import catalogue
from sandbox.faults.catalogue import Fault, expected
from tests.faults.runs import AT_LENGTH, applied, folded, found, run_checks, said, together
from tests.faults.walk import Walk
from tests.gates.process.gates import ForkedGate
from tests.sandbox.platforms import Sandbox

FAULTS = {fault.name: fault for fault in catalogue.load() if fault.gate == "post-rollback"}
METHODS = {"flags": "v1.2.0", "kubernetes": "v1.1.0"}
"""What has to serve after each."""
BATCHES = (
    (
        *("one-replica-not-rolled-back", "percentage-left-in-force", "rollback-not-announced"),
        *("errors-after-a-rollback", "slow-after-a-rollback", "booking-broken-after-a-rollback"),
        "status-page-not-updated",
    ),
    ("service-selects-the-release", "slack-down-after-a-rollback", "impact-not-assessed"),
    (
        *("clusters-unreadable-after-a-rollback", "status-page-down"),
        *("prometheus-down-after-a-rollback", "bookings-unreadable-after-a-rollback"),
    ),
    ("rolled-back-to-another-image", "flags-unreadable-after-a-rollback"),
    ("release-left-running", "wrong-version-after-a-rollback"),
)
"""Together are faults whose checks do not meet."""
ALONE = (
    "baseline-lost-after-a-rollback",
    "configuration-of-the-release-left",
)
"""Tried in `./harness faults` alone: each meets all batches."""
RESTORE_FAULTS = {fault.name: fault for fault in catalogue.load() if fault.gate == "post-restore"}
RESTORE_BATCHES = (
    (
        *("records-reverted-at-one-server", "restored-from-last-night", "restored-with-orphans"),
        *("release-runs-after-a-restore", "service-away-after-a-rollback"),
        *("errors-after-a-dns-rollback", "loss-not-signed"),
    ),
    ("records-not-reverted", "application-not-stopped", "restored-without-some-rows"),
    ("restore-told-as-failed",),
    ("nobody-follows-the-rollback-up",),
    ("cache-keeps-the-release", "restore-not-told", "column-left-after-a-restore"),
    (
        *("migration-left-after-a-restore", "wrong-version-after-a-restore"),
        "prometheus-down-after-a-restore",
    ),
    ("database-unreadable-after-a-restore", "name-servers-silent-after-a-rollback"),
    ("clusters-unreadable-after-a-restore", "backups-unreadable-after-a-restore"),
)
RESTORE_ALONE = ("baseline-lost-after-a-restore",)
RED_BEFORE = {
    "FAIL": {
        *("RB-K8S-1", "RB-K8S-2", "RB-K8S-3", "RB-FLAG-1", "RB-NOW-1"),
    },
    "INCONCLUSIVE": {
        *("RB-K8S-4", "RB-K8S-5", "RB-FLAG-2", "RB-FLAG-3", "RB-FLAG-4"),
        *("RB-NOW-2", "RB-NOW-4", "RB-NOW-5", "RB-NOW-6"),
    },
}
pytestmark = pytest.mark.xdist_group("rollback")


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """Run a platform whose release is deployed after a baseline, so that there is a way back."""
    folder = tmp_path_factory.mktemp("rollback")
    platform = Sandbox(StateDirectory(folder / "state"))
    up = platform.run("up", "--pending", "--owner", str(os.getpid()))
    assert up.returncode == 0, up.stderr
    walk = Walk(platform, ForkedGate(folder, platform.state.path))
    taken = walk.gate.run("baseline", "--env", "local")
    assert taken.returncode == 0, taken.stderr
    walk.carry_out(7)
    yield walk
    down = platform.run("down")
    assert down.returncode == 0, down.stderr


@pytest.fixture(scope="module")
def restored(walk: Walk) -> Walk:
    """Return the platform after a restore of its database and of its records."""
    for method in ("database", "dns"):
        walk.platform.ask({"do": "rollback", "method": method})
    return walk


CHECKS = {
    row.id for row in PostRollback(tuple(METHODS)).scope(load_catalogue(), switched=True).rows
}


def test_it_is_red_before_a_rollback_and_go_after_it_by_each_method(
    walk: Walk, tmp_path: pathlib.Path
) -> None:
    before = run_checks(walk.platform, tmp_path, CHECKS, restored="v1.1.0")
    outcomes = found(before, CHECKS)
    red = {word: {one for one in CHECKS if outcomes[one] == word} for word in RED_BEFORE}
    assert red == RED_BEFORE, said(before)
    assert folded(before, CHECKS, Stage.TAKEN_BACK).decision.value == "HOLD"
    for method, serves in METHODS.items():
        walk.platform.ask({"do": "rollback", "method": method})
        verdict = walk.ask("post-rollback", "--method", method)
        assert verdict["decision"] == "GO", [one["sentence"] for one in verdict["reasons"]]
        assert f"What has to serve is {serves}." in verdict["sentences"]


@AT_LENGTH
@pytest.mark.parametrize("batch", BATCHES, ids=" and ".join)
def test_a_fault_turns_its_checks_after_a_rollback(
    walk: Walk, tmp_path: pathlib.Path, batch: tuple[str, ...]
) -> None:
    walk.platform.ask({"do": "rollback", "method": "kubernetes"})
    _turns_its_checks(walk, tmp_path, [FAULTS[name] for name in batch])


def _turns_its_checks(walk: Walk, tmp_path: pathlib.Path, faults: list[Fault]) -> None:
    faulty = together(faults)
    with applied(walk.platform, [one.name for one in faults]):
        read = run_checks(walk.platform, tmp_path, faulty.listed, restored="v1.1.0")
    wanted = {one: expected(faulty, one) for one in faulty.listed}
    assert found(read, faulty.listed) == wanted, said(read)
    assert folded(read, faulty.listed).decision.value == "HOLD"


def test_every_fault_is_in_one_batch_and_every_check_is_red_under_one() -> None:
    assert sorted((*(name for batch in BATCHES for name in batch), *ALONE)) == sorted(FAULTS)
    notices = {"RB-FLAG-4", "RB-NOW-4", "RB-NOW-6"}
    assert {one for fault in FAULTS.values() for one in fault.fail} == CHECKS - notices
    assert {one for fault in FAULTS.values() for one in fault.inconclusive} >= notices
    instruments = {one for fault in FAULTS.values() for one in fault.error}
    assert instruments == CHECKS


@AT_LENGTH
def test_it_is_go_a_week_after_a_restore_and_a_dns_rollback(restored: Walk) -> None:
    methods = ("--method", "dns", "--method", "database")
    verdict = restored.ask("post-rollback", *methods, "--at", "1w")
    assert verdict["decision"] == "GO", [one["sentence"] for one in verdict["reasons"]]


@AT_LENGTH
@pytest.mark.parametrize("batch", RESTORE_BATCHES, ids=" and ".join)
def test_a_fault_turns_its_checks_after_a_restore(
    restored: Walk, tmp_path: pathlib.Path, batch: tuple[str, ...]
) -> None:
    _turns_its_checks(restored, tmp_path, [RESTORE_FAULTS[name] for name in batch])


def test_every_fault_after_a_restore_is_tried_and_every_check_is_red_under_one() -> None:
    tried = (*(name for batch in RESTORE_BATCHES for name in batch), *RESTORE_ALONE)
    assert sorted(tried) == sorted(RESTORE_FAULTS)
    asked = PostRollback(("dns", "database")).scope(load_catalogue(), switched=True).rows
    mine = {row.id for row in asked if row.when in ("dns", "database")}
    assert {one for fault in RESTORE_FAULTS.values() for one in fault.fail} >= mine

"""What a hotfix put off is asked in the last window, whatever became of its file since."""

from __future__ import annotations

import pathlib
import shutil
from typing import Any

import pytest
import yaml

from environments.release_file import path_of
from gates.decide.release import Release
from gates.decide.scope import Deferred, Gate, PostDeploy, PreDeploy
from gates.load import load_policy
from gates.run.deferral import for_release, owed
from tests.environments.test_release_file import WHOLE
from tests.gates.run.sealed import Clinic, clinic, signing_clinic
from tests.gates.run.tampered import record
from tests.tables import cases

TAG = Release.parse("v1.2.0")
LEFT = Deferred(("T7-DOCS-6",), "Sunday 2026-02-01 22:00 UTC")


def asked(at: Clinic, gate: Gate | None = None) -> tuple[tuple[str, ...], str]:
    """Return what the last window asks besides its own, and why that can't be told."""
    found, unknown = for_release(gate or PostDeploy("24h"), at.loaded, load_policy(), TAG)
    left: Deferred | None = getattr(found, "deferred", None)
    return (left.checks if left else ()), "; ".join(unknown)


@pytest.fixture(scope="module")
def put_off(tmp_path_factory: pytest.TempPathFactory) -> Clinic:
    """Return a clinic whose countdown left an item for later."""
    made = signing_clinic(tmp_path_factory.mktemp("hotfix"))
    made.run(gate=PreDeploy("T-7d", LEFT), deferred=LEFT)
    return made


def written(at: Clinic, text: str) -> None:
    path = path_of(at.loaded, TAG)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@cases(
    "file checks",
    {
        "gone": (None, LEFT.checks),
        "called a standard release since": (yaml.safe_dump(WHOLE), LEFT.checks),
    },
)
def test_what_the_countdown_left_out_is_asked_although_the_file_says_nothing_of_it(
    put_off: Clinic, file: str | None, checks: tuple[str, ...]
) -> None:
    if file is not None:
        written(put_off, file)
    assert asked(put_off) == (checks, "")
    assert asked(put_off, PostDeploy("1h")) == ((), "")
    assert asked(put_off, PreDeploy("T-2h")) == ((), "")
    path_of(put_off.loaded, TAG).unlink(missing_ok=True)


def test_a_release_file_that_can_not_be_read_is_no_release_that_defers_nothing(
    tmp_path: pathlib.Path,
) -> None:
    at = clinic(tmp_path)
    assert asked(at) == ((), "")
    written(at, "kind: [")
    assert "whether this release defers anything is unknown: " in asked(at)[1]
    assert asked(at, PreDeploy("T-2h")) == ((), "")


@cases(
    "change",
    {
        "damaged": {"release": "v1.3.0"},
        "with another thing in place of what was left out": {"deferred": ["T7-DOCS-6"]},
    },
)
def test_a_state_that_does_not_tell_what_was_left_out_is_said(
    put_off: Clinic, tmp_path: pathlib.Path, change: dict[str, Any]
) -> None:
    at = Clinic(tmp_path / "copy")
    shutil.copytree(put_off.folder, at.folder)
    with record(at.chain() / "000001.json") as held:
        held.update(change)
    assert "what the countdown deferred is unknown: " in asked(at)[1]


def counted(at: str = "T-2h", decision: str = "GO", *regions: str, **more: Any) -> dict[str, Any]:
    by_region = dict.fromkeys(regions or ("eu", "us"), decision)
    return {"gate": "pre-deploy", "at": at, "decision": decision, "regions": by_region, **more}


PUT_OFF = counted(deferred=LEFT.record())


@cases(
    "records checks",
    {
        "never left out": ([counted()], []),
        "left out": ([PUT_OFF], [LEFT]),
        "asked to the end since, and GO": ([PUT_OFF, counted()], []),
        "asked to the end since, and HOLD": ([PUT_OFF, counted("T-2h", "HOLD")], [LEFT]),
        "asked in one region since": ([PUT_OFF, counted("T-2h", "GO", "eu")], [LEFT]),
        "asked in part since": ([PUT_OFF, counted("T-1d")], [LEFT]),
        "asked before": ([counted(), PUT_OFF], [LEFT]),
    },
)
def test_what_is_owed_of_a_countdown(records: list[dict[str, Any]], checks: list[Deferred]) -> None:
    assert owed(records) == checks

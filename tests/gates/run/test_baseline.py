"""Whether a baseline shows the platform as it was before its deployment."""

from __future__ import annotations

import datetime as dt
import pathlib
from typing import Any

import pytest

from checks.history import folder
from environments.store import Folder, Store
from gates.decide.history import PhaseRun
from gates.decide.outcome import Decision
from gates.load import load_catalogue
from gates.run.baseline import late_remark
from probes.observation import utc_now

RECORD: dict[str, Any] = {
    "environment": "clinic",
    "release": "v1.2.0",
    "traffic_switched_at": None,
}


def asked(store: Store, decision: Decision, hours_ago: float) -> None:
    """Leave a run of phase 1 in the history."""
    at = utc_now() - dt.timedelta(hours=hours_ago)
    run = PhaseRun("r1", "1", at, at, {"1.1": {"eu": decision}})
    store.add(f"{folder('clinic', 'v1.2.0', '1')}/r1.json", run.record())


@pytest.mark.parametrize(
    ("decision", "hours_ago", "says"),
    [
        pytest.param(Decision.GO, 1, "Phase 1 was GO already", id="phase 1 is done"),
        pytest.param(Decision.STOP, 1, None, id="phase 1 was only asked"),
        pytest.param(Decision.GO, 30, None, id="phase 1 of another deployment"),
    ],
)
def test_a_baseline_after_the_deployment_began_says_so(
    tmp_path: pathlib.Path, decision: Decision, hours_ago: float, says: str | None
) -> None:
    store = Store(Folder(tmp_path))
    asked(store, decision, hours_ago)
    remark = late_remark(RECORD, store, load_catalogue())
    assert (remark is None) if says is None else (says in str(remark))


def test_a_baseline_after_the_switch_says_so(tmp_path: pathlib.Path) -> None:
    record = RECORD | {"traffic_switched_at": "2026-01-31T22:45:00+00:00"}
    assert "Traffic is switched" in str(late_remark(record, Store(Folder(tmp_path)), ()))


def test_a_history_that_is_damaged_leaves_it_open(tmp_path: pathlib.Path) -> None:
    store = Store(Folder(tmp_path))
    asked(store, Decision.GO, 1)
    (record,) = tmp_path.rglob("r1.json")
    record.write_text("{")
    assert "can't be told" in str(late_remark(RECORD, store, load_catalogue()))

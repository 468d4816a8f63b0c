"""Whether a baseline shows the platform as it was before its deployment."""

from __future__ import annotations

import pathlib
from typing import Any

from environments.store import Folder, Store
from gates.cli.set_up import late_remark
from gates.decide.outcome import Decision
from probes.observation import utc_now
from steps.kit.history import History
from tests.gates.decide.histories import AT, Step, keep
from tests.tables import cases

RECORD: dict[str, Any] = {
    "environment": "clinic",
    "release": "v1.2.0",
    "traffic_switched_at": None,
}


def asked(history: History, decision: Decision, hours_ago: float) -> None:
    """Leave a run of phase 1 in the history."""
    minutes = (utc_now() - AT).total_seconds() / 60 - hours_ago * 60
    keep(history, Step(minutes, {"1.1": {"eu": decision}}))


@cases(
    "decision hours_ago says",
    {
        "phase 1 is done": (Decision.GO, 1, "Phase 1 was GO already"),
        "phase 1 was only asked": (Decision.STOP, 1, None),
        "phase 1 of another deployment": (Decision.GO, 30, None),
    },
)
def test_a_baseline_after_the_deployment_began_says_so(
    tmp_path: pathlib.Path, decision: Decision, hours_ago: float, says: str | None
) -> None:
    history = History(Store(Folder(tmp_path)), "clinic", "v1.2.0")
    asked(history, decision, hours_ago)
    remark = late_remark(RECORD, history)
    assert (remark is None) if says is None else (says in str(remark))


def test_a_baseline_after_the_switch_says_so(tmp_path: pathlib.Path) -> None:
    record = RECORD | {"traffic_switched_at": "2026-01-31T22:45:00+00:00"}
    assert "Traffic is switched" in str(
        late_remark(record, History(Store(Folder(tmp_path)), "clinic", "v1.2.0"))
    )


def test_a_history_that_is_damaged_leaves_it_open(tmp_path: pathlib.Path) -> None:
    history = History(Store(Folder(tmp_path)), "clinic", "v1.2.0")
    asked(history, Decision.GO, 1)
    (record,) = tmp_path.rglob("000002.json")
    record.write_text("{")
    assert "is unknown" in str(late_remark(RECORD, history))

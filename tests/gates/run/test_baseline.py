"""Whether a baseline shows the platform as it was before its deployment."""

from __future__ import annotations

import pathlib
from typing import Any

from environments.store import Folder, Store
from gates.cli.set_up import late_remark
from gates.decide.outcome import Decision
from probes.observation import utc_now
from steps.kit.chain import History
from tests.gates.decide.histories import AT, Step, keep
from tests.tables import cases

RECORD: dict[str, Any] = {"environment": "clinic", "release": "v1.2.0", "traffic_switched_at": None}
SWITCHED = {"traffic_switched_at": "2026-01-31T22:45:00+00:00"}


@cases(
    "decision hours_ago changes says",
    {
        "phase 1 is done": (Decision.GO, 1, {}, "Phase 1 was GO already"),
        "phase 1 was only asked": (Decision.STOP, 1, {}, None),
        "phase 1 of another deployment": (Decision.GO, 30, {}, None),
        "traffic is switched": (Decision.STOP, 1, SWITCHED, "Traffic is switched"),
    },
)
def test_a_baseline_after_the_deployment_began_says_so(
    tmp_path: pathlib.Path,
    decision: Decision, hours_ago: float, changes: dict[str, Any], says: str | None,
) -> None:  # fmt: skip
    history = History(Store(Folder(tmp_path)), "clinic", "v1.2.0")
    minutes = (utc_now() - AT).total_seconds() / 60 - hours_ago * 60
    keep(history, Step(minutes, {"1.1": {"eu": decision}}))
    remark = late_remark(RECORD | changes, history)
    assert (remark is None) if says is None else (says in str(remark))
    # A history that is damaged leaves it open.
    next(tmp_path.rglob("000002.json")).write_text("{")
    assert bool(changes) is ("is unknown" not in str(late_remark(RECORD | changes, history)))

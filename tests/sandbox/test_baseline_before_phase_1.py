"""The operator's baseline: taken before phase 1 where nobody took one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox import deployment
from sandbox.core import SandboxError
from sandbox.core.state import StateDirectory

if TYPE_CHECKING:
    from pathlib import Path


def test_one_that_is_there_is_kept(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path)
    folder = state.gate / "local" / "v1.2.0" / "baseline"
    folder.mkdir(parents=True)
    (folder / "20260131T220000Z-baseline-abc123.json").write_text("{}")
    assert not deployment.take_baseline(state)


def test_where_the_gate_can_take_none_phase_1_does_not_begin(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match=r"phase 1 does not begin: gate: .*environment\.yaml"):
        deployment.take_baseline(StateDirectory(tmp_path))

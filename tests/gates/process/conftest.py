"""Gates for the tests of this folder."""

from __future__ import annotations

import pathlib

import pytest

from tests.gates.process.gates import Gate
from tests.sandbox.platforms import Sandbox


@pytest.fixture
def gate(platform: Sandbox, tmp_path: pathlib.Path) -> Gate:
    """Return a gate against the running platform."""
    return Gate(tmp_path, platform.state.path)


@pytest.fixture
def lonely_gate(tmp_path: pathlib.Path) -> Gate:
    """Return a gate; no platform runs and none may be started."""
    return Gate(tmp_path, tmp_path / "no-platform")

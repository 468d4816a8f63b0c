"""Gates for the tests of this folder."""

from __future__ import annotations

import pathlib

import pytest

from tests.gates.process.gates import Gate, copy_of_checkout
from tests.sandbox.platforms import Sandbox


@pytest.fixture
def gate(platform: Sandbox, tmp_path: pathlib.Path) -> Gate:
    """Return the gate of a copy of this checkout, against the running platform."""
    return Gate(copy_of_checkout(tmp_path / "checkout"), platform.state.path)


@pytest.fixture
def lonely_gate(tmp_path: pathlib.Path) -> Gate:
    """Return the gate of a copy of this checkout; no platform runs and none may be started."""
    return Gate(copy_of_checkout(tmp_path / "checkout"), tmp_path / "no-platform")

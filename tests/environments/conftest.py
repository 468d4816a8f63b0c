from __future__ import annotations

import pytest

from tests.environments.files import SECRETS


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the variables that the valid file refers to."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)

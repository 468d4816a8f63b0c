"""When traffic was switched, as the caller or the environment's file says it."""

from __future__ import annotations

import datetime as dt
import pathlib

import pytest

from environments.yaml_file import ConfigurationError, RequestError
from probes.observation import utc_now
from steps.kit.request import switched_at_of
from tests.environments.files import SECRETS, changed, loaded

TOLD = "switched_at: 2026-01-31T22:00:00Z"


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


def _at(hours: float) -> str:
    return (utc_now() + dt.timedelta(hours=hours)).isoformat()


def test_the_file_says_it_unless_the_caller_does(tmp_path: pathlib.Path) -> None:
    told = _at(hours=-3)
    there = loaded(tmp_path, changed(TOLD, f"switched_at: {told}"))
    assert switched_at_of(None, there) == dt.datetime.fromisoformat(told)
    later = _at(hours=-2)
    assert switched_at_of(later, there) == dt.datetime.fromisoformat(later)


def test_a_switch_of_another_release_is_refused_whoever_says_it(tmp_path: pathlib.Path) -> None:
    long_ago = loaded(tmp_path, changed(TOLD, "switched_at: 2020-01-31T22:00:00Z"))
    with pytest.raises(ConfigurationError, match=r"clinic.yaml: traffic.switched_at: .* 31 days"):
        switched_at_of(None, long_ago)
    with pytest.raises(RequestError, match=r"--switched-at: 2020-01-31T22:00:00Z is more than 31"):
        switched_at_of("2020-01-31T22:00:00Z", long_ago)


def test_a_time_to_come_is_refused_whoever_says_it(tmp_path: pathlib.Path) -> None:
    planned = loaded(tmp_path, changed(TOLD, f"switched_at: {_at(hours=2)}"))
    with pytest.raises(ConfigurationError, match=r"clinic.yaml: traffic.switched_at: .* to come"):
        switched_at_of(None, planned)
    with pytest.raises(RequestError, match="still to come"):
        switched_at_of(_at(hours=2), planned)
    assert switched_at_of(_at(hours=-1), planned) is not None


def test_another_machines_clock_may_be_seconds_ahead(tmp_path: pathlib.Path) -> None:
    assert switched_at_of(_at(hours=0.01), loaded(tmp_path)) is not None

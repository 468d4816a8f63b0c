"""When traffic was switched, as the caller or the environment's file says it."""

from __future__ import annotations

import datetime as dt
import pathlib
import re

import pytest

from environments.yaml_file import ConfigurationError, RequestError
from probes.observation import utc_now
from steps.kit.request import rolled_back_at_of, switched_at_of
from tests.environments.files import SECRETS, changed, loaded
from tests.tables import cases

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


@cases("moment says", {"long ago": (None, ".* 31 days|more than 31"), "to come": (2, "to come")})
def test_a_switch_of_another_time_is_refused_whoever_says_it(
    tmp_path: pathlib.Path, moment: float | None, says: str
) -> None:
    at = "2020-01-31T22:00:00Z" if moment is None else _at(hours=moment)
    there = loaded(tmp_path, changed(TOLD, f"switched_at: {at}"))
    with pytest.raises(ConfigurationError, match=rf"clinic.yaml: traffic.switched_at: .*({says})"):
        switched_at_of(None, there)
    with pytest.raises(RequestError, match=rf"--switched-at: {re.escape(at)}.*({says})"):
        switched_at_of(at, there)
    assert switched_at_of(_at(hours=-1), there) is not None


def test_another_machines_clock_may_be_seconds_ahead(tmp_path: pathlib.Path) -> None:
    assert switched_at_of(_at(hours=0.01), loaded(tmp_path)) is not None


def test_a_rollback_was_after_the_switch_and_is_never_the_switch_itself(
    tmp_path: pathlib.Path,
) -> None:
    released, back = _at(hours=-3), _at(hours=-1)
    there = loaded(tmp_path, changed(TOLD, f"switched_at: {released}"))
    assert rolled_back_at_of(None, there) is None
    assert rolled_back_at_of(back, there) == dt.datetime.fromisoformat(back)
    with pytest.raises(RequestError, match=r"--switched-at: .* is not after the switch"):
        rolled_back_at_of(_at(hours=-4), there)
    both = f"switched_at: {released}\n  rolled_back_at: {released}"
    told = loaded(tmp_path, changed(TOLD, both))
    with pytest.raises(ConfigurationError, match=r"traffic\.rolled_back_at: .* is not after"):
        rolled_back_at_of(None, told)

"""Synthetic records of a load run, on a small server that lists none of them any more."""

from __future__ import annotations

import pathlib

import pytest

from environments.loader import load_file
from load import _records
from load._records import JOURNAL, Records
from tests.environments.files import SECRETS, VALID, write
from tests.probes.servers import answer, hang, serving


def test_what_earlier_runs_left_on_a_platform_that_hangs_delays_a_run_once(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(_records, "REMOVE_SECONDS", 0.3)
    problems: list[str] = []
    with serving(hang) as server:
        loaded = load_file(write(tmp_path, VALID.replace("https://eu.clinic.example", server.url)))
        for run in ("one", "two", "three"):
            (tmp_path / run).mkdir()
            Records(loaded, tmp_path / run, ["eu"]).announce()
        Records(loaded, tmp_path / "four", ["eu"]).remove_left_overs(problems.append)
    assert len(problems) == 3
    # Where one has used the time up, the others are not even tried; the next run tries again.
    assert server.connections == 1


def test_a_journal_that_cannot_be_written_any_more_is_told_and_spoils_no_run(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    with serving(answer(b'{"records": []}')) as server:
        loaded = load_file(write(tmp_path, VALID.replace("https://eu.clinic.example", server.url)))
        # A folder stands where the journal should be.
        (tmp_path / "run" / JOURNAL).mkdir(parents=True)
        (problem,) = Records(loaded, tmp_path / "run", ["eu"]).remove()
    assert "cannot note that load-run-eu was removed" in problem

"""Synthetic records of a load run, on a small server that lists none of them any more."""

from __future__ import annotations

import pathlib

import pytest

from environments.loader import load_file
from load import _keep
from load._keep import JOURNAL, Records
from tests.environments.files import VALID, write
from tests.probes.servers import answer, hang, serving

pytestmark = pytest.mark.usefixtures("secrets")


def test_what_earlier_runs_left_on_a_platform_that_hangs_delays_a_run_once(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_keep, "REMOVE_SECONDS", 0.3)
    problems: list[str] = []
    with serving(hang) as server:
        loaded = load_file(write(tmp_path, VALID.replace("https://eu.clinic.example", server.url)))
        for run in ("one", "two", "three"):
            (tmp_path / run).mkdir()
            Records(loaded, tmp_path / run, {"eu": server.url}).announce()
        Records(loaded, tmp_path / "four", {"eu": server.url}).remove_left_overs(problems.append)
    assert len(problems) == 3
    # Where one has used the time up, the others are not even tried; the next run tries again.
    assert server.connections == 1


def test_a_journal_that_cannot_be_written_any_more_is_told_and_spoils_no_run(
    tmp_path: pathlib.Path,
) -> None:
    with serving(answer(b'{"records": []}')) as server:
        loaded = load_file(write(tmp_path, VALID.replace("https://eu.clinic.example", server.url)))
        # A folder stands where the journal should be.
        (tmp_path / "run" / JOURNAL).mkdir(parents=True)
        (problem,) = Records(loaded, tmp_path / "run", {"eu": server.url}).remove()
    assert "cannot note that load-run-eu was removed" in problem


def test_what_was_made_at_an_address_that_is_no_regions_is_removed_there_too(
    tmp_path: pathlib.Path,
) -> None:
    loaded = load_file(write(tmp_path, VALID))
    with serving(answer(b'{"records": []}')) as server:
        addresses = {"host": server.url}
        (tmp_path / "killed").mkdir()
        Records(loaded, tmp_path / "killed", addresses).announce()
        later = Records(loaded, tmp_path / "later", addresses)
        problems: list[str] = []
        later.remove_left_overs(problems.append)
        assert problems == []
        # Asked to remove and then to list what is left.
        assert server.connections >= 1
    assert '"removed": "load-killed-host"' in (tmp_path / "killed" / JOURNAL).read_text("utf-8")

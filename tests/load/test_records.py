"""Synthetic records of a load run, on a small server that lists none of them any more."""

from __future__ import annotations

import pathlib

import pytest

from environments.loader import load_file
from load._records import JOURNAL, Records
from tests.environments.files import SECRETS, VALID, write
from tests.probes.servers import answer, serving


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

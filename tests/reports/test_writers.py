from __future__ import annotations

import pathlib

import pytest

from reports import writers
from reports.verdict import DamagedVerdictError
from tests.reports import golden_files, verdicts


def test_every_format_is_written_whole_and_nothing_is_left_beside_it(
    tmp_path: pathlib.Path,
) -> None:
    writers.write_all(tmp_path, verdicts.go())

    writers.write_all(tmp_path, verdicts.go())

    assert {path.name for path in tmp_path.iterdir()} == {*writers.WRITERS, "allure-results"}
    assert len(list((tmp_path / "allure-results").iterdir())) == 13
    text = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert text == writers.WRITERS["summary.md"](verdicts.go())


def test_a_report_that_cannot_take_its_place_leaves_no_half_of_itself(
    tmp_path: pathlib.Path,
) -> None:
    (tmp_path / "junit.xml").mkdir()

    with pytest.raises(OSError, match=r"junit\.xml"):
        writers.write_all(tmp_path, verdicts.go())

    assert [path.name for path in tmp_path.iterdir()] == ["junit.xml"]


def test_a_verdict_that_contradicts_itself_is_never_written(tmp_path: pathlib.Path) -> None:
    with pytest.raises(DamagedVerdictError):
        writers.write_all(tmp_path, verdicts.go() | {"exit_code": 10})

    assert list(tmp_path.iterdir()) == []


def test_every_golden_file_belongs_to_a_verdict_and_a_format() -> None:
    formats = {"junit.xml", "summary.md", "plain.txt", "terminal.txt", "explain.txt"}

    stray = {
        name
        for name in golden_files.names()
        if name.partition(".")[0] not in verdicts.EVERY or name.partition(".")[2] not in formats
    }

    assert stray == set()

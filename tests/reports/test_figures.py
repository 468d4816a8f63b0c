"""An interpolated quantile is marked as one in everything that people and machines read.

The golden files of `interpolated` and `between_bounds` show how; those of other verdicts have none.
"""

from __future__ import annotations

import json

import pytest

from reports import explanation
from tests.reports import golden_files, verdicts


def test_every_golden_file_of_an_interpolated_quantile_marks_it_and_no_other_does() -> None:
    marked = {
        path.name: "interpolated" in path.read_text(encoding="utf-8")
        for path in golden_files.FOLDER.iterdir()
    }
    wanted = ("interpolated.", "between_bounds.")
    assert marked == {name: name.startswith(wanted) for name in marked}


def test_what_machines_read_marks_it_too() -> None:
    for verdict, found in ((verdicts.interpolated(), True), (verdicts.go(), False)):
        said = [json.dumps(verdict.record()), json.dumps(explanation.as_json(verdict))]
        assert ["interpolated" in said[0], "interpolated" in explanation.render(verdict)] == [
            found
        ] * 2
    assert "142 ms (interpolated)" in json.dumps(explanation.as_json(verdicts.between_bounds()))


@pytest.mark.parametrize("lost", ["quantile", "samples", "budget", "over_bounds"])
def test_a_damaged_quantile_is_shown_as_far_as_it_goes(lost: str) -> None:
    verdict = verdicts.between_bounds()
    for reason in verdict.reasons:
        assert reason.judgement is not None
        del reason.judgement.data[lost]  # type: ignore[attr-defined]  # damaged
    assert "142 ms" in explanation.render(verdict)

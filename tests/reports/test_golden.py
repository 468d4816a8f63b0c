"""What each report looks like; the golden files say which verdict is compared in which format."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Callable, Mapping

import pytest

from gates.decide.judgement import equals
from gates.decide.verdict import Verdict
from reports import explanation, junit, sign_off, terminal, writers
from reports.events import read_lines
from tests.golden import compare_file
from tests.reports import verdicts
from tests.reports.test_events import TORN
from tests.reports.test_terminal import drawn

GOLDEN = pathlib.Path(__file__).parent / "golden"
FORMATS: Mapping[str, Callable[[Verdict], str]] = {
    "junit.xml": junit.render,
    "summary.md": writers.summary,
    "sign-off.html": sign_off.render,
    "plain.txt": terminal.plain,
    "terminal.txt": lambda verdict: "\n".join(map(str.rstrip, drawn(verdict).splitlines())) + "\n",
    "explain.txt": lambda verdict: explanation.render(
        verdict, read_lines(TORN.split("\n")) if verdict.state == "incomplete" else None
    ),
}


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.iterdir()))
def test_a_report_looks_as_its_golden_file(name: str) -> None:
    verdict, _, kind = name.partition(".")
    compare_file(GOLDEN / name, FORMATS[kind](verdicts.EVERY[verdict]()))


def test_every_golden_file_of_an_interpolated_quantile_marks_it_and_no_other_does() -> None:
    marked = {
        path.name: "interpolated" in path.read_text(encoding="utf-8") for path in GOLDEN.iterdir()
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


def test_what_a_sentence_holds_cannot_break_the_page() -> None:
    said = "a | b `c` <img src=x> *d* [e](f)\n# not a heading"
    bad = dataclasses.replace(equals("status", 503, 200), sentence=said)
    text = writers.summary(verdicts.failing(bad))
    assert r"a \| b \`c\` \<img src=x\> \*d\* \[e\](f) # not a heading" in text
    assert "\n# not a heading" not in text


def test_every_row_of_a_table_has_the_same_number_of_cells() -> None:
    rows = [line for line in writers.summary(verdicts.hold()).splitlines() if line.startswith("|")]
    checks = rows[rows.index("|---|---|---|---|") - 1 :]
    assert {row.count("|") for row in checks} == {5}

"""What each report looks like; the golden files say which verdict is compared in which format."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from gates.decide.verdict import Verdict
from reports import explanation, junit, summary, terminal
from reports.events import read_lines
from tests.reports import golden_files, verdicts
from tests.reports.test_events import TORN
from tests.reports.test_terminal import drawn

FORMATS: Mapping[str, Callable[[Verdict], str]] = {
    "junit.xml": junit.render,
    "summary.md": summary.render,
    "plain.txt": terminal.plain,
    "terminal.txt": lambda verdict: "\n".join(map(str.rstrip, drawn(verdict).splitlines())) + "\n",
    "explain.txt": lambda verdict: explanation.render(
        verdict, read_lines(TORN.split("\n")) if verdict.state == "incomplete" else None
    ),
}


@pytest.mark.parametrize("name", sorted(path.name for path in golden_files.FOLDER.iterdir()))
def test_a_report_looks_as_its_golden_file(name: str) -> None:
    verdict, _, kind = name.partition(".")
    golden_files.compare(name, FORMATS[kind](verdicts.EVERY[verdict]()))

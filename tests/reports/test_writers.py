from __future__ import annotations

import io
import pathlib
import re
from typing import Any

import pytest
from rich.console import Console

from reports import explanation, terminal, writers
from reports.verdict import DamagedVerdictError, read
from tests.reports import verdicts

GO = verdicts.go().record()


def test_every_format_is_written_whole_and_nothing_is_left_beside_it(
    tmp_path: pathlib.Path,
) -> None:
    for _ in range(2):
        writers.write_all(tmp_path, GO)
    assert {path.name for path in tmp_path.iterdir()} == {*writers.WRITERS, "allure-results"}
    assert len(list((tmp_path / "allure-results").iterdir())) == 13
    text = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert text == writers.WRITERS["summary.md"](verdicts.go())


def test_a_report_that_cannot_take_its_place_leaves_no_half_of_itself(
    tmp_path: pathlib.Path,
) -> None:
    (tmp_path / "junit.xml").mkdir()
    with pytest.raises(OSError, match=r"junit\.xml"):
        writers.write_all(tmp_path, GO)
    assert [path.name for path in tmp_path.iterdir()] == ["junit.xml"]


def test_a_verdict_that_contradicts_itself_is_never_written(tmp_path: pathlib.Path) -> None:
    with pytest.raises(DamagedVerdictError):
        writers.write_all(tmp_path, GO | {"exit_code": 10})
    assert list(tmp_path.iterdir()) == []


NASTY = "\x1b[2J\x9b31m\u202e\ud83d\x00\ufffe"


def tampered(value: Any, *, key: str = "") -> Any:
    """Return a record with something nasty in every text that is not one of its own words."""
    own = {
        "schema",
        "state",
        "decision",
        "outcome",
        "stage",
        "means",
        "started_at",
        "finished_at",
        "on_fail",
        "phases",
    }
    if isinstance(value, dict):
        regions = key == "regions" and all(isinstance(one, str) for one in value.values())
        return {
            name + NASTY if key == "regions" else name: one if regions else tampered(one, key=name)
            for name, one in value.items()
        }
    if isinstance(value, list):
        return [tampered(one, key=key) for one in value]
    return value + NASTY if isinstance(value, str) and key not in own else value


@pytest.mark.parametrize("name", verdicts.EVERY)
def test_a_tampered_verdict_moves_no_terminal_and_breaks_no_file(
    name: str, tmp_path: pathlib.Path
) -> None:
    record = tampered(verdicts.EVERY[name]().record())
    console = Console(file=io.StringIO(), force_terminal=True, no_color=True, width=100)
    writers.write_all(tmp_path, record)
    terminal.print_verdict(read(record), console)
    texts = [path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.*") if path.is_file()]
    drawn = re.sub(r"\x1b\[[0-9;]*m", "", console.file.getvalue())  # type: ignore[attr-defined]  # a StringIO
    texts += [drawn, terminal.plain(read(record)), explanation.render(read(record), None)]
    for text in texts:
        assert set(NASTY.replace("[2J", "").replace("31m", "")).isdisjoint(text)
        text.encode("utf-8")

from __future__ import annotations

import collections
import io
import json
import math
import pathlib
import re
import threading
from typing import Any

import pytest
from rich.console import Console

from reports import explanation, terminal, writers
from reports.verdict import DamagedVerdictError, read
from reports.writers import read_back, write_durably, write_json
from tests.limits import full_disk
from tests.reports import verdicts

GO = verdicts.go().record()


def test_every_format_is_written_whole_and_nothing_is_left_beside_it(
    tmp_path: pathlib.Path,
) -> None:
    for _ in range(2):
        writers.write_all(tmp_path, GO)
    assert {path.name for path in tmp_path.iterdir()} == {*writers.WRITERS, "allure-results"}
    names = [path.name.rpartition("-")[2] for path in (tmp_path / "allure-results").iterdir()]
    assert collections.Counter(names) == {
        "result.json": 13,
        "attachment.json": 10,
        "attachment.html": 1,
        "environment.properties": 1,
        "categories.json": 1,
    }
    text = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert text == writers.WRITERS["summary.md"](verdicts.go())


def test_a_report_that_cannot_take_its_place_or_contradicts_itself_leaves_no_half_of_itself(
    tmp_path: pathlib.Path,
) -> None:
    with pytest.raises(DamagedVerdictError):
        writers.write_all(tmp_path, GO | {"exit_code": 10})
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "junit.xml").mkdir()
    with pytest.raises(OSError, match=r"junit\.xml"):
        writers.write_all(tmp_path, GO)
    assert [path.name for path in tmp_path.iterdir()] == ["junit.xml"]


NASTY = "\x1b[2J\x9b31m\u202e\ud83d\x00\ufffe"


def tampered(value: Any, *, key: str = "") -> Any:
    """Return a record with something nasty in every text that is not one of its own words."""
    own = {
        *("schema", "state", "decision", "outcome", "stage", "means", "on_fail", "phases"),
        *("started_at", "finished_at", "found", "until", "at"),
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


def test_writes_what_reads_back(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "verdict.json"
    value = {"decision": "GO", "sentence": "größer als 5 %", "number": 0.1, "none": None}
    for _ in range(2):
        write_json(path, value)
    assert [one.name for one in tmp_path.iterdir()] == ["verdict.json"]
    assert json.loads(path.read_text(encoding="utf-8")) == value
    read_back(path, value)


def test_a_number_that_json_does_not_have_or_a_full_disk_leaves_the_old_file_whole(
    tmp_path: pathlib.Path,
) -> None:
    path = tmp_path / "verdict.json"
    write_json(path, {"decision": None, "state": "incomplete"})
    for number in (math.nan, math.inf, -math.inf):
        with pytest.raises(ValueError, match="not JSON compliant"):
            write_json(path, {"decision": "GO", "observed": number})
    with full_disk(65536), pytest.raises(OSError, match="File too large"):
        write_json(path, {"decision": "GO", "reasons": ["x" * 1_000_000]})
    read_back(path, {"decision": None, "state": "incomplete"})
    assert [one.name for one in tmp_path.iterdir()] == ["verdict.json"]


@pytest.mark.parametrize("place", ["missing/verdict.json", "file/verdict.json"])
def test_a_folder_that_is_none_raises(tmp_path: pathlib.Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        write_durably(tmp_path / place, "text")


@pytest.mark.parametrize(
    "on_disk",
    ['{"decision": "HOLD"}', '{"decision": "GO"', "", "null", '{"decision": "GO", "x": 1}'],
)
def test_a_verdict_on_disk_that_is_another_is_an_error(
    tmp_path: pathlib.Path, on_disk: str
) -> None:
    path = tmp_path / "verdict.json"
    path.write_text(on_disk)
    with pytest.raises(OSError, match="not the one that was written"):
        read_back(path, {"decision": "GO"})


def test_a_reader_sees_the_old_file_or_the_new_one_and_never_a_part(
    tmp_path: pathlib.Path,
) -> None:
    path = tmp_path / "verdict.json"
    values = [{"decision": decision, "fill": decision * 20_000} for decision in ("GO", "HOLD")]
    write_json(path, values[0])
    over = threading.Event()
    seen: list[object] = []

    def keep_reading() -> None:
        while not over.is_set():
            seen.append(json.loads(path.read_text(encoding="utf-8"))["decision"])

    reader = threading.Thread(target=keep_reading)
    reader.start()
    try:
        for number in range(20):
            write_json(path, values[number % 2])
    finally:
        over.set()
        reader.join(timeout=10)
    assert set(seen) <= {"GO", "HOLD"}
    assert seen

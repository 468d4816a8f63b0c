from __future__ import annotations

import pathlib
from typing import Any

import pytest

from gates.decide.fold import Stage, fold
from gates.decide.outcome import Decision, Outcome
from gates.run.lines import Tail, read
from tests.gates.decide.values import a_row
from tests.gates.run.recorded import file, finished, started, text

PASS, FAIL = Outcome.PASS, Outcome.FAIL
ROWS = (a_row("IV-A-1"), a_row("IV-A-2"))
REGIONS = ("eu", "us")
WHOLE = text(
    started("IV-A-1"), finished("IV-A-1", PASS), started("IV-A-2"), finished("IV-A-2", PASS, PASS)
)


def decision(path: pathlib.Path) -> Decision:
    lines = read(path)
    return fold(ROWS, REGIONS, lines.results, Stage.LIVE, lines.problems).decision


def without(event: dict[str, Any], *path: str) -> dict[str, Any]:
    inner = event
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return event


def test_reads_a_whole_file_into_results_and_events(tmp_path: pathlib.Path) -> None:
    path = file(tmp_path, WHOLE)
    lines = read(path)
    assert [(one.check, one.region, one.outcome) for one in lines.results] == [
        ("IV-A-1", "eu", PASS),
        ("IV-A-1", "us", PASS),
        ("IV-A-2", "eu", PASS),
        ("IV-A-2", "us", PASS),
    ]
    assert [one.title for one in lines.finished] == ["The API answers"] * 2
    assert lines.problems == ()
    assert decision(path) is Decision.GO


@pytest.mark.parametrize("missing", ["no file", "an empty file"])
def test_a_child_that_said_nothing_has_no_results(tmp_path: pathlib.Path, missing: str) -> None:
    path = tmp_path / "events.jsonl" if missing == "no file" else file(tmp_path, b"")
    assert read(path).results == ()
    assert decision(path) is Decision.HOLD


def test_a_file_that_was_cut_off_at_any_byte_is_never_go(tmp_path: pathlib.Path) -> None:
    decisions = {decision(file(tmp_path, WHOLE[:length])) for length in range(len(WHOLE))}
    assert decisions == {Decision.HOLD}


def test_a_file_that_was_cut_off_anywhere_never_softens_what_it_still_says(
    tmp_path: pathlib.Path,
) -> None:
    first = text(finished("IV-A-1", FAIL))
    data = first + text(finished("IV-A-2", PASS))
    later = range(len(first), len(data))
    assert {decision(file(tmp_path, data[:cut])) for cut in later} == {Decision.ROLLBACK}


def test_a_torn_last_line_is_no_problem_of_the_run_but_its_check_is_missing(
    tmp_path: pathlib.Path,
) -> None:
    lines = read(file(tmp_path, WHOLE[:-20]))
    assert lines.problems == ()
    assert {one.check for one in lines.results} == {"IV-A-1"}


UNREADABLE = {
    "a torn line": '{"event": "check_fini',
    "no JSON": "Traceback (most recent call last):",
    "JSON that is not an object": "[1, 2]",
    "NaN, which JSON does not have": '{"event": "check_started", "value": NaN}',
    "nested beyond all measure": "[" * 100_000,
    "two events on one line": '{"event": "check_started"}{"event": "check_started"}',
    "NUL bytes of a disk that lost power": "\0" * 64,
}


@pytest.mark.parametrize("line", UNREADABLE.values(), ids=UNREADABLE)
def test_an_unreadable_line_in_the_middle_is_a_problem_of_the_run(
    tmp_path: pathlib.Path, line: str
) -> None:
    path = file(tmp_path, text(line) + WHOLE)
    assert read(path).problems == ("line 1 of events.jsonl is unreadable",)
    assert decision(path) is Decision.HOLD


def test_bytes_that_are_no_utf_8_are_a_problem_of_the_run(tmp_path: pathlib.Path) -> None:
    assert decision(file(tmp_path, b'{"event": "\xff"}\n' + WHOLE)) is Decision.HOLD


def damaged() -> dict[str, dict[str, Any]]:
    good = finished("IV-A-1", PASS)
    green = {"judgements": [{"outcome": "GREEN"}], "observations": []}
    return {
        "no check": without(finished("IV-A-1", PASS), "check"),
        "no regions": without(finished("IV-A-1", PASS), "regions"),
        "no judgements": without(finished("IV-A-1", PASS), "regions", "eu", "judgements"),
        "no observations": without(finished("IV-A-1", PASS), "regions", "eu", "observations"),
        "a check that is a list": {**good, "check": ["IV-A-1"]},
        "a check that is a number": {**good, "check": 1},
        "regions that are a list": {**good, "regions": ["eu"]},
        "a region that is null": {**good, "regions": {"eu": None}},
        "judgements that are an object": {
            **good,
            "regions": {"eu": {"judgements": {}, "observations": []}},
        },
        "an unknown outcome": {**good, "regions": {"eu": green}},
    }


@pytest.mark.parametrize("event", damaged().values(), ids=damaged())
def test_a_result_that_is_none_is_a_problem_of_the_run(
    tmp_path: pathlib.Path, event: dict[str, Any]
) -> None:
    path = file(tmp_path, WHOLE + text(event))
    assert read(path).problems == ("line 5 of events.jsonl is not a result of a check",)
    assert decision(path) is Decision.HOLD


def test_a_check_can_not_claim_that_it_does_not_apply(tmp_path: pathlib.Path) -> None:
    claimed = finished("IV-A-1", Outcome.NOT_APPLICABLE)
    path = file(tmp_path, text(claimed, finished("IV-A-2", PASS)))
    assert read(path).problems[0].startswith("IV-A-1 claims in eu that it does not apply")
    assert decision(path) is Decision.HOLD


def test_a_doubled_result_is_kept_twice(tmp_path: pathlib.Path) -> None:
    path = file(tmp_path, WHOLE + text(finished("IV-A-1", PASS)))
    assert [one.check for one in read(path).results].count("IV-A-1") == 2 * len(REGIONS)
    assert decision(path) is Decision.HOLD


def test_events_of_another_kind_are_nobodys_result(tmp_path: pathlib.Path) -> None:
    path = file(tmp_path, WHOLE + text({"event": "weather", "check": "IV-A-1"}, {}))
    assert decision(path) is Decision.GO


def test_a_problem_that_the_child_tells_holds(tmp_path: pathlib.Path) -> None:
    path = file(tmp_path, WHOLE + text({"event": "problem", "sentence": "records were left"}))
    assert read(path).problems == ("records were left",)
    assert decision(path) is Decision.HOLD


def test_a_growing_file_is_followed_line_by_line_whatever_each_write_holds(
    tmp_path: pathlib.Path,
) -> None:
    path = tmp_path / "events.jsonl"
    tail = Tail(path)
    seen = list(tail.new_events())
    for start in range(0, len(WHOLE), 7):
        with path.open("ab") as growing:
            growing.write(WHOLE[start : start + 7])
        seen += tail.new_events()
    assert [(event["event"], event["check"]) for event in seen] == [
        ("check_started", "IV-A-1"),
        ("check_finished", "IV-A-1"),
        ("check_started", "IV-A-2"),
        ("check_finished", "IV-A-2"),
    ]


def test_a_line_under_way_waits_for_its_end(tmp_path: pathlib.Path) -> None:
    path = file(tmp_path, WHOLE[:-1])
    tail = Tail(path)
    assert len(list(tail.new_events())) == 3
    file(tmp_path, WHOLE)
    assert len(list(tail.new_events())) == 1
    assert list(tail.new_events()) == []

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

from gates.decide.fold import Stage, fold
from gates.decide.outcome import Decision, Outcome
from gates.run.lines import Tail, read
from tests.gates.decide.values import a_row
from tests.gates.run.recorded import file, finished, started, text
from tests.tables import cases

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


def test_a_child_that_left_no_file_has_no_results(tmp_path: pathlib.Path) -> None:
    assert read(tmp_path / "events.jsonl").results == ()
    assert decision(tmp_path / "events.jsonl") is Decision.HOLD


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


UNREADABLE = {
    "a torn line": b'{"event": "check_fini',
    "no JSON": b"Traceback (most recent call last):",
    "JSON that is not an object": b"[1, 2]",
    "NaN, which JSON does not have": b'{"event": "check_started", "value": NaN}',
    "nested beyond all measure": b"[" * 100_000,
    "two events on one line": b'{"event": "check_started"}{"event": "check_started"}',
    "NUL bytes of a disk that lost power": b"\0" * 64,
    "bytes that are no UTF-8": b'{"event": "\xff"}',
}
GOOD = finished("IV-A-1", PASS)
GREEN = {"judgements": [{"outcome": "GREEN"}], "observations": []}
NO_RESULT = {
    "no check": without(finished("IV-A-1", PASS), "check"),
    "no regions": without(finished("IV-A-1", PASS), "regions"),
    "no judgements": without(finished("IV-A-1", PASS), "regions", "eu", "judgements"),
    "no observations": without(finished("IV-A-1", PASS), "regions", "eu", "observations"),
    "a check that is a list": GOOD | {"check": ["IV-A-1"]},
    "a check that is a number": GOOD | {"check": 1},
    "regions that are a list": GOOD | {"regions": ["eu"]},
    "a region that is null": GOOD | {"regions": {"eu": None}},
    "judgements that are an object": GOOD
    | {"regions": {"eu": {"judgements": {}, "observations": []}}},
    "an unknown outcome": GOOD | {"regions": {"eu": GREEN}},
}
FILES = {
    "an empty file": b"",
    "a torn last line, whose check is missing": WHOLE[:-20],
    **{f"unreadable: {name}": line + b"\n" + WHOLE for name, line in UNREADABLE.items()},
    **{f"not a result: {name}": WHOLE + text(event) for name, event in NO_RESULT.items()},
    "a check claims that it does not apply": text(
        finished("IV-A-1", Outcome.NOT_APPLICABLE), finished("IV-A-2", PASS)
    ),
    "a result that came twice": WHOLE + text(GOOD),
    "events of another kind": WHOLE + text({"event": "weather", "check": "IV-A-1"}, {}),
    "a problem that the child tells": WHOLE
    + text({"event": "problem", "sentence": "records were left"}),
}


@cases("data", FILES)
def test_what_is_not_a_result_is_a_problem_and_never_go(
    tmp_path: pathlib.Path, data: bytes, said: Callable[..., None]
) -> None:
    path = file(tmp_path, data)
    assert (decision(path) is Decision.GO) is (data == FILES["events of another kind"])
    said([decision(path), *read(path).problems])


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

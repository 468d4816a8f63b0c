from __future__ import annotations

import json
import pathlib

import pytest

from smoke.synthetic import Journal, left_over
from tests.limits import full_disk
from tests.tables import cases


def tags(path: pathlib.Path, environment: str = "clinic") -> list[tuple[str, str]]:
    return [(region, tag) for _, region, tag in left_over([path], environment)]


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "journal.jsonl"


def test_what_was_announced_and_not_removed_is_left_over(path: pathlib.Path) -> None:
    journal = Journal(path, "clinic")
    for region in ("eu", "us"):
        journal.intend(region, "tag-1")
    journal.intend("eu", "tag-2")
    journal.removed("eu", "tag-1")
    # Another environment's records are not ours to remove.
    Journal(path, "prod").intend("eu", "tag-1")
    assert tags(path) == [("us", "tag-1"), ("eu", "tag-2")]
    assert tags(path, "prod") == [("eu", "tag-1")]


DAMAGED = {
    "a torn line": b'{"intend": "tag-9", "reg',
    "bytes that are no text": b"\xff\xfe\x00",
    "no JSON": b"hello",
    "a list": b"[]",
    "a number": b"7",
    "an entry of nothing": b'{"environment": "clinic"}',
    "an entry without a region": b'{"environment": "clinic", "intend": "tag-9"}',
    "a tag that is not text": b'{"environment": "clinic", "region": "eu", "intend": ["tag-9"]}',
    "nested beyond all measure": b"[" * 100_000,
}


@cases("line", DAMAGED)
def test_a_damaged_line_is_passed_over_wherever_it_stands(path: pathlib.Path, line: bytes) -> None:
    Journal(path, "clinic").intend("eu", "tag-1")
    path.write_bytes(line + b"\n" + path.read_bytes() + line)
    assert tags(path) == [("eu", "tag-1")]


def test_what_is_noted_behind_a_torn_line_is_not_lost_and_for_its_owner_alone(
    path: pathlib.Path,
) -> None:
    journal = Journal(path, "clinic")
    journal.intend("eu", "tag-1")
    assert path.stat().st_mode & 0o077 == 0
    assert json.loads(path.read_text())["intend"] == "tag-1"
    path.write_bytes(path.read_bytes() + b'{"intend": "tag-2", "regi')
    journal.removed("eu", "tag-1")
    assert tags(path) == []


def test_a_journal_that_was_cut_off_at_any_byte_names_no_record_that_was_not_announced(
    path: pathlib.Path,
) -> None:
    journal = Journal(path, "clinic")
    journal.intend("eu", "tag-1")
    journal.intend("us", "tag-2")
    whole = path.read_bytes()
    found = set()
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        found.add(tuple(tags(path)))
    assert found == {(), (("eu", "tag-1"),), (("eu", "tag-1"), ("us", "tag-2"))}


def test_a_full_disk_stops_the_journey_before_a_record_exists(path: pathlib.Path) -> None:
    with full_disk(50), pytest.raises(OSError, match="took only a part of a journal's line"):
        Journal(path, "clinic").intend("eu", "tag")
    assert tags(path) == []

from __future__ import annotations

import dataclasses
import functools
import pathlib
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from load._run import Run
from reports import load_page
from reports.load_words import DamagedLoadRecordError
from tests.golden import compare_file
from tests.load import runs
from tests.tables import cases

GOLDEN = pathlib.Path(__file__).parent / "golden_load"
RUNS: Mapping[str, Callable[[], Run]] = {
    "pass": runs.valid_run,
    "fail": runs.failed_run,
    "invalid": runs.invalid_run,
    "ramp": runs.ramp_run,
    "ramp-beyond": functools.partial(runs.ramp_run, wanted_rps=120),
    "spike": functools.partial(runs.spike_run, recovers_after=4),
    "nothing": functools.partial(runs.valid_run, tallies={}, begun={}, workers=()),
}
FORMATS = {"plain.txt": load_page.plain, "html": load_page.render}


@functools.cache
def record(name: str) -> dict[str, Any]:
    baseline = runs.concluded(runs.valid_run()) if name == "fail" else None
    return runs.concluded(RUNS[name](), baseline=baseline)


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.iterdir()))
def test_a_report_looks_as_its_golden_file(name: str) -> None:
    run, _, kind = name.partition(".")
    compare_file(GOLDEN / name, FORMATS[kind](record(run)))


def test_every_run_has_a_golden_file_of_lines() -> None:
    assert {path.name for path in GOLDEN.glob("*.txt")} == {f"{name}.plain.txt" for name in RUNS}


def parsed(text: str) -> ET.Element:
    """Return a page's elements; raises ParseError where they do not nest."""
    text = re.sub(r"<(meta [^>]*)>", r"<\1/>", text.removeprefix("<!doctype html>"))
    return ET.fromstring(text)  # noqa: S314 - our own page


@pytest.mark.parametrize("name", RUNS)
def test_a_page_needs_nothing_from_elsewhere_and_can_be_read_without_seeing_it(name: str) -> None:
    page = parsed(load_page.render(record(name)))
    tags = {element.tag for element in page.iter()}
    names = {name for element in page.iter() for name in element.attrib}
    words = "".join(page.itertext())
    assert not {"script", "link", "img", "iframe", "object"} & tags
    assert not {name for name in names if name.startswith("on")} | names & {"src", "href", "style"}
    assert not re.search(r"url\(|@import", words)
    ids = [element.get("id") for element in page.iter() if "id" in element.attrib]
    labels = [str(one.get("aria-labelledby")) for one in page.iterfind(".//*[@aria-labelledby]")]
    assert len(ids) == len(set(ids))
    assert {one for label in labels for one in label.split()} <= set(ids)
    assert len(page.findall(".//desc")) == len(labels)
    assert page.findall(".//th") == page.findall(".//th[@scope]")
    assert len(page.findall(".//caption")) == len(page.findall(".//table"))
    # Its result comes first, and every reason is there.
    assert words.index(record(name)["result"]) < words.index("Why")
    assert all(one["judgement"]["sentence"] in words for one in record(name)["judgements"])
    text = load_page.plain(record(name))
    assert all(line.isascii() and line.isprintable() for line in text.splitlines())


HOSTILE = "<script>alert(1)</script>\x1b[2J\u202e & 'x'"


def test_whatever_a_run_brings_is_shown_and_not_obeyed() -> None:
    run = dataclasses.replace(
        runs.failed_run(),
        plan=runs.a_plan(environment=HOSTILE, command=HOSTILE, release=HOSTILE),
        versions={HOSTILE: HOSTILE},
        machine={HOSTILE: HOSTILE},
        interrupted=HOSTILE,
    )
    tally = runs.a_tally(bad_every=40, trouble=HOSTILE)
    tally.endpoints[HOSTILE] = tally.endpoints.pop("login")
    made = runs.concluded(dataclasses.replace(run, tallies={(1, "eu"): tally}))
    text = load_page.render(made)
    assert "<script" not in text
    assert not re.search("[\x1b\u202e]", text)
    parsed(text)
    plain = load_page.plain(made)
    assert plain.isascii()
    assert "\x1b" not in plain


@cases("render", {"page": load_page.render, "lines": load_page.plain})
@cases(
    "changes",
    {
        "PASS against its judgements": {"result": "PASS", "exit_code": 0},
        "another schema": {"schema": 2},
        "an empty plan": {"plan": {}},
        "no totals": {"totals": {}},
        "a plan of nothing": {"totals": {}, "plan": None},
        "a stage that is a number": {"stages": [3]},
    },
)
def test_a_record_that_cannot_be_trusted_is_not_shown(
    render: Callable[[Mapping[str, Any]], str], changes: dict[str, Any]
) -> None:
    with pytest.raises(DamagedLoadRecordError):
        render({**record("fail"), **changes})


def test_hours_are_drawn_by_their_worst_seconds() -> None:
    rows = [{**record("pass")["timeline"][5], "at": at} for at in range(3600)]
    rows[1801] = {**rows[1801], "p99": 7.0, "sent": 0}
    text = load_page.render({**record("pass"), "timeline": rows})
    assert "Each point is the worst of 9 seconds." in text
    assert len(text) < 150_000
    assert ">1,000</text>" in text

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
from tests.load import runs
from tests.reports import golden_files
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
PAGES = ("fail", "invalid")


@functools.cache
def record(name: str) -> dict[str, Any]:
    baseline = runs.concluded(runs.valid_run()) if name == "fail" else None
    return runs.concluded(RUNS[name](), baseline=baseline)


@pytest.mark.parametrize("name", RUNS)
def test_the_plain_lines_look_as_their_golden_file(name: str) -> None:
    golden_files.compare(f"{name}.plain.txt", load_page.plain(record(name)), GOLDEN)


@pytest.mark.parametrize("name", PAGES)
def test_the_page_looks_as_its_golden_file(name: str) -> None:
    golden_files.compare(f"{name}.html", load_page.render(record(name)), GOLDEN)


def test_every_golden_file_belongs_to_a_run() -> None:
    wanted = {f"{name}.plain.txt" for name in RUNS} | {f"{name}.html" for name in PAGES}
    assert {path.name for path in GOLDEN.iterdir()} == wanted


def parsed(text: str) -> ET.Element:
    """Return a page's elements; raises ParseError where they do not nest."""
    text = re.sub(r"<(meta [^>]*)>", r"<\1/>", text.removeprefix("<!doctype html>"))
    return ET.fromstring(text)  # noqa: S314 - our own page


@pytest.fixture(params=RUNS)
def page(request: pytest.FixtureRequest) -> ET.Element:
    return parsed(load_page.render(record(str(request.param))))


def test_a_page_is_whole_and_needs_nothing_from_elsewhere(page: ET.Element) -> None:
    tags = {element.tag for element in page.iter()}
    names = {name for element in page.iter() for name in element.attrib}
    assert not {"script", "link", "img", "iframe", "object"} & tags
    assert not {name for name in names if name.startswith("on")} | names & {"src", "href", "style"}
    assert not re.search(r"url\(|@import", "".join(page.itertext()))


def test_a_page_can_be_read_without_seeing_it(page: ET.Element) -> None:
    ids = [element.get("id") for element in page.iter() if "id" in element.attrib]
    labels = [str(one.get("aria-labelledby")) for one in page.iterfind(".//*[@aria-labelledby]")]
    assert len(ids) == len(set(ids))
    assert {one for label in labels for one in label.split()} <= set(ids)
    assert len(page.findall(".//desc")) == len(labels)
    assert page.findall(".//th") == page.findall(".//th[@scope]")
    assert len(page.findall(".//caption")) == len(page.findall(".//table"))


@pytest.mark.parametrize("name", RUNS)
def test_a_page_says_its_result_first_and_every_reason(name: str) -> None:
    words = "".join(parsed(load_page.render(record(name))).itertext())
    assert words.index(record(name)["result"]) < words.index("Why")
    assert all(one["judgement"]["sentence"] in words for one in record(name)["judgements"])


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


@pytest.mark.parametrize("name", RUNS)
def test_plain_lines_are_printable_ascii(name: str) -> None:
    text = load_page.plain(record(name))
    assert all(line.isascii() and line.isprintable() for line in text.splitlines())


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

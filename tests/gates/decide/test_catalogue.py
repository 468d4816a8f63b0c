from __future__ import annotations

import dataclasses

import pytest

from gates.decide.catalogue import COLUMNS, CatalogueError, in_window, parse
from gates.decide.outcome import Meaning
from gates.load import load_catalogue
from settings.data import Data
from settings.environment import CONDITIONS, Environment
from settings.service import ExternalServices
from tests.gates.decide.values import a_row
from tests.tables import cases

HEADER = ",".join(COLUMNS)
GOOD = {
    "id": "IV-HEALTH-1",
    "phase": "post-deploy",
    "when": "15m",
    "owner": "platform",
    "severity": "blocker",
    "smoke": "yes",
    "on_fail": "rollback",
    "applies_if": "",
}


def a_line(**changes: str) -> str:
    return ",".join({**GOOD, **changes}.values())


def catalogue(*lines: str, header: str = HEADER) -> str:
    return "\n".join([header, *lines]) + "\n"


def test_a_row_is_read_into_its_types() -> None:
    text = catalogue(a_line(applies_if="environment:synthetic"))
    expected = a_row("IV-HEALTH-1")
    expected = dataclasses.replace(expected, owner="platform", applies_if="environment:synthetic")
    assert parse([("c.csv", text)]) == (expected,)


REFUSED = {
    "an empty file": "",
    "another header": catalogue(header="id,phase"),
    "a byte order mark": "\ufeff" + catalogue(a_line()),
    "a header alone": catalogue(),
    "a header and blank lines": catalogue("", ""),
    "too few cells": catalogue("IV-HEALTH-1,post-deploy"),
    "too many cells": catalogue(a_line() + ",more"),
    "an owner that is empty": catalogue(a_line(owner="")),
    "an id twice": catalogue(a_line(), a_line(smoke="no")),
    "a part that is a phase": catalogue(a_line(phase="deploy", when="3")),
    "another countdown": catalogue(a_line(phase="pre-deploy", when="T-7")),
    **{
        f"{column} “{value}”": catalogue(a_line(**{column: value}))
        for column, values in {
            "id": ("health", ""),
            "phase": ("post_deploy",),
            "when": ("15min",),
            "severity": ("high",),
            "on_fail": ("Rollback", ""),
            "smoke": ("true", " no"),
        }.items()
        for value in values
    },
}
"""What is not a catalogue: said.json has the one sentence that says where, and what to do."""


def refused(text: str) -> str:
    with pytest.raises(CatalogueError) as caught:
        parse([("c.csv", text)])
    return str(caught.value)


@cases(
    "text says",
    {
        "NUL": (catalogue(a_line() + "\0"), ""),
        "no end": (catalogue('"' + a_line()), "is not CSV: unexpected end of data"),
        "a quote within": (catalogue(a_line(owner='"a"b')), "is not CSV:"),
        "a long cell": (catalogue(a_line(owner="x" * 200_000)), "is not CSV: field larger"),
        "no such section": (
            catalogue(a_line(applies_if="environment:promethus")),
            "applies_if “environment:promethus” is not one of environment:",
        ),
        "no condition": (catalogue(a_line(applies_if="never")), "applies_if “never” is not one of"),
    },
)
def test_what_python_or_the_sections_word_is_refused_too(text: str, says: str) -> None:
    assert refused(text).startswith(f"c.csv:2: {says}")


def test_a_teams_file_adds_rows_and_never_changes_one() -> None:
    ours, theirs = catalogue(a_line()), catalogue(a_line(id="TEAM-1"))
    assert [row.id for row in parse([("c.csv", ours), ("t.csv", theirs)])] == [
        "IV-HEALTH-1",
        "TEAM-1",
    ]
    softer = catalogue(a_line(on_fail="advisory"))
    with pytest.raises(CatalogueError, match=r"t\.csv:2: IV-HEALTH-1 is listed twice"):
        parse([("c.csv", ours), ("t.csv", softer)])


@pytest.mark.parametrize(
    ("window", "ids"),
    [("15m", ["A-1"]), ("1h", ["A-1", "A-2"]), ("24h", ["A-1", "A-2", "A-3"])],
)
def test_a_window_selects_what_is_due_within_it(window: str, ids: list[str]) -> None:
    lines = [
        a_line(id="A-1"),
        a_line(id="A-2", when="1h"),
        a_line(id="A-3", when="24h"),
        a_line(id="A-4", phase="deploy", when="3.3"),
    ]
    assert [row.id for row in in_window(parse([("c", catalogue(*lines))]), window)] == ids


def test_every_condition_names_an_optional_section_of_the_environment() -> None:
    for condition in CONDITIONS:
        section = condition.partition(":")[2]
        fields = {
            **ExternalServices.model_fields,
            **Data.model_fields,
            "flag_changes": Environment.model_fields["flags"],
            **Environment.model_fields,
        }
        assert not fields[section].is_required()


@pytest.mark.parametrize(
    ("applies_if", "sections", "applies"),
    [
        ("", set(), True),
        ("environment:prometheus", {"prometheus", "regions"}, True),
        ("environment:prometheus", {"regions"}, False),
    ],
)
def test_a_check_applies_where_its_section_is(
    applies_if: str, sections: set[str], *, applies: bool
) -> None:
    row = parse([("c", catalogue(a_line(applies_if=applies_if)))])[0]
    assert row.applies(sections) is applies


def test_this_repositorys_catalogue_says_what_the_runbook_wants_rolled_back() -> None:
    live = [row for row in load_catalogue() if row.phase == "post-deploy"]
    rollback = {row.id for row in live if row.on_fail is Meaning.ROLLBACK}
    assert rollback == {
        *(f"IV-HEALTH-{number}" for number in (1, 2, 3)),
        *(f"IV-FLOW-{number}" for number in (1, 2, 3, 4, 5)),
        "IV-PERF-1",
        "IV-PERF-3",
    }

from __future__ import annotations

import dataclasses

import pytest

from gates.decide.catalogue import COLUMNS, CatalogueError, in_window, parse
from gates.decide.outcome import Meaning
from gates.load import load_catalogue
from settings.data import Data
from settings.environment import CONDITIONS, Environment
from settings.service import ExternalServices
from settings.source import Source
from tests.gates.decide.values import a_row
from tests.tables import cases

HEADER = ",".join(COLUMNS)
GOOD = "IV-HEALTH-1,post-deploy,15m,platform,blocker,yes,rollback,"


def a_line(**changes: str) -> str:
    return ",".join({**dict(zip(COLUMNS, GOOD.split(","), strict=True)), **changes}.values())


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


PROMETHUS = "environment:promethus"


@cases(
    "text says",
    {
        "NUL": (catalogue(a_line() + "\0"), ""),
        "no end": (catalogue('"' + a_line()), "is not CSV: unexpected end of data"),
        "a quote within": (catalogue(a_line(owner='"a"b')), "is not CSV:"),
        "a long cell": (catalogue(a_line(owner="x" * 200_000)), "is not CSV: field larger"),
        "no such section": (
            catalogue(a_line(applies_if=PROMETHUS)),
            f"applies_if “{PROMETHUS}” is not one of environment:",
        ),
        "no condition": (catalogue(a_line(applies_if="never")), "applies_if “never” is not one of"),
    },
)
def test_what_python_or_the_sections_word_is_refused_too(text: str, says: str) -> None:
    assert refused(text).startswith(f"c.csv:2: {says}")


def test_a_window_selects_what_is_due_within_it() -> None:
    due = {"A-1": "15m", "A-2": "1h", "A-3": "24h"}
    lines = [a_line(id=name, when=when) for name, when in due.items()]
    rows = parse([("c", catalogue(*lines, a_line(id="A-4", phase="deploy", when="3.3")))])
    found = {window: [row.id for row in in_window(rows, window)] for window in due.values()}
    assert found == {"15m": ["A-1"], "1h": ["A-1", "A-2"], "24h": ["A-1", "A-2", "A-3"]}


def test_a_check_applies_where_its_section_is_which_an_environment_may_leave_out() -> None:
    fields = {
        **(ExternalServices.model_fields | Data.model_fields | Environment.model_fields),
        **Source.model_fields,
        "release_notes": Source.model_fields["notes"],
        "bug_tracker": Source.model_fields["tracker"],
        "flag_changes": Environment.model_fields["flags"],
        "contract_writes": Environment.model_fields["contract"],
        "proofs": Environment.model_fields["evidence"],
    }
    assert not [one for one in CONDITIONS if fields[one.partition(":")[2]].is_required()]
    always, there = (
        parse([("c", catalogue(a_line(applies_if=one)))])[0]
        for one in ("", "environment:prometheus")
    )
    assert always.applies(set())
    assert there.applies({"prometheus", "regions"})
    assert not there.applies({"regions"})


def test_this_repositorys_catalogue_says_what_the_runbook_wants_rolled_back() -> None:
    live = [row for row in load_catalogue() if row.phase == "post-deploy"]
    rollback = {row.id for row in live if row.on_fail is Meaning.ROLLBACK}
    assert rollback == {
        *(f"IV-HEALTH-{number}" for number in (1, 2, 3)),
        *(f"IV-FLOW-{number}" for number in (1, 2, 3, 4, 5)),
        "IV-PERF-1",
        "IV-PERF-3",
    }

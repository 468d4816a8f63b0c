from __future__ import annotations

import pytest

from gates.decide.catalogue import COLUMNS, CatalogueError, Row, in_window, parse
from gates.decide.outcome import Meaning
from gates.load import load_catalogue
from settings.data import Data
from settings.environment import CONDITIONS, Environment
from settings.service import ExternalServices

HEADER = ",".join(COLUMNS)
NO_HEADER = f"c.csv:1: the header must be {HEADER}"
NOTHING = "the catalogue is empty; nothing would be required"
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
    assert parse([("c.csv", text)]) == (
        Row(
            id="IV-HEALTH-1",
            phase="post-deploy",
            when="15m",
            owner="platform",
            severity="blocker",
            smoke=True,
            on_fail=Meaning.ROLLBACK,
            applies_if="environment:synthetic",
        ),
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param("", NO_HEADER, id="an empty file"),
        pytest.param(catalogue(header="id,phase"), NO_HEADER, id="another header"),
        pytest.param("\ufeff" + catalogue(a_line()), NO_HEADER, id="a byte order mark"),
        pytest.param(catalogue(), NOTHING, id="a header alone"),
        pytest.param(catalogue("", ""), NOTHING, id="a header and blank lines"),
        (catalogue("IV-HEALTH-1,post-deploy"), "c.csv:2: 2 cells, wanted 8"),
        (catalogue(a_line() + ",more"), "c.csv:2: 9 cells, wanted 8"),
        (catalogue(a_line(id="health")), "c.csv:2: id “health” is not an id such as IV-HEALTH-1"),
        (catalogue(a_line(id="")), "c.csv:2: id “” is not an id such as IV-HEALTH-1"),
        (
            catalogue(a_line(phase="post_deploy")),
            "c.csv:2: phase “post_deploy” is not one of pre-deploy, deploy, post-deploy, rollback",
        ),
        (
            catalogue(a_line(when="15min")),
            "c.csv:2: when “15min” is not one of 15m, 1h, 24h",
        ),
        (
            catalogue(a_line(phase="deploy", when="3")),
            "c.csv:2: when “3” is no part of a phase such as 2.1, nor “phase”",
        ),
        (
            catalogue(a_line(phase="pre-deploy", when="T-7")),
            "c.csv:2: when “T-7” is not one of T-7d, T-3d, T-1d, T-2h",
        ),
        (
            catalogue(a_line(severity="high")),
            "c.csv:2: severity “high” is not one of blocker, critical, normal, minor",
        ),
        (
            catalogue(a_line(on_fail="Rollback")),
            "c.csv:2: on_fail “Rollback” is not one of advisory, hold, stop, rollback",
        ),
        (catalogue(a_line(on_fail="")), "c.csv:2: on_fail “” is not one of"),
        (catalogue(a_line(smoke="true")), "c.csv:2: smoke “true” is not one of yes, no"),
        (catalogue(a_line(smoke=" no")), "c.csv:2: smoke “ no” is not one of yes, no"),
        (
            catalogue(a_line(applies_if="environment:promethus")),
            "c.csv:2: applies_if “environment:promethus” is not one of environment:",
        ),
        (catalogue(a_line(applies_if="never")), "c.csv:2: applies_if “never” is not one of"),
        (
            catalogue(a_line(owner="")),
            "c.csv:2: owner is empty; name the team that mends a red check",
        ),
        (
            catalogue(a_line(), a_line(smoke="no")),
            "c.csv:3: IV-HEALTH-1 is listed twice; keep one row",
        ),
        (catalogue(a_line() + "\0"), "c.csv:2: "),
        (catalogue('"' + a_line()), "c.csv:2: is no CSV: unexpected end of data"),
        (catalogue(a_line(owner='"a"b')), "c.csv:2: is no CSV:"),
        (catalogue(a_line(owner="x" * 200_000)), "c.csv:2: is no CSV: field larger"),
    ],
    ids=lambda value: value[:70] if value.startswith("c.csv") else "refused",
)
def test_refuses_a_catalogue_with_one_sentence_that_says_where(text: str, sentence: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        parse([("c.csv", text)])
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


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

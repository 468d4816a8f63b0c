from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from gates.decide.outcome import Decision
from reports.verdict import DamagedVerdictError, read
from reports.words import decision_word
from tests.reports import verdicts
from tests.tables import cases

GO, ROLLBACK = verdicts.go().record(), verdicts.rollback().record()
REASON = ROLLBACK["reasons"][0]


def changed(record: Any, **changes: Any) -> Any:
    return record | changes


def _red_called_pass() -> Any:
    checks = copy.deepcopy(ROLLBACK["checks"])
    for check in checks:
        for cell in check["regions"].values():
            cell["outcome"] = "PASS"
    return checks


def _excused() -> Any:
    checks = copy.deepcopy(GO["checks"])
    checks[0]["regions"]["eu"] = checks[-1]["regions"]["eu"]
    return checks


@pytest.mark.parametrize("name", verdicts.EVERY)
def test_every_verdict_survives_json_and_is_read_back(name: str) -> None:
    verdict = verdicts.EVERY[name]()
    assert read(json.loads(json.dumps(verdict.record()))) == verdict


@pytest.mark.parametrize(
    "name", [name for name in verdicts.EVERY if name not in ("go", "advisory", "interpolated")]
)
def test_nothing_but_a_complete_go_is_go(name: str) -> None:
    verdict = verdicts.EVERY[name]()
    assert not verdict.is_go
    assert decision_word(verdict) != Decision.GO.value


@cases(
    "record words",
    {
        "another schema": (changed(GO, schema=2), "schema 2"),
        "an unknown state": (changed(GO, state="done"), "unknown state"),
        "complete without a decision": (changed(GO, decision=None), "no decision"),
        "GO with another exit code": (changed(GO, exit_code=10), "exit code 10"),
        "GO of an interrupted run": (changed(GO, state="interrupted"), "GO"),
        "GO of an incomplete run": (changed(GO, state="incomplete"), "GO"),
        "GO without a region": (changed(GO, regions={}), "reasons lack the run"),
        "GO with a region on hold": (
            changed(GO, regions={"eu": "HOLD", "us": "GO"}),
            "it says HOLD in eu, its checks say GO",
        ),
        "GO with a reason against it": (
            changed(GO, reasons=[REASON]),
            "hold IV-PERF-3 FAIL in eu, which its checks do not show",
        ),
        "GO over checks that failed": (
            changed(GO, checks=ROLLBACK["checks"]),
            "its reasons lack IV-HEALTH-6 FAIL in us",
        ),
        "ROLLBACK turned into GO": (
            changed(ROLLBACK, decision="GO", exit_code=0),
            "it says GO, its checks say ROLLBACK",
        ),
        "ROLLBACK turned into HOLD": (
            changed(ROLLBACK, decision="HOLD", exit_code=20),
            "it says HOLD, its checks say ROLLBACK",
        ),
        "GO without a check's result": (
            changed(GO, checks=verdicts.missing().record()["checks"]),
            "its reasons lack IV-HEALTH-1 MISSING in us",
        ),
        "an outcome that its judgements do not give": (
            changed(GO, checks=_red_called_pass()),
            "IV-HEALTH-6 in us is PASS, its judgements say FAIL",
        ),
        "a check that excused itself": (
            changed(GO, checks=_excused()),
            "IV-HEALTH-1 in eu is NOT_APPLICABLE by no rule",
        ),
        "an unknown decision": (changed(GO, decision="MAYBE"), "damaged"),
        "an empty reason": (changed(GO, reasons=[{}]), "damaged"),
        "half a check": (changed(GO, checks=[{"id": "X"}]), "damaged"),
        "checks that are no list": (changed(GO, checks="all"), "damaged"),
        "nothing but a schema": ({"schema": 1}, "damaged"),
        "nothing at all": ({}, "damaged"),
    },
)
def test_a_verdict_that_contradicts_itself_is_refused(record: Any, words: str) -> None:
    with pytest.raises(DamagedVerdictError, match=words):
        read(record)


def test_reasons_are_grouped_by_check_and_the_worst_comes_first() -> None:
    red = verdicts.rollback().red()
    assert [(item.check, item.decision.value, item.owner) for item in red] == [
        ("IV-PERF-3", "ROLLBACK", "sre"),
        ("IV-HEALTH-6", "HOLD", "database"),
    ]


def test_a_check_without_a_title_is_called_by_its_id() -> None:
    assert verdicts.advisory().checks[-2].name == "IV-NOTE-1"

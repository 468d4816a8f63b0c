from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from gates.decide.outcome import Decision
from reports.verdict import DamagedVerdictError, read
from reports.words import decision_word
from tests.reports import verdicts

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


@pytest.mark.parametrize(
    ("record", "words"),
    [
        pytest.param(changed(GO, schema=2), "schema 2", id="another schema"),
        pytest.param(changed(GO, state="done"), "unknown state", id="an unknown state"),
        pytest.param(changed(GO, decision=None), "no decision", id="complete without a decision"),
        pytest.param(changed(GO, exit_code=10), "exit code 10", id="GO with another exit code"),
        pytest.param(changed(GO, state="interrupted"), "GO", id="GO of an interrupted run"),
        pytest.param(changed(GO, state="incomplete"), "GO", id="GO of an incomplete run"),
        pytest.param(changed(GO, regions={}), "reasons lack the run", id="GO without a region"),
        pytest.param(
            changed(GO, regions={"eu": "HOLD", "us": "GO"}),
            "it says HOLD in eu, its checks say GO",
            id="GO with a region on hold",
        ),
        pytest.param(
            changed(GO, reasons=[REASON]),
            "hold IV-PERF-3 FAIL in eu, which its checks do not show",
            id="GO with a reason against it",
        ),
        pytest.param(
            changed(GO, checks=ROLLBACK["checks"]),
            "its reasons lack IV-HEALTH-6 FAIL in us",
            id="GO over checks that failed",
        ),
        pytest.param(
            changed(ROLLBACK, decision="GO", exit_code=0),
            "it says GO, its checks say ROLLBACK",
            id="ROLLBACK turned into GO",
        ),
        pytest.param(
            changed(ROLLBACK, decision="HOLD", exit_code=20),
            "it says HOLD, its checks say ROLLBACK",
            id="ROLLBACK turned into HOLD",
        ),
        pytest.param(
            changed(GO, checks=verdicts.missing().record()["checks"]),
            "its reasons lack IV-HEALTH-1 MISSING in us",
            id="GO without a check's result",
        ),
        pytest.param(
            changed(GO, checks=_red_called_pass()),
            "IV-HEALTH-6 in us is PASS, its judgements say FAIL",
            id="an outcome that its judgements do not give",
        ),
        pytest.param(
            changed(GO, checks=_excused()),
            "IV-HEALTH-1 in eu is NOT_APPLICABLE by no rule",
            id="a check that excused itself",
        ),
        pytest.param(changed(GO, decision="MAYBE"), "damaged", id="an unknown decision"),
        pytest.param(changed(GO, reasons=[{}]), "damaged", id="an empty reason"),
        pytest.param(changed(GO, checks=[{"id": "X"}]), "damaged", id="half a check"),
        pytest.param(changed(GO, checks="all"), "damaged", id="checks that are no list"),
        pytest.param({"schema": 1}, "damaged", id="nothing but a schema"),
        pytest.param({}, "damaged", id="nothing at all"),
    ],
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

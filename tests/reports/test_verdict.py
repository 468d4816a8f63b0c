from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest

from gates.decide.fold import DOUBLED
from gates.decide.outcome import Decision
from gates.decide.verdict import Verdict
from reports.verdict import DamagedVerdictError, read
from reports.words import decision_word
from tests.reports import verdicts
from tests.tables import cases

GO, ROLLBACK = verdicts.go().record(), verdicts.rollback().record()
REASON = ROLLBACK["reasons"][0]


def _red_called_pass() -> Any:
    checks = copy.deepcopy(ROLLBACK["checks"])
    for check in checks:
        for cell in check["regions"].values():
            cell["outcome"] = "PASS"
    return checks


def _ran(times: int) -> Any:
    checks = copy.deepcopy(GO["checks"])
    checks[0]["regions"]["eu"]["ran"] = times
    return checks


def _excused() -> Any:
    checks = copy.deepcopy(GO["checks"])
    checks[0]["regions"]["eu"] = checks[-1]["regions"]["eu"]
    return checks


@pytest.mark.parametrize("name", verdicts.EVERY)
def test_every_verdict_is_read_back_and_nothing_but_a_complete_go_is_go(name: str) -> None:
    verdict = verdicts.EVERY[name]()
    assert read(json.loads(json.dumps(verdict.record()))) == verdict
    go = name in ("go", "advisory", "interpolated", "waived")
    assert verdict.is_go is (decision_word(verdict) == Decision.GO.value) is go


@cases(
    "record",
    {
        "another schema": GO | {"schema": 2},
        "an unknown state": GO | {"state": "done"},
        "complete without a decision": GO | {"decision": None},
        "GO with another exit code": GO | {"exit_code": 10},
        "GO of an interrupted run": GO | {"state": "interrupted"},
        "GO of an incomplete run": GO | {"state": "incomplete"},
        "a check that ran more often than anybody can count": GO | {"checks": _ran(10**400)},
        "GO without a region": GO | {"regions": {}},
        "GO with a region on hold": GO | {"regions": {"eu": "HOLD", "us": "GO"}},
        "GO with a reason against it": GO | {"reasons": [REASON]},
        "GO over checks that failed": GO | {"checks": ROLLBACK["checks"]},
        "ROLLBACK turned into GO": ROLLBACK | {"decision": "GO", "exit_code": 0},
        "ROLLBACK turned into HOLD": ROLLBACK | {"decision": "HOLD", "exit_code": 20},
        "GO without a check's result": GO | {"checks": verdicts.missing().record()["checks"]},
        "an outcome that its judgements do not give": GO | {"checks": _red_called_pass()},
        "a check that excused itself": GO | {"checks": _excused()},
        "an unknown decision": GO | {"decision": "MAYBE"},
        "an empty reason": GO | {"reasons": [{}]},
        "half a check": GO | {"checks": [{"id": "X"}]},
        "checks that are no list": GO | {"checks": "all"},
        "nothing but a schema": {"schema": 1},
        "nothing at all": {},
    },
)
def test_a_verdict_that_contradicts_itself_is_refused(
    record: Any, said: Callable[..., None]
) -> None:
    with pytest.raises(DamagedVerdictError) as caught:
        read(record)
    said(str(caught.value))


def a_doubled() -> Verdict:
    """Return a ROLLBACK of a check that ran twice in a region."""
    verdict = verdicts.rollback()
    reason = dataclasses.replace(verdict.reasons[0], outcome=DOUBLED)
    return dataclasses.replace(verdict, reasons=(reason,))


@cases("made", {"missing": verdicts.missing, "red": verdicts.rollback, "run twice": a_doubled})
def test_each_check_has_a_word_in_each_region(
    made: Callable[[], Verdict], said: Callable[..., None]
) -> None:
    verdict = made()
    where = verdict.region_names()
    said(
        {one.id: {region: verdict.cell(one, region) for region in where} for one in verdict.checks}
    )

"""What may go back without a person: the table of all that must hold, each of which is tried without."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest

from gates.decide.outcome import Decision
from gates.decide.rollback.plan import Choice
from gates.decide.rollback.unattended import against
from gates.decide.verdict import Verdict
from settings.rollback import Unattended
from tests.gates.decide.rollback.test_plan import chosen, facts
from tests.golden import Said
from tests.reports.verdicts import OPENED
from tests.tables import cases

NOW = dt.datetime(2026, 12, 6, 2, 0, tzinfo=dt.UTC)
OF_A_REGION = {"environment_regions": ("eu", "us"), "regions": {"eu": Decision.GO}}
POLICY = Unattended(
    authorised_by="VP Engineering", until=dt.date(2026, 12, 31), methods=("kubernetes",)
)


def ended(minutes_ago: float, gate: str, decision: Decision, **changed: Any) -> Verdict:
    at = NOW - dt.timedelta(minutes=minutes_ago)
    started = (at - dt.timedelta(minutes=1)).isoformat()
    run = f"20261206T015500Z-{gate.replace(' ', '-')}-a1b2c3"
    asked = {
        "run": run,
        "gate": gate,
        "window": None,
        "decision": decision,
        "exit_code": decision.exit_code,
    }
    times = {"state": "complete", "started_at": started, "finished_at": at.isoformat()}
    return dataclasses.replace(OPENED, **{**asked, **times, **changed})


def asked(**changed: Any) -> list[str]:
    known: dict[str, Any] = {
        "plan": ended(1, "rollback plan", Decision.GO),
        "cause": ended(5, "watch", Decision.ROLLBACK),
        "policy": POLICY,
        "choice": chosen(facts("code")),
        "kind": "standard",
        "now": NOW,
        **changed,
    }
    said = known["choice"], {"kind": known["kind"]}
    return [*against(known["plan"], known["cause"], known["policy"], said, known["now"])]


def test_a_new_plan_of_a_release_that_was_measured_bad_needs_nobody() -> None:
    assert asked() == []


@cases(
    "changed",
    {
        "no authorisation": ({"policy": None},),
        "it has ended": ({"policy": POLICY.model_copy(update={"until": dt.date(2026, 12, 5)})},),
        "it never ends": ({"policy": POLICY.model_copy(update={"until": dt.date(2030, 1, 1)})},),
        "another method": ({"choice": chosen(facts("code flags"))},),
        "a restore": ({"choice": chosen(facts("code schema", "old code runs: no"))},),
        "no way back": ({"choice": chosen(facts("code", "old image: no"))},),
        "nothing chosen": ({"choice": None},),
        "a major release": ({"kind": "major"},),
        "of no known kind": ({"kind": None},),
        "a plan that is undecided": ({"plan": ended(1, "rollback plan", Decision.HOLD)},),
        "of some checks alone": ({"plan": ended(1, "rollback plan", Decision.GO, only=("METHOD-1",))},),
        "of a region alone": (
            {"plan": ended(1, "rollback plan", Decision.GO, **OF_A_REGION)},
        ),
        "no plan": ({"plan": ended(1, "watch", Decision.GO)},),
        "a plan made before": ({"plan": ended(4.5, "rollback plan", Decision.GO)},),
        "nothing was bad": ({"cause": ended(5, "watch", Decision.HOLD)},),
        "it was bad long ago": ({"cause": ended(20, "watch", Decision.ROLLBACK)},),
        "it did not end": ({"cause": ended(5, "watch", Decision.ROLLBACK, state="interrupted")},),
        "another release": ({"cause": ended(5, "watch", Decision.ROLLBACK, release="v1.3.0")},),
        "another environment": ({"cause": ended(5, "watch", Decision.ROLLBACK, environment="dev")},),
        "no time": ({"cause": ended(5, "watch", Decision.ROLLBACK, finished_at=None)},),
        "from the future": ({"now": NOW - dt.timedelta(hours=1)},),
    },
)  # fmt: skip
def test_whatever_is_lacking_a_person_decides(changed: dict[str, Any], said: Said) -> None:
    reasons = asked(**changed)
    assert reasons
    said(reasons)


def test_a_command_of_several_lines_is_never_run() -> None:
    choice = chosen(facts("code"))
    assert choice.plan is not None
    step = dataclasses.replace(choice.plan.steps[0], commands=("true\nrm x",))
    broken = Choice(dataclasses.replace(choice.plan, steps=(step,)))
    assert asked(choice=broken) == ["a command of the plan has several lines"]


@pytest.mark.parametrize("wrong", [{"methods": ["database"]}, {"methods": []}, {"until": None}])
def test_only_flags_and_kubernetes_can_be_let_go(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Unattended.model_validate({**POLICY.model_dump(), **wrong})

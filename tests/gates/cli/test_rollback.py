"""`gate rollback plan`: the plan as people follow it, from the verdict alone, and never GO without one."""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import io
import json
from types import SimpleNamespace

import pytest

from gates.cli import rollback
from gates.cli.main import main
from gates.decide.fold import Stage, fold
from gates.decide.judgement import Judgement
from gates.decide.outcome import Decision, Outcome
from gates.decide.rollback.plan import Choice
from gates.decide.scope import RollbackPlan, gate_of
from gates.decide.verdict import Finished, Noted, Verdict
from gates.load import load_catalogue, load_policy
from gates.run.lines import Lines
from gates.run.manifest import Manifest
from gates.run.verdict import decided
from settings.rollback import Unattended
from tests.gates.decide.rollback.test_plan import chosen, facts
from tests.golden import Said
from tests.reports import verdicts
from tests.reports.verdicts import AT, OPENED
from tests.tables import cases

ROWS = RollbackPlan().scope(load_catalogue(), switched=True).rows
AUTHORITY = {
    "planned": "Release Manager",
    "emergency": "On-Call Engineer",
    "approves": "VP Engineering",
    "kind": "major",
}
STANDING = Unattended(
    authorised_by="VP Engineering",
    until=dt.datetime.now(dt.UTC).date() + dt.timedelta(days=30),
    methods=("kubernetes",),
)
LEVELS = [
    {
        "role": "On-Call Engineer",
        "reach": "On-Call Rotation, +1",
        "minutes": 0,
        "when_critical": False,
    },
    {"role": "VP Engineering", "reach": "Vic President, +2", "minutes": 60, "when_critical": True},
]


def said_of(choice: Choice) -> Judgement:
    outcome = {True: Outcome.PASS, False: Outcome.FAIL, None: Outcome.INCONCLUSIVE}[choice.fits]
    sentence, data = (
        "; ".join(choice.against),
        {"choice": choice.record(), "baseline": "the baseline"},
    )
    return Judgement(outcome, "rollback method", "rollback", sentence, data=data)


def a_verdict(method: Judgement | None, *, signed: bool = True, kind: str = "major") -> Verdict:
    """Return the verdict of a run in which these were judged; None: METHOD-1 never ran."""
    good = Judgement(
        Outcome.PASS,
        "contact",
        "authority",
        "all can be reached",
        data={"authority": AUTHORITY | {"kind": kind}},
    )
    unsigned = Judgement(Outcome.INCONCLUSIVE, "signed", "AUTH-1", "nobody has approved it")
    escalation = Judgement(
        Outcome.PASS, "contact", "escalation", "all", data={"escalation": LEVELS}
    )
    judged = {
        "METHOD-1": () if method is None else (method,),
        "AUTH-1": (good,) if signed else (good, unsigned),
        "ESC-1": (escalation,),
    }
    lines = Lines(
        tuple(
            Finished(check=check, at=AT, regions={"eu": Noted(found, ())})
            for check, found in judged.items()
            if found
        ),
        (),
    )
    opened = dataclasses.replace(OPENED, gate="rollback plan", window=None, not_asked=())
    folded = fold(ROWS, ("eu",), lines.results, Stage.LIVE)
    manifest = Manifest(ROWS, ())
    found = decided(opened, folded, manifest, {row.id: Stage.LIVE for row in ROWS}, lines)
    return dataclasses.replace(found, exit_code=folded.decision.exit_code)


@cases(
    "in_force but",
    {
        "code and flags": ("code flags schema", ""),
        "a restore of the database": ("code schema dns", "old code runs: no"),
        "a plan that lacks time": ("code", "minutes left: 3"),
        "no way": ("code", "old image: no"),
        "something unknown": ("code", "flags: unknown"),
        "roll forward": ("code schema", "old code runs: no, fix ready: yes"),
    },
)
def test_a_plan_is_printed_as_people_follow_it(in_force: str, but: str, said: Said) -> None:
    verdict = a_verdict(said_of(chosen(facts(in_force, but))))
    text = rollback.as_text(verdict)
    said(text.splitlines())
    assert verdict.is_go is text.startswith("ROLLBACK PLAN ")
    assert rollback.as_json(verdict)["rollback"]["authority"] == AUTHORITY


@pytest.mark.parametrize("case", ["unsigned", "METHOD-1 never ran", "a plan that lacks time"])
def test_it_is_never_0_while_something_is_undecided(case: str) -> None:
    good, late = said_of(chosen(facts())), said_of(chosen(facts("code", "minutes left: 3")))
    verdict = {
        "unsigned": a_verdict(good, signed=False),
        "METHOD-1 never ran": a_verdict(None),
        "a plan that lacks time": a_verdict(late),
    }[case]
    assert verdict.exit_code == 20
    assert rollback.as_text(verdict).startswith("NO ROLLBACK PLAN YET")


def test_the_gate_is_known_by_its_verdict() -> None:
    assert gate_of(a_verdict(None)) == RollbackPlan()
    assert [row.id for row in ROWS] == ["METHOD-1", "AUTH-1", "ESC-1"]


@pytest.mark.parametrize("output", ["text", "json"])
def test_a_run_that_was_refused_is_no_hold_and_no_plan(
    monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    monkeypatch.setattr(rollback, "answer", lambda *_: verdicts.refused())
    stdout = io.StringIO()
    code = rollback.run(
        argparse.Namespace(output=output, what="plan", cause=None, env="local"),
        stdout,
        io.StringIO(),
    )
    assert code in (64, 78)
    assert "ROLLBACK PLAN" not in stdout.getvalue()
    assert "NO VERDICT" in stdout.getvalue() or json.loads(stdout.getvalue())["state"] == "refused"


def test_a_script_is_printed_only_where_policy_lets_it_run_without_a_person(
    monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    now = dt.datetime.now(dt.UTC)
    cause = dataclasses.replace(
        OPENED,
        state="complete",
        decision=Decision.ROLLBACK,
        exit_code=10,
        run="20261206T015500Z-watch-a1b2c3",
        finished_at=now.isoformat(),
    )
    plan = dataclasses.replace(
        a_verdict(said_of(chosen(facts("code"))), kind="standard"),
        run="20261206T015700Z-rollback-plan-a1b2c3",
        started_at=now.isoformat(),
    )
    monkeypatch.setattr(rollback, "find", lambda _: SimpleNamespace(verdict=lambda: cause))
    monkeypatch.setattr(rollback, "answer", lambda *_: plan)
    policy, printed = load_policy(), []
    for unattended in (None, STANDING):
        ruled = policy.rollback and policy.rollback.model_copy(update={"unattended": unattended})
        changed = policy.model_copy(update={"rollback": ruled})
        monkeypatch.setattr(rollback, "load_policy", lambda _, found=changed: found)
        asked = argparse.Namespace(what="script", cause="RUN", env=None, release=None)
        stdout, stderr = io.StringIO(), io.StringIO()
        code = rollback.run(asked, stdout, stderr)
        assert (code == 0) is bool(stdout.getvalue()) is (unattended is not None)
        printed.append([*stdout.getvalue().splitlines(), *stderr.getvalue().splitlines()])
    said(printed, {STANDING.until.isoformat(): "UNTIL"})


@pytest.mark.parametrize("line", ["plan", "script", "script RUN --env local", "plan RUN --env x"])
def test_a_plan_is_of_an_environment_and_a_script_of_a_run(line: str) -> None:
    stderr = io.StringIO()
    assert main(["rollback", *line.split()], io.StringIO(), stderr) == 64
    assert stderr.getvalue() == (
        "gate: a plan needs --env; a script needs the run that it answers, and no --env.\n"
    )

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import pytest

from gates.decide.catalogue import Row
from gates.decide.fold import Stage, fold
from gates.decide.outcome import Decision, Outcome
from gates.decide.scope import (
    MIXED,
    Deferred,
    Gate,
    Phase,
    PostDeploy,
    PostRollback,
    PreDeploy,
    RollbackPlan,
    Rollout,
    Surroundings,
    Watch,
    gate_of,
    no_such_part,
    not_asked,
    stage_of,
    unmet,
)
from gates.decide.times import DECISION
from gates.load import load_policy
from tests.gates.decide.values import a_result, a_row
from tests.reports.verdicts import OPENED, changed


def due(check: str, when: str, phase: str = "deploy", section: str = "") -> Row:
    applies_if = section and f"environment:{section}"
    return dataclasses.replace(a_row(check), phase=phase, when=when, applies_if=applies_if)


ROWS = (
    due("D-11", "1.1"),
    due("D-12", "1.2"),
    due("D-31", "3.1"),
    due("D-32", "3.2"),
    due("D-33", "3.3"),
    due("D-51", "5.1"),
    due("TIME", "phase"),
    due("T-7", "T-7d", "pre-deploy"),
    due("T-2", "T-2h", "pre-deploy"),
    due("IV-1", "15m", "post-deploy"),
    due("IV-2", "1h", "post-deploy"),
)


PHASES = tuple(Phase(number) for number in range(1, 6))
PARTS = tuple(map(Phase.parse, ("1.1", "1.2", "2.1", "3.1", "3.2", "3.3", "3.9", "4.1", "5.2")))
GATES = (
    *(PreDeploy(at) for at in ("T-7d", "T-1d", "T-2h")),
    *(*PHASES, *PARTS),
    *(PostDeploy(window) for window in ("15m", "1h", "24h")),
    *(Watch("1h"), Rollout(2), RollbackPlan()),
    PostRollback(("kubernetes",)),
    PostRollback(("flags", "kubernetes"), "1w"),
)


@pytest.mark.parametrize("gate", GATES, ids=str)
def test_a_gate_is_read_back_from_what_the_verdict_keeps(gate: Gate) -> None:
    assert gate_of(changed(OPENED, gate=gate.name, **gate.asked)) == gate
    with pytest.raises(ValueError, match="gate 'deploy'"):
        gate_of(changed(OPENED, gate="deploy"))


def gates_said() -> Iterator[str]:
    """Yield what each gate asks, keeps, needs, and is followed by; said.json has it.

    And what a failure in a part means before traffic is switched, and after it: a failure stops or rolls
    back by what changed and where traffic is; what every phase asks has the stage of its last part.
    """
    for gate in GATES:
        scope = gate.scope(ROWS, switched=False)
        ids = " ".join(row.id for row in scope.rows) or "nothing"
        kept = ", ".join(f"{key} {value}" for key, value in gate.asked.items() if value)
        needs = " ".join(map(str, gate.needs(ROWS))) or "nothing"
        parts = " ".join(gate.parts(ROWS)) or "none"
        wrong = no_such_part(gate, ROWS) or "nothing wrong"
        words = (gate.kind, f"asks {ids}", f"keeps {kept}", f"needs {needs}", f"parts: {parts}")
        stage = scope.stage if scope.rows else "no stage"
        yield "; ".join((*words, f"then {gate.follows(ROWS)}", stage, wrong, *gate.remarks))
    for part in ("1.1", "2.2", "3.1", "3.2", "3.3", "4.1", "7.2"):
        yield f"{part}: {' / '.join(stage_of(part, switched=one) for one in (False, True))}"
    for gate, switched in (
        (Phase(1), True),
        (Phase(3, 2), False),
        (Phase(3, 2), True),
        (Phase(3), False),
    ):
        stages = gate.scope(ROWS, switched=switched).stages
        yield f"phase {gate}: {', '.join(f'{check} {stage}' for check, stage in stages.items())}"


@pytest.mark.parametrize(
    ("broken", "decision"), [("D-31", Decision.STOP), ("D-33", Decision.ROLLBACK)]
)
def test_in_one_run_of_phase_3_each_row_has_the_stage_of_its_own_part(
    broken: str, decision: Decision
) -> None:
    scope = Phase(3).scope(ROWS, switched=False)
    results = [
        a_result(Outcome.FAIL if row.id == broken else Outcome.PASS, check=row.id)
        for row in scope.rows
    ]
    assert scope.stage == MIXED
    assert fold(scope.rows, ("eu",), results, scope.stages).decision is decision


def test_what_is_no_phase_is_refused_with_how_to_write_one() -> None:
    for text in ("", "0", "8", "2.", "2.0", "two", "2.1.1", " 2", "²"):
        with pytest.raises(ValueError, match="write it like 2 or"):
            Phase.parse(text)


# --- what a decision says nothing of, and what it must not leave out ---

LIVE = "post-deploy"
ALL_ROWS = (
    due("IV-A-1", "15m", LIVE),
    due("IV-B-1", "15m", LIVE, "prometheus"),
    due("IV-B-2", "15m", LIVE, "prometheus"),
    due("IV-C-1", "15m", LIVE, "redis"),
    due("IV-D-1", "1h", LIVE),
    due("IV-E-1", "24h", LIVE),
    due("T7-A-1", "T-7d", "pre-deploy"),
    due("T2-A-1", "T-2h", "pre-deploy"),
    due("D2.1-1", "2.1"),
    due("D2.2-1", "2.2", "deploy", "redis"),
)


def around(
    catalogue: Sequence[Row] = ALL_ROWS,
    sections: Sequence[str] = ("prometheus", "redis"),
    others: Sequence[str] = (),
) -> Surroundings:
    return Surroundings(catalogue, ALL_ROWS, sections, others)


DAY, QUARTER = PostDeploy("24h"), PostDeploy("15m")
OWN = around(catalogue=[due("TEAM-1", "15m", LIVE)])
SAID_NOTHING_OF: dict[str, tuple[Gate, Surroundings]] = {
    "everything is asked": (DAY, around()),
    "a section is missing": (DAY, around(sections=["redis"])),
    "a later window": (QUARTER, around()),
    "a later time of the countdown": (PreDeploy("T-7d"), around()),
    "another part of the phase": (Phase(2, 1), around()),
    "a part of which nothing applies": (Phase(2), around(sections=["prometheus"])),
    "a catalogue of one row": (DAY, OWN),
    "another region": (DAY, around(others=["us"])),
}
MUST_ASK: dict[str, tuple[list[str], Gate, Surroundings]] = {
    "all is asked": (["redis", "IV-A-1"], QUARTER, around()),
    "a section is missing": (["redis"], QUARTER, around(sections=["prometheus"])),
    "its own catalogue never asks about a section": (["redis"], QUARTER, OWN),
    "a check does not apply": (["IV-B-1"], QUARTER, around(sections=["redis"])),
    "a check is in no catalogue": (["IV-Z-9"], QUARTER, around()),
    "a check of another gate": (["IV-B-1"], Phase(2), around(sections=["redis"])),
}


def not_asked_said() -> Iterator[str]:
    """Yield of what a decision says nothing, and what must be asked and is not; said.json has both."""
    for name, (gate, surroundings) in SAID_NOTHING_OF.items():
        found = [" ".join((o.what, f"({o.why})", *o.checks)) for o in not_asked(gate, surroundings)]
        yield f"{name}: {'; '.join(found) or 'nothing'}"
    for name, (must_ask, gate, surroundings) in MUST_ASK.items():
        yield f"{name}: {'; '.join(unmet(must_ask, gate, surroundings)) or 'nothing'}"


DEFERRED = Deferred(("T-7",), "Sunday 2026-02-01 22:00 UTC")


def test_what_a_hotfix_defers_is_named_with_its_owner_and_asked_again_in_the_last_window() -> None:
    before = PreDeploy("T-2h", DEFERRED)
    assert [row.id for row in before.scope(ROWS, switched=False).rows] == ["T-2"]
    left_out, *_ = not_asked(before, Surroundings(ROWS, (), (), ()))
    assert (left_out.what, left_out.checks) == ("what team owes", ("T-7",))
    assert "until Sunday 2026-02-01 22:00 UTC; post-deploy --window 24h asks it" in left_out.why
    after = {w: PostDeploy(w, DEFERRED).scope(ROWS, switched=True) for w in ("15m", "1h", "24h")}
    assert [w for w, scope in after.items() if "T-7" in scope.stages] == ["24h"]
    for gate in (before, PostDeploy("24h", DEFERRED)):
        kept = changed(OPENED, gate=gate.name, deferred=DEFERRED, **gate.asked)
        assert gate_of(kept) == gate


def test_policy_defers_nothing_that_nobody_may_waive() -> None:
    policy = load_policy()
    assert policy.deployment is not None
    wrong = policy.deployment.model_copy(update={"hotfix": ("T7-DOCS-2", "T7-SEC-3")})
    assert list(policy._refusals()) == []
    assert list(policy.model_copy(update={"deployment": wrong})._refusals()) == [
        "deployment.hotfix names T7-SEC-3, which nobody may waive; remove it"
    ]


BACK = tuple(due(f"RB-{when}", when, "rollback") for when in ("flags", "dns", "15m", "24h", "1w"))


def test_after_a_rollback_its_own_methods_are_asked_and_what_is_due_by_then() -> None:
    asked = PostRollback(("flags",), "24h")
    scope = asked.scope((*ROWS, *BACK), switched=True)
    assert [row.id for row in scope.rows] == ["RB-flags", "RB-15m", "RB-24h"]
    assert asked.follows(BACK) == "post-rollback --method flags --at 1w"
    assert PostRollback(("flags",), "1w").follows(BACK) is None
    around = Surroundings(BACK, (), (), ())
    assert [one.what for one in not_asked(asked, around)] == ["1w after the rollback"]


def test_a_phase_needs_the_one_before_and_knows_all_earlier_ones() -> None:
    assert [str(one) for one in Phase(5).needs(ROWS)] == ["3.1", "3.2", "3.3"]
    assert Phase(5).earlier(ROWS) == ("1.1", "1.2")
    assert Phase(3).earlier(ROWS) == Phase(1).earlier(ROWS) == PostDeploy("1h").earlier(ROWS) == ()


def test_the_way_back_is_asked_of_a_release_that_carries_traffic() -> None:
    scope = RollbackPlan().scope((*ROWS, *BACK, due("RB-1", DECISION, "rollback")), switched=False)
    assert scope.stages == {"RB-1": Stage.LIVE}


def test_after_a_rollback_nothing_asks_for_another_one() -> None:
    rows = [a_row("RB-1")]
    result = a_result(Outcome.FAIL, check="RB-1")
    assert fold(rows, ["eu"], [result], Stage.LIVE).decision is Decision.ROLLBACK
    assert fold(rows, ["eu"], [result], Stage.TAKEN_BACK).decision is Decision.HOLD

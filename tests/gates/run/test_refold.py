"""The second opinion of `gate verify`: other code than the gate's, and the same decision of any lines."""

from __future__ import annotations

import json
import pathlib
import tempfile

from hypothesis import given
from hypothesis import strategies as st

from gates.decide.catalogue import Row
from gates.decide.fold import RegionResult, Stage, fold
from gates.run import lines, refold
from tests.gates.decide.test_fold_properties import REGIONS, any_runs, manifests, stages
from tests.gates.decide.values import PROPERTY
from tests.gates.run import recorded
from tests.tables import cases

LITTER = ("", "GO", '{"event": "problem", "sentence": "the child died"}')


def line_of(result: RegionResult) -> str:
    noted = {"judgements": [one.record() for one in result.judgements], "observations": []}
    event = {"event": "check_finished", "check": result.check, "regions": {result.region: noted}}
    return json.dumps(event)


@PROPERTY
@given(manifests, any_runs, stages, st.none() | st.sampled_from(LITTER))
def test_it_reads_and_folds_any_lines_as_the_gate_does(
    rows: list[Row], run: list[RegionResult], stage: Stage, litter: str | None
) -> None:
    said = [line_of(one) for one in run] + ([] if litter is None else [litter])
    data = recorded.text(*said)
    with tempfile.TemporaryDirectory() as folder:
        gate = lines.read(recorded.file(pathlib.Path(folder), data))
    folded = fold(rows, REGIONS, gate.results, stage, gate.problems)
    required = [
        {"id": r.id, "on_fail": r.on_fail.value, "stage": stage.value, "not_applicable": None}
        for r in rows
    ]
    found = refold.measured([data])
    own = refold.opinion(refold.Question(required, REGIONS, held=False), found)
    assert own.decision == folded.decision
    assert own.regions == folded.by_region
    assert own.reds == {
        (one.check, one.region, one.outcome) for one in folded.reasons if one.check is not None
    }
    assert len(found.faults) == len(gate.problems)


@cases(
    "was found stage decision word",
    {
        "as bad as it was": ("FAIL", "FAIL", Stage.BEFORE, "GO", "WAIVED"),
        "less bad": ("FAIL", "INCONCLUSIVE", Stage.BEFORE, "GO", "WAIVED"),
        "worse": ("INCONCLUSIVE", "FAIL", Stage.BEFORE, "NO_GO", "FAIL"),
        "broken": ("FAIL", "ERROR", Stage.BEFORE, "HOLD", "ERROR"),
        "a rollback": ("FAIL", "FAIL", Stage.LIVE, "ROLLBACK", "FAIL"),
        "a waiver of what no waiver is for": ("ERROR", "ERROR", Stage.BEFORE, "HOLD", "ERROR"),
    },
)
def test_what_people_let_pass_is_no_worse_and_never_a_rollback(
    was: str, found: str, stage: Stage, decision: str, word: str
) -> None:
    rows = [
        {"id": check, "on_fail": "rollback", "stage": stage.value, "not_applicable": None}
        for check in ("A-1", "A-2")
    ]
    judged: dict[str, refold.Runs] = {"A-1": [[{"outcome": "PASS"}]], "A-2": [[{"outcome": found}]]}
    cells = {(check, "eu"): runs for check, runs in judged.items()}
    asked = refold.Question(rows, ("eu",), held=False, waived={"A-2": was})
    own = refold.opinion(asked, refold.Measured(cells, ()))
    assert (own.decision, own.words["A-2", "eu"]) == (decision, word)
    assert (("A-2", "eu", found) in own.waived) is (word == "WAIVED")

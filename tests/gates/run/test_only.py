"""--only: a few checks to try something; whatever they say, it is not the gate's GO."""

from __future__ import annotations

import dataclasses
import datetime as dt
import pathlib
from collections.abc import Callable

from environments.store import Folder, Store
from gates.decide.fold import RegionResult, Stage, fold
from gates.decide.history import Kind
from gates.decide.judgement import equals
from gates.decide.outcome import Decision, Outcome
from gates.decide.scope import Phase
from gates.decide.statements import Waiver
from gates.run.manifest import manifest
from gates.run.runner import Asked, Chronicle, _left_out
from reports import words
from steps.kit.chain import History
from tests.gates.decide.values import a_result, a_row
from tests.gates.run import recorded
from tests.gates.run.left import ASKED, SCOPE, events
from tests.gates.run.test_refusals import a_runner, refused
from tests.reports import verdicts
from tests.tables import cases


@cases(
    "body decision",
    {"all of them pass": (200, Decision.HOLD), "one fails": (503, Decision.ROLLBACK)},
)
def test_a_part_of_the_checks_is_never_go(body: int, decision: Decision) -> None:
    part = SCOPE.only(("IV-HEALTH-1",))
    problems = _left_out(("IV-HEALTH-1",), part, SCOPE)
    results = [RegionResult("IV-HEALTH-1", "eu", (equals("status", body, 200),))]
    assert fold(part.rows, ("eu",), results, Stage.LIVE, problems).decision is decision
    assert problems[0].startswith(f"only 1 of {len(SCOPE.rows)} checks was asked")
    assert _left_out((), SCOPE, SCOPE) == ()


def test_nor_is_a_gate_of_which_every_check_is_named() -> None:
    """Else its GO would be in no history, and `gate verify` would take it for an edited one."""
    ids = [row.id for row in SCOPE.rows]
    results = [RegionResult(one, "eu", (equals("status", 200, 200),)) for one in ids]
    problems = _left_out(ids, SCOPE.only(ids), SCOPE)
    assert fold(SCOPE.rows, ("eu",), results, Stage.LIVE).decision is Decision.GO
    assert fold(SCOPE.rows, ("eu",), results, Stage.LIVE, problems).decision is Decision.HOLD
    assert problems[0].endswith("were asked (--only); run the gate without it to decide")


UNTIL = dt.datetime.now(dt.UTC)


@cases(
    "until decision",
    {
        "until after its end": (UNTIL + dt.timedelta(days=1), Decision.GO),
        "that ended meanwhile": (UNTIL, Decision.HOLD),
    },
)
def test_a_waiver_counts_to_the_end_of_a_run(
    tmp_path: pathlib.Path, until: dt.datetime, decision: Decision
) -> None:
    """It was in force when the run began."""
    run = a_runner(tmp_path)
    waiver = Waiver("VENDOR-1", Outcome.FAIL, until, "it is known", "UH-1", ("a", "b"))
    run._verdict = dataclasses.replace(run._verdict, release="v1.2.0", waivers=(waiver,))
    found = {"VENDOR-1": [(Outcome.FAIL,)]}
    run.run_dir.mkdir(parents=True)
    recorded.file(run.run_dir, recorded.text(*events("eu", found)))
    chronicle = Chronicle(None, run._run, "clinic", ("eu",), {})  # type: ignore[arg-type]  # not asked
    run._conclude(Asked(SCOPE, ASKED, ("eu",), (), chronicle, (), ()), ())
    assert run._verdict.decision is decision


THREE = tuple(
    dataclasses.replace(a_row(check), phase="deploy", when=when)
    for check, when in (("D-31", "3.1"), ("D-32", "3.2"), ("D-33", "3.3"))
)
"""Of phase 3: its first part stops, wherever traffic is; the others roll back while it is here."""
Kept = dict[str, dict[str, str]]


@cases(
    "eu us kept back",
    {
        "good": ({}, {}, {}, ()),
        "undecided": ({"D-31": Outcome.INCONCLUSIVE}, {}, {"3.1": {"eu": "HOLD"}}, ()),
        "bad before traffic": ({"D-31": Outcome.FAIL}, {}, {"3.1": {"eu": "STOP"}}, ()),
        "bad with traffic": ({}, {"D-32": Outcome.FAIL}, {}, ("us",)),
        "one here, another there": (
            *({"D-33": Outcome.FAIL}, {"D-31": Outcome.FAIL}, {"3.1": {"us": "STOP"}}, ("eu",)),
        ),
    },
)
def test_what_a_part_finds_that_is_not_good_is_kept_for_the_next_phase(
    tmp_path: pathlib.Path,
    eu: dict[str, Outcome],
    us: dict[str, Outcome],
    kept: Kept,
    back: tuple[str, ...],
) -> None:
    """And nobody may decide to go on from it: it is not the phase."""
    ids, where = tuple(row.id for row in THREE), ("eu", "us")
    run = a_runner(tmp_path, gate=Phase(3), only=ids)
    run._verdict = dataclasses.replace(run._verdict, state="complete")
    scope = Phase(3).scope(THREE, switched=True)
    history = History(Store(Folder(tmp_path / "state")), "clinic", "v1.2.0")
    chronicle = Chronicle(history, run._run, "clinic", where, {})
    asked = Asked(scope, manifest(scope.rows, ()), where, (), chronicle, (), ())
    results = [
        a_result(said.get(row.id, Outcome.PASS), check=row.id, region=region)
        for region, said in zip(where, (eu, us), strict=True)
        for row in THREE
    ]
    problems = _left_out(ids, scope, scope)
    folded = fold(scope.rows, where, results, scope.stages, problems)
    assert run._keep(asked, folded) is None
    entries = history.entries()
    ended = [one for one in entries if one.kind is Kind.ENDED]
    assert [one.parts for one in ended] == ([kept] if kept else [])
    assert not any(one.verdict for one in ended)
    assert [one.regions for one in entries if one.kind is Kind.ROLLED_BACK] == [back] * bool(back)


def test_a_check_that_the_gate_does_not_ask_is_refused(
    tmp_path: pathlib.Path, said: Callable[..., None]
) -> None:
    verdict = refused(tmp_path, only=("iv-helth-1",), regions=("r1",))
    said([verdict.exit_code, verdict.sentences, words.again_command(verdict)], {str(tmp_path): "X"})


def test_it_is_asked_again_as_it_was_meant() -> None:
    verdict = verdicts.changed(verdicts.go(), only=("IV-HEALTH-1",), asked_regions=("eu",))
    assert words.again_command(verdict).endswith("--window 15m --region eu --only IV-HEALTH-1")
    assert ", only IV-HEALTH-1" in words.scope(verdict)

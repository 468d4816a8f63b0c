from __future__ import annotations

import dataclasses
import datetime as dt
import json
import pathlib
from typing import Any

from gates.decide.fold import Stage, fold
from gates.decide.outcome import Decision, Outcome
from gates.decide.scope import PostDeploy
from gates.decide.verdict import FINISHED, Finished, Noted, Verdict
from gates.run import lines, verdict
from gates.run.manifest import Manifest
from reports.verdict import read
from reports.writers import write_json
from tests.gates.decide.values import a_row
from tests.gates.run.recorded import OBSERVED, file, finished, text

AT = dt.datetime(2026, 1, 31, 22, 0, tzinfo=dt.UTC)
OPENING = verdict.opening(PostDeploy("15m"), "r-1", "local", "local", "v1.2.0", AT)
NEEDS_REDIS = dataclasses.replace(a_row("IV-B-1"), applies_if="environment:redis")
MANIFEST = Manifest(
    required=(a_row("IV-A-1"), a_row("IV-A-2")),
    not_applicable=((NEEDS_REDIS, "the environment has no redis section"),),
)
REGIONS = ("eu", "us")


def decided(path: pathlib.Path) -> Verdict:
    found = lines.read(path)
    results = [*found.results, *verdict.not_applicable_results(MANIFEST, REGIONS)]
    folded = fold(MANIFEST.rows, REGIONS, results, Stage.LIVE, found.problems)
    stages = {row.id: Stage.LIVE for row in MANIFEST.rows}
    return verdict.decided(OPENING, folded, MANIFEST, stages, found)


def test_a_verdict_is_written_byte_by_byte_as_before_there_was_a_model(
    tmp_path: pathlib.Path,
) -> None:
    ran = [
        finished("IV-A-1", Outcome.PASS, Outcome.FAIL),
        finished("IV-A-2", Outcome.ERROR, regions=("eu",)),
        finished("IV-A-1", Outcome.PASS, regions=("us",)),
    ]
    said = decided(file(tmp_path, text(*ran)))
    now = AT + dt.timedelta(seconds=2.5)
    closed = verdict.closed(said, state="complete", exit_code=10, now=now)
    versions = {"gate": "0.1.0", "python": "3.11", "commit": None}
    same = dataclasses.replace(closed, versions=versions, digests={})
    write_json(tmp_path / "verdict.json", same.record())
    golden = pathlib.Path(__file__).parent / "golden" / "verdict.json"
    assert (tmp_path / "verdict.json").read_bytes() == golden.read_bytes()
    assert read(json.loads(golden.read_bytes())) == same


def test_an_opening_says_that_nothing_is_decided_and_closing_adds_the_end() -> None:
    assert OPENING.state == "incomplete"
    assert (OPENING.decision, OPENING.exit_code, OPENING.finished_at) == (None, None, None)
    assert all(len(OPENING.digests[name]) == 64 for name in ("policy", "catalogue"))
    now, said = AT + dt.timedelta(seconds=2.5), ("The file is missing.",)
    closed = verdict.closed(OPENING, state="refused", exit_code=78, now=now, sentences=said)
    assert (closed.state, closed.exit_code, closed.elapsed_seconds) == ("refused", 78, 2.5)
    assert (closed.decision, closed.sentences) == (None, said)


def test_a_go_lists_every_check_by_region_with_its_evidence(tmp_path: pathlib.Path) -> None:
    path = file(tmp_path, text(finished("IV-A-1", Outcome.PASS), finished("IV-A-2", Outcome.PASS)))
    said = decided(path)
    assert (said.decision, said.regions) == (Decision.GO, {"eu": "GO", "us": "GO"})
    assert said.counts == {"NOT_APPLICABLE": 2, "PASS": 4}
    assert [check.id for check in said.checks] == ["IV-A-1", "IV-A-2", "IV-B-1"]
    assert said.checks[0].regions["us"].observations == (OBSERVED,)
    assert said.checks[2].not_applicable == "the environment has no redis section"


def test_what_is_missing_is_counted_and_named(tmp_path: pathlib.Path) -> None:
    said = decided(file(tmp_path, text(finished("IV-A-1", Outcome.FAIL, regions=("eu",)))))
    assert said.decision is Decision.ROLLBACK
    assert said.regions == {"eu": "ROLLBACK", "us": "HOLD"}
    assert said.counts == {"FAIL": 1, "MISSING": 3, "NOT_APPLICABLE": 2}
    nothing: dict[str, Any] = {"outcome": None, "ran": 0, "judgements": [], "observations": []}
    assert said.checks[1].regions["eu"].record() == nothing


def test_a_check_that_does_not_apply_but_ran_holds(tmp_path: pathlib.Path) -> None:
    ran = [finished(check, Outcome.PASS) for check in ("IV-A-1", "IV-A-2", "IV-B-1")]
    assert decided(file(tmp_path, text(*ran))).decision is Decision.HOLD


def test_the_decision_can_be_made_again_from_the_verdict_alone(tmp_path: pathlib.Path) -> None:
    path = file(
        tmp_path,
        text(finished("IV-A-1", Outcome.PASS, Outcome.FAIL), finished("IV-A-2", Outcome.ERROR)),
    )
    said = decided(path)
    write_json(tmp_path / "verdict.json", said.record())
    kept = Verdict.from_record(json.loads((tmp_path / "verdict.json").read_text(encoding="utf-8")))
    assert kept == said
    again = [
        Finished(
            check=check.id,
            regions={
                region: Noted(found.judgements, found.observations)
                for region, found in check.regions.items()
            },
        ).record()
        for check in kept.checks
        if check.not_applicable is None
    ]
    second = decided(file(tmp_path, text(*({"event": FINISHED} | one for one in again))))
    assert second.decision is said.decision is Decision.ROLLBACK
    assert second.reasons == said.reasons

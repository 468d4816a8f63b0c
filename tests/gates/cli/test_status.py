"""What `gate status` says of the runs that lie there: golden/status.txt has a part for each table."""

from __future__ import annotations

import dataclasses
import datetime as dt
import pathlib
import re
from collections.abc import Sequence
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from environments import loader
from gates.cli import status
from gates.decide.fold import Stage
from gates.decide.judgement import equals
from gates.decide.verdict import Verdict
from gates.run import runs
from reports.metrics import openmetrics
from tests.checkout import ROOT
from tests.gates.cli.evidence import called, leave, run_id
from tests.gates.decide.values import a_row
from tests.golden import compare_file
from tests.reports import verdicts
from tests.tables import cases

NOW = dt.datetime(2026, 11, 23, 2, 15, 36, 100_000, tzinfo=dt.UTC)
GOLDEN = pathlib.Path(__file__).parent / "golden" / "status.txt"
ROWS = tuple(
    dataclasses.replace(a_row(f"D{part}-1"), phase="deploy", when=part, owner=owner)
    for part, owner in (("1.1", "platform"), ("2.1", "database"), ("2.2", "sre"), ("3.1", "sre"))
)


@dataclasses.dataclass(frozen=True)
class Left:
    """A run that lies there: a verdict by its name, of a phase where one is given."""

    number: int
    verdict: str = "go"
    phase: str | None = None
    changes: dict[str, Any] = dataclasses.field(default_factory=dict)

    def leave(self, out: pathlib.Path) -> None:
        verdict, changes = verdicts.EVERY[self.verdict](), self.changes
        if self.phase is not None:
            started = f"2026-11-23T01:{self.number:02d}:36+00:00"
            asked = {"gate": "phase", "phase": self.phase, "window": None}
            changes = {**asked, "started_at": started, **changes}
        kind = f"phase-{self.phase}" if self.phase else "post-deploy"
        leave(out, run_id(self.number, kind), verdict, **changes)


def stopped() -> dict[str, Any]:
    """Return what a run says whose first check of 2.1 failed in one region."""
    rows = (ROWS[1], verdicts.ROWS[0])
    well, ill = equals("status", 200, 200), equals("status", 503, 200)
    found: verdicts.Found = {(one.id, where): (well,) for one in rows for where in verdicts.REGIONS}
    found[ROWS[1].id, "us"] = (ill,)
    return said_by(verdicts.verdict_of(found, stage=Stage.NOT_SWITCHED, rows=rows))


def of_one_region() -> dict[str, Any]:
    """Return what a run says that asked eu alone, and was GO."""
    record = said_by(verdicts.go())
    checks = [one | {"regions": {"eu": one["regions"]["eu"]}} for one in record["checks"]]
    return record | {"regions": {"eu": "GO"}, "checks": checks}


def said_by(verdict: Verdict) -> dict[str, Any]:
    """Return what a verdict says, without what it was asked and when."""
    asked = ("gate", "window", "phase", "run", "started_at")
    return {key: value for key, value in verdict.record().items() if key not in asked}


STAGING = {"environment": "staging"}
FILE = {"environment": "clinic", "asked_as": "/srv/clinic.yaml"}
LONG = {"sentences": [f"key {number} still says EDIT-ME." for number in range(50)]}
FIRST, STOPPED = Left(1, phase="1"), Left(2, phase="2", changes=stopped())
ASKED: dict[str, tuple[Sequence[Left], Sequence[str]]] = {
    "nothing was ever run": ([], []),
    "nothing was ever run on an environment": ([], ["--env", "prod"]),
    "the newest of each environment": (
        [Left(1, "rollback"), Left(2), Left(3, "hold", changes=STAGING)],
        [],
    ),
    "what was refused is no run": (
        [Left(1, "rollback"), Left(2, "refused"), Left(3, "refused", changes=STAGING)],
        [],
    ),
    "an environment of a file": ([Left(1, changes=FILE)], []),
    "an environment of a file, by its name": ([Left(1, changes=FILE)], ["--env", "clinic"]),
    "an environment of a file, by its path": (
        [Left(1, changes=FILE)],
        ["--env", "/srv/clinic.yaml"],
    ),
    "one environment": ([Left(1), Left(2, changes=STAGING)], ["--env", "local"]),
    **{f"{name}": ([Left(1, name)], []) for name in ("missing", "failed", "incomplete")},
    "a GO of the last window": ([Left(1, changes={"window": "24h"})], []),
    "a damaged run is named": ([Left(1), Left(2, changes={"schema": 9})], []),
    "a long list is cut": ([Left(1, "failed", changes=LONG)], ["--env", "local"]),
    "as JSON": ([Left(1, "rollback")], ["--output", "json"]),
    "the phases": ([FIRST, STOPPED], []),
    "the last run of a part counts": ([FIRST, STOPPED, Left(3, phase="2.1")], []),
    "a region that nobody asked": (
        [FIRST, Left(2, phase="2", changes=of_one_region())],
        [],
    ),
    **{
        f"what does not count: {name}": (
            [Left(1, phase="2", changes=changes), Left(2, phase="1")],
            ["--env", "local"],
        )
        for name, changes in {
            "another release": {"release": "v1.1.0"},
            "another environment": STAGING,
            "an interrupted run": said_by(verdicts.interrupted()),
        }.items()
    },
    "the phases as JSON": ([FIRST], ["--output", "json"]),
}


def test_it_says_how_each_environment_is_who_has_to_act_and_what_comes_next(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "load_catalogue", lambda: ROWS)
    parts = []
    for number, (name, (left, arguments)) in enumerate(ASKED.items()):
        out = tmp_path / str(number)
        leave(out, run_id(0, "pytest"))
        for one in left:
            one.leave(out)
        code, said, told = called("status", out, *arguments, now=NOW)
        wrong = told.replace(str(out), "OUT")
        parts.append(f"# {name}: status {' '.join(arguments)}\n{said}{wrong}# ends with {code}\n")
    compare_file(GOLDEN, "\n".join(parts))


def test_what_was_refused_is_found_by_its_name_alone(tmp_path: pathlib.Path) -> None:
    leave(tmp_path, run_id(1))
    leave(tmp_path, run_id(2), verdicts.refused())
    assert runs.find(None, tmp_path).id == run_id(1)
    assert runs.find(run_id(2), tmp_path).id == run_id(2)


@cases(
    "hour said",
    {
        "in the window": (2, "closes in 60 min"),
        "outside of it": (4, "closed; Monday 00:00 to Monday 03:00 UTC"),
    },
)
def test_what_is_left_of_the_deployment_window_is_told(
    tmp_path: pathlib.Path, hour: int, said: str
) -> None:
    path = tmp_path / "clinic.yaml"
    path.write_text(
        "{schema: 1, name: clinic, owner: team, services: {api: {}}, regions: {eu: {prometheus: "
        '"http://127.0.0.1:9", services: {api: "http://127.0.0.1:9"}}}, deployment: {windows: '
        "[{opens: Monday 00:00, closes: Monday 03:00}]}}"
    )
    assert loader.find(str(path)).name == "clinic"
    now = dt.datetime(2026, 11, 23, hour, 0, tzinfo=dt.UTC)
    assert status.window_left(str(path), now) == said
    assert status.window_left("local", now) is status.window_left("moon", now) is None


def test_openmetrics_are_read_by_their_own_parser(tmp_path: pathlib.Path) -> None:
    leave(tmp_path, run_id(1), verdicts.EVERY["rollback"](), environment='lo"cal\\')
    code, out, _ = called("status", tmp_path, "--output", "openmetrics", "--env", 'lo"cal\\')
    read = text_string_to_metric_families(out)  # type: ignore[no-untyped-call] # has no types
    families = {one.name: one for one in read}
    decided = families["gate_run_decision"].samples
    ones = {(s.labels["region"], s.labels["decision"]) for s in decided if s.value == 1}
    assert (code, ones) == (0, {("", "ROLLBACK"), ("eu", "ROLLBACK"), ("us", "HOLD")})
    assert {s.labels["environment"] for s in decided} == {'lo"cal\\'}
    results = {s.labels["outcome"]: s.value for s in families["gate_run_results"].samples}
    assert results["FAIL"] == 2


def test_the_dashboard_asks_for_metrics_that_there_are() -> None:
    asked = re.findall(r"gate_run_\w+", (ROOT / "deploy/grafana/gate.json").read_text("utf-8"))
    assert set(asked) == set(re.findall(r"gate_run_\w+", openmetrics([verdicts.go()])))

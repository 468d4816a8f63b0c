"""Policy and catalogue as they are loaded: every mistake is one sentence with file, key and remedy."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from collections.abc import Callable

import pytest

from environments.yaml_file import ConfigurationError
from gates.decide.catalogue import COLUMNS
from gates.load import FEATURES, POLICY, ROOT, load_catalogue, load_policy
from tests.tables import cases

OBJECTIVES = (POLICY / "objectives.yaml").read_text(encoding="utf-8")
GATE = (POLICY / "gate.yaml").read_text(encoding="utf-8")
BOTH = OBJECTIVES + GATE


def refusal(folder: pathlib.Path, old: str, new: str) -> list[str]:
    """Return the sentences with which a policy with one change is refused."""
    assert old in BOTH
    for name, text in (("objectives.yaml", OBJECTIVES), ("gate.yaml", GATE)):
        if changed := text.replace(old, new, 1):
            (folder / name).write_text(changed, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_policy(folder)
    return [sentence.replace(f"{folder}/", "") for sentence in caught.value.sentences]


def test_where_runs_are_kept_is_named_from_where_the_caller_is(tmp_path: pathlib.Path) -> None:
    def named(folder: pathlib.Path) -> str:
        line = [sys.executable, "-c", "from reports.verdict import OUT; print(OUT)"]
        free = {name: value for name, value in os.environ.items() if name != "GATE_OUT"}
        return subprocess.check_output(line, cwd=folder, env=free, text=True).strip()

    assert (named(ROOT), named(tmp_path)) == ("reports/out", str(ROOT / "reports/out"))


TARGET = "target: {over_seconds: 0.05, budget: 5%}"


@cases(
    "old new",
    {
        "unknown key, and no look-back": ("    look_back: 5m\n", "    lookback: 5m\n"),
        "look-back above an hour": ("look_back: 5m", "look_back: 2h"),
        "no look-back at all": ("look_back: 5m", "look_back: 0s"),
        "bounds out of order": ("[0.001, 0.0025", "[0.0025, 0.001"),
        "a quantile in percent": (TARGET, "target: {quantile: 95, target_seconds: 0.06}"),
        "a budget that can never pass": ("{budget: 0.1%}", "{budget: 0%}"),
        "a budget that can never fail": ("{budget: 0.1%}", "{budget: 100%}"),
        "a budget without its sign": ("{budget: 0.1%}", "{budget: 0.001}"),
        "two objectives of one check": ("check: IV-PERF-2", "check: IV-PERF-1"),
        "no objective": (OBJECTIVES, "objectives: []\n"),
        "no file of objectives": (OBJECTIVES, ""),
        "a duration without unit": ("confirm_for: 2m", "confirm_for: 2"),
        "a section in two files": ("deadlines:", "objectives: []\ndeadlines:"),
        "an unedited mark": ("availability:", "availability: EDIT-ME\nx:"),
    },
)
def test_a_policy_that_could_not_be_trusted(
    old: str, new: str, tmp_path: pathlib.Path, said: Callable[..., None]
) -> None:
    """Where it is said of the file; why an objective could not judge, test_said has of the model."""
    said(refusal(tmp_path, old, new))


def test_a_policy_without_its_files(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_policy(tmp_path)
    assert str(caught.value) == f"{tmp_path}: holds no *.yaml; the gate has no policy."


HEADER = ",".join(COLUMNS)
ROW = "IV-X-1,post-deploy,15m,platform,blocker,yes,rollback,environment:redis"


@cases(
    "rows of_a_team",
    {
        "no row": ("", None),
        "a cell too many": (f"{ROW},x\n", None),
        "no file": (None, None),
        "a team changes a row": (ROW, f"{HEADER}\n{ROW}\n".encode()),
        "a team in another encoding": (ROW, b"\xff\xfe"),
    },
)
def test_a_catalogue_that_is_none_is_refused_with_its_file(
    rows: str | None, of_a_team: bytes | None, tmp_path: pathlib.Path, said: Callable[..., None]
) -> None:
    """What else makes it none, test_said has of the parser."""
    if rows is not None:
        (tmp_path / "catalogue.csv").write_text(f"{HEADER}\n{rows}\n", encoding="utf-8")
    if of_a_team:
        (tmp_path / "catalogue.d").mkdir()
        (tmp_path / "catalogue.d" / "video.csv").write_bytes(of_a_team)
    with pytest.raises(ConfigurationError) as caught:
        load_catalogue(tmp_path)
    said(str(caught.value), {f"{tmp_path}/": ""})


def test_a_team_adds_rows(tmp_path: pathlib.Path) -> None:
    (tmp_path / "catalogue.d").mkdir()
    for name, row in (
        ("catalogue.csv", ROW),
        ("catalogue.d/video.csv", ROW.replace("X-1", "X-2")),
    ):
        (tmp_path / name).write_text(f"{HEADER}\n{row}\n", encoding="utf-8")
    assert [row.id for row in load_catalogue(tmp_path)] == ["IV-X-1", "IV-X-2"]


def test_the_committed_catalogue_is_in_order() -> None:
    rows = load_catalogue(FEATURES)
    assert {"IV-HEALTH-1", "IV-FLOW-5", "IV-PERF-4", "VENDOR-1"} <= {row.id for row in rows}

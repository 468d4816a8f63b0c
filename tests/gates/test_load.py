"""Policy and catalogue as they are loaded: every mistake is one sentence with file, key and remedy."""

from __future__ import annotations

import pathlib

import pytest

from environments.yaml_file import ConfigurationError
from gates.decide.catalogue import COLUMNS
from gates.load import FEATURES, POLICY, load_catalogue, load_policy
from tests.tables import cases

OBJECTIVES = (POLICY / "objectives.yaml").read_text(encoding="utf-8")
GATE = (POLICY / "gate.yaml").read_text(encoding="utf-8")
BOTH = OBJECTIVES + GATE


def refusal(folder: pathlib.Path, old: str, new: str) -> list[str]:
    """Return the sentences with which a policy with one change is refused."""
    assert old in BOTH
    for name, text in (("objectives.yaml", OBJECTIVES), ("gate.yaml", GATE)):
        (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_policy(folder)
    return [sentence.replace(f"{folder}/", "") for sentence in caught.value.sentences]


AT = "objectives.yaml: objectives"


@cases(
    "old new sentences",
    {
        "unknown key, and no look-back": (
            "    look_back: 5m\n",
            "    lookback: 5m\n",
            (
                f"{AT}.0.look_back: is missing; add it.\n"
                f"{AT}.0.lookback: unknown key; remove it or fix its spelling."
            ),
        ),
        "look-back above an hour": (
            "look_back: 5m",
            "look_back: 2h",
            f"{AT}.0.look_back = 2h: must be at most 3600 seconds.",
        ),
        "no look-back at all": (
            "look_back: 5m",
            "look_back: 0s",
            f"{AT}.0.look_back = 0s: must be more than 0 seconds.",
        ),
        "bounds out of order": (
            "[0.001, 0.0025",
            "[0.0025, 0.001",
            f"{AT}.3: bucket_bounds must list the histogram's finite bounds, ascending.",
        ),
        "a quantile in percent": (
            "target: {over_seconds: 0.05, budget: 5%}",
            "target: {quantile: 95, target_seconds: 0.06}",
            f"{AT}.3.target.quantile = 95: must be less than 1.",
        ),
        "a budget that can never pass": (
            "{budget: 0.1%}",
            "{budget: 0%}",
            f"{AT}.2.target: budget 0% can never pass: no number of events proves it; raise it.",
        ),
        "a budget that can never fail": (
            "{budget: 0.1%}",
            "{budget: 100%}",
            f"{AT}.2.target: budget 100% can never fail: every event may be bad; lower it.",
        ),
        "a budget without its sign": (
            "{budget: 0.1%}",
            "{budget: 0.001}",
            f"{AT}.2.target.budget = 0.001: must be a percentage, such as 0.1%.",
        ),
        "two objectives of one check": (
            "check: IV-PERF-2",
            "check: IV-PERF-1",
            "*.yaml: two objectives for IV-PERF-1; keep one of each.",
        ),
        "no objective": (OBJECTIVES, "objectives: []\n", f"{AT}: must not be empty."),
        "a duration without unit": (
            "confirm_for: 2m",
            "confirm_for: 2",
            (
                "gate.yaml: availability.confirm_for = 2: must be a duration with its unit, such as 30s, "
                "5m or 1h."
            ),
        ),
        "a section in two files": (
            "deadlines:",
            "objectives: []\ndeadlines:",
            f"{AT}: gate.yaml has this section too; keep one.",
        ),
        "an unedited mark": (
            "availability:",
            "availability: EDIT-ME\nx:",
            (
                "gate.yaml: availability still says EDIT-ME; replace it: see the comment beside it.\n"
                "gate.yaml: x: unknown key; remove it or fix its spelling."
            ),
        ),
    },
)
def test_a_policy_that_could_not_be_trusted(
    old: str, new: str, sentences: str, tmp_path: pathlib.Path
) -> None:
    """Where it is said of the file; why an objective could not judge, said.json has of the model."""
    assert "\n".join(refusal(tmp_path, old, new)) == sentences


def test_a_policy_without_its_files(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_policy(tmp_path)
    assert str(caught.value) == f"{tmp_path}: holds no *.yaml; the gate has no policy."


def test_a_policy_without_its_objectives(tmp_path: pathlib.Path) -> None:
    (tmp_path / "gate.yaml").write_text(GATE, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"\*\.yaml: objectives: is missing; add it\."):
        load_policy(tmp_path)


def test_the_committed_policy_has_the_runbooks_targets() -> None:
    policy = load_policy()
    assert [
        (one.check, one.target.over_seconds, one.target.budget) for one in policy.objectives
    ] == [
        ("IV-PERF-1", 0.2, 0.05),
        ("IV-PERF-2", 0.5, 0.01),
        ("IV-PERF-3", None, 0.001),
        ("IV-PERF-4", 0.05, 0.05),
    ]


HEADER = ",".join(COLUMNS)
ROW = "IV-X-1,post-deploy,15m,platform,blocker,yes,rollback,environment:redis"


@cases(
    "text words",
    {
        "no row": (f"{HEADER}\n", "the catalogue is empty; nothing would be required."),
        "a cell too many": (f"{HEADER}\n{ROW},x\n", "catalogue.csv:2: 9 cells, wanted 8."),
    },
)
def test_a_catalogue_that_is_none_is_refused_with_its_file(
    text: str, words: str, tmp_path: pathlib.Path
) -> None:
    """What else makes it none, said.json has of the parser."""
    (tmp_path / "catalogue.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_catalogue(tmp_path)
    assert str(caught.value).replace(f"{tmp_path}/", "") == words


def test_a_team_adds_rows_and_changes_none(tmp_path: pathlib.Path) -> None:
    teams = tmp_path / "catalogue.d"
    teams.mkdir()
    (tmp_path / "catalogue.csv").write_text(f"{HEADER}\n{ROW}\n", encoding="utf-8")
    (teams / "video.csv").write_text(
        f"{HEADER}\n{ROW.replace('IV-X-1', 'IV-X-2')}\n", encoding="utf-8"
    )
    assert [row.id for row in load_catalogue(tmp_path)] == ["IV-X-1", "IV-X-2"]
    (teams / "video.csv").write_text(f"{HEADER}\n{ROW}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"video\.csv:2: IV-X-1 is listed twice; keep one"):
        load_catalogue(tmp_path)


def test_a_catalogue_that_is_not_there(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_catalogue(tmp_path)
    assert str(caught.value).endswith("catalogue.csv: cannot be read: No such file or directory.")


def test_a_teams_catalogue_in_another_encoding_is_named(tmp_path: pathlib.Path) -> None:
    (tmp_path / "catalogue.d").mkdir()
    (tmp_path / "catalogue.csv").write_text(f"{HEADER}\n{ROW}\n", encoding="utf-8")
    (tmp_path / "catalogue.d" / "video.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match=r"video\.csv: cannot be read: it is not UTF-8"):
        load_catalogue(tmp_path)


def test_the_committed_catalogue_is_in_order() -> None:
    rows = load_catalogue(FEATURES)
    assert {"IV-HEALTH-1", "IV-FLOW-5", "IV-PERF-4", "VENDOR-1"} <= {row.id for row in rows}

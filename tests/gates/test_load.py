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


@cases(
    "old new sentences",
    {
        "unknown key, and no look-back": (
            "    look_back: 5m\n",
            "    lookback: 5m\n",
            [
                "objectives.yaml: objectives.0.look_back: is missing; add it.",
                "objectives.yaml: objectives.0.lookback: unknown key; remove it or fix its spelling.",
            ],
        ),
        "look-back above an hour": (
            "look_back: 5m",
            "look_back: 2h",
            ["objectives.yaml: objectives.0.look_back = 2h: must be at most 3600 seconds."],
        ),
        "no look-back at all": (
            "look_back: 5m",
            "look_back: 0s",
            ["objectives.yaml: objectives.0.look_back = 0s: must be more than 0 seconds."],
        ),
        "threshold between two bounds": (
            "over_seconds: 0.2, budget",
            "over_seconds: 0.25, budget",
            [
                (
                    "objectives.yaml: objectives.0: target.over_seconds 0.25 is not among "
                    "bucket_bounds; only a bucket bound can be counted exactly, choose one of them, or "
                    "interpolate: {quantile: 0.95, target_seconds: 0.25}."
                )
            ],
        ),
        "interpolated although it can be counted": (
            "target: {over_seconds: 0.05, budget: 5%}",
            "target: {quantile: 0.95, target_seconds: 0.05}",
            [
                (
                    "objectives.yaml: objectives.3: target.target_seconds 0.05 is a bucket bound, "
                    "which can be counted exactly; write {over_seconds: 0.05, budget: 5%} instead."
                )
            ],
        ),
        "a quantile in percent": (
            "target: {over_seconds: 0.05, budget: 5%}",
            "target: {quantile: 95, target_seconds: 0.06}",
            ["objectives.yaml: objectives.3.target.quantile = 95: must be less than 1."],
        ),
        "bounds out of order": (
            "[0.001, 0.0025",
            "[0.0025, 0.001",
            [
                (
                    "objectives.yaml: objectives.3: bucket_bounds must list the histogram's finite "
                    "bounds, ascending."
                )
            ],
        ),
        "a budget that can never pass": (
            "{budget: 0.1%}",
            "{budget: 0%}",
            [
                (
                    "objectives.yaml: objectives.2.target: budget 0% can never pass: no number of "
                    "events proves it; raise it."
                )
            ],
        ),
        "a budget that can never fail": (
            "{budget: 0.1%}",
            "{budget: 100%}",
            [
                (
                    "objectives.yaml: objectives.2.target: budget 100% can never fail: every event "
                    "may be bad; lower it."
                )
            ],
        ),
        "a budget without its sign": (
            "{budget: 0.1%}",
            "{budget: 0.001}",
            [
                "objectives.yaml: objectives.2.target.budget = 0.001: must be a percentage, such as 0.1%."
            ],
        ),
        "a status that no answer has": (
            'bad_status: "5.."',
            'bad_status: "6.."',
            [
                (
                    "objectives.yaml: objectives.2: bad_status matches no HTTP status, so it can "
                    'never fail; try "5..".'
                )
            ],
        ),
        "a status that every answer has": (
            'bad_status: "5.."',
            'bad_status: "..."',
            [
                (
                    "objectives.yaml: objectives.2: bad_status matches every HTTP status, so it can "
                    'never pass; try "5..".'
                )
            ],
        ),
        "a status pattern that is none": (
            'bad_status: "5.."',
            'bad_status: "5("',
            [
                (
                    "objectives.yaml: objectives.2: bad_status is not a regular expression; write it "
                    'like "5..".'
                )
            ],
        ),
        "rollback before hold": (
            "over_seconds: 0.5, budget: 5%, for",
            "over_seconds: 0.1, budget: 5%, for",
            [
                (
                    "objectives.yaml: objectives.0: the rollback limit is stricter than the target; "
                    "swap or widen it."
                )
            ],
        ),
        "rollback at the target": (
            "over_seconds: 0.5, budget: 5%, for",
            "over_seconds: 0.2, budget: 5%, for",
            [
                (
                    "objectives.yaml: objectives.0: the rollback limit equals the target; widen it "
                    "or leave it out."
                )
            ],
        ),
        "two objectives of one check": (
            "check: IV-PERF-2",
            "check: IV-PERF-1",
            ["*.yaml: two objectives for IV-PERF-1; keep one of each."],
        ),
        "no objective": (
            OBJECTIVES,
            "objectives: []\n",
            ["objectives.yaml: objectives: must not be empty."],
        ),
        "a duration without unit": (
            "confirm_for: 2m",
            "confirm_for: 2",
            [
                (
                    "gate.yaml: availability.confirm_for = 2: must be a duration with its unit, such "
                    "as 30s, 5m or 1h."
                )
            ],
        ),
        "a section in two files": (
            "deadlines:",
            "objectives: []\ndeadlines:",
            ["objectives.yaml: objectives: gate.yaml has this section too; keep one."],
        ),
        "an unedited mark": (
            "availability:",
            "availability: EDIT-ME\nx:",
            [
                "gate.yaml: availability still says EDIT-ME; replace it: see the comment beside it.",
                "gate.yaml: x: unknown key; remove it or fix its spelling.",
            ],
        ),
    },
)
def test_a_policy_that_could_not_be_trusted(
    old: str, new: str, sentences: list[str], tmp_path: pathlib.Path
) -> None:
    assert refusal(tmp_path, old, new) == sentences


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


def catalogue_refusal(folder: pathlib.Path, text: str) -> str:
    """Return with which words a catalogue is refused."""
    (folder / "catalogue.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_catalogue(folder)
    return str(caught.value).replace(f"{folder}/", "")


@cases(
    "old new words",
    {
        "another header": (HEADER, "id,phase", f"1: the header must be {HEADER}"),
        "no row": (ROW, "", "the catalogue is empty; nothing would be required"),
        "a cell too many": (ROW, f"{ROW},x", "2: 9 cells, wanted 8"),
        "an id twice": (ROW, f"{ROW}\n{ROW}", "3: IV-X-1 is listed twice; keep one row"),
        "no id": ("IV-X-1", "first", "2: id “first” is not an id such as IV-HEALTH-1"),
        "no phase": (
            "post-deploy",
            "later",
            "2: phase “later” is not one of pre-deploy, deploy, post-deploy, rollback",
        ),
        "no window": ("15m", "2h", "2: when “2h” is not one of 15m, 1h, 24h"),
        "no owner": (",platform,", ",,", "2: owner is empty; name the team that fixes a red check"),
        "no severity": (
            "blocker",
            "fatal",
            "2: severity “fatal” is not one of blocker, critical, normal, minor",
        ),
        "no meaning": (
            ",rollback,",
            ",panic,",
            "2: on_fail “panic” is not one of advisory, hold, stop, rollback",
        ),
        "no yes": (",yes,", ",y,", "2: smoke “y” is not one of yes, no"),
        "a condition that never holds": (
            "environment:redis",
            "environment:rediss",
            "2: applies_if “environment:rediss” is not ",
        ),
    },
)
def test_a_catalogue_that_says_something_impossible(
    old: str, new: str, words: str, tmp_path: pathlib.Path
) -> None:
    where = "" if words.startswith("the catalogue") else "catalogue.csv:"
    said = catalogue_refusal(tmp_path, f"{HEADER}\n{ROW}\n".replace(old, new, 1))
    assert said.startswith(where + words)
    assert said.endswith(".")


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

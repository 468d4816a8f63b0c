from __future__ import annotations

import datetime as dt
import pathlib
from typing import Any

from gates.decide.outcome import Decision, Outcome
from steps.kit.baseline import history_of
from steps.kit.check import Check
from steps.kit.platform import Platform
from tests.gates.decide.histories import AT, Step, keep
from tests.steps.platforms import NOWHERE, a_platform
from tests.steps.scenarios import judged

REGIONS = {"eu": NOWHERE.format(1), "us": NOWHERE.format(2)}
ALWAYS = {"opens": "Monday 00:00", "closes": "Monday 00:00"}


def a_deployment(
    folder: pathlib.Path, *, window: dict[str, str] | None = None, minutes_ago: float = 40
) -> Platform:
    sections: dict[str, Any] = {"state": {"url": "state"}}
    if window is not None:
        sections["deployment"] = {"windows": [window]}
    platform = a_platform(folder, REGIONS, **sections)
    minutes = (dt.datetime.now(dt.UTC) - AT).total_seconds() / 60 - minutes_ago
    said = {"1.1": dict.fromkeys(REGIONS, Decision.GO)}
    keep(history_of(platform), Step(minutes, said))
    return platform


def checked(platform: Platform) -> Check:
    return judged("TIME-1", platform)


def test_a_deployment_in_time_passes_and_tells_of_a_phase_over_its_plan(
    tmp_path: pathlib.Path,
) -> None:
    check = checked(a_deployment(tmp_path, window=ALWAYS))
    judgement = check.noted()["us"].judgements[0]
    assert judgement.outcome is Outcome.PASS
    assert judgement.data["remark"] == "phase 2 has taken 40 min, planned are 20 min: 20 min over."


def test_a_try_of_last_week_has_taken_nothing_of_this_one(tmp_path: pathlib.Path) -> None:
    check = checked(a_deployment(tmp_path, window=ALWAYS, minutes_ago=7 * 24 * 60))
    judgement = check.noted()["us"].judgements[0]
    assert judgement.outcome is Outcome.PASS
    assert "has taken" not in judgement.sentence + str(judgement.data)


def test_a_window_that_closes_too_soon_fails(tmp_path: pathlib.Path) -> None:
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=30)
    opened = soon + dt.timedelta(hours=1)
    window = {"opens": f"{opened:%A %H:%M}", "closes": f"{soon:%A %H:%M}"}
    check = checked(a_deployment(tmp_path, window=window))
    assert {check.outcome(region) for region in REGIONS} == {Outcome.FAIL}


def test_a_damaged_history_is_an_error_and_no_finding_about_time(tmp_path: pathlib.Path) -> None:
    platform = a_deployment(tmp_path, window=ALWAYS)
    record = next((tmp_path / "state").rglob("000002.json"))
    record.write_text(record.read_text().replace('"eu": "GO"', '"eu": "HOLD"'))
    check = checked(platform)
    assert {check.outcome(region) for region in REGIONS} == {Outcome.ERROR}
    assert "does not match its digest" in check.noted()["eu"].judgements[0].sentence

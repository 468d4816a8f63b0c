from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from gates.decide.verdict import Verdict
from reports import junit, words
from tests.reports import verdicts


def phase(verdict: Verdict, **changes: Any) -> Verdict:
    asked = {"gate": "phase", "phase": "2.1", "window": None}
    return dataclasses.replace(verdict, **{**asked, **changes})


def test_a_phase_is_named_as_on_the_command_line() -> None:
    verdict = phase(verdicts.go(), stage="deploying, nothing is live")
    assert words.scope(verdict) == "phase 2.1, deploying, nothing is live"
    assert words.again_command(verdict) == ("./harness gate phase 2.1 --env local --release v1.2.0")


@pytest.mark.parametrize("follows", ["phase 2.2", "phase 3", "post-deploy"])
def test_after_go_the_next_gate_is_named(follows: str) -> None:
    (step,) = words.next_steps(phase(verdicts.go(), follows=follows))
    assert step.endswith(f"./harness gate {follows} --env local --release v1.2.0")


def test_a_stop_says_that_nothing_carries_traffic_and_that_work_is_undone() -> None:
    verdict = phase(verdicts.stopped())
    assert words.meaning(verdict).endswith("carries no traffic: stop, undo what was begun.")
    assert words.next_steps(verdict)[0] == "Do not switch traffic; undo what was begun."


def test_a_run_that_is_held_by_itself_sends_nobody_to_look_for_a_red_check() -> None:
    steps = words.next_steps(phase(verdicts.held("the child died")))
    assert "no check is red" in steps[0]
    assert (
        steps[1] == "Fix what is listed under Why; it is about the run and not about the platform."
    )


def test_the_countdown_is_asked_again_up_to_the_same_time() -> None:
    verdict = phase(verdicts.no_go(), gate="pre-deploy", phase=None, at="T-3d")
    assert "due by T-3d" in words.scope(verdict)
    assert words.again_command(verdict).endswith("--release v1.2.0 --at T-3d")


def test_a_phases_suites_are_called_after_it() -> None:
    assert 'name="phase-2.1.eu"' in junit.render(phase(verdicts.go()))


def test_a_command_can_be_pasted_whatever_was_typed() -> None:
    verdict = verdicts.changed(verdicts.refused(), release="v1 2; reboot")
    assert " --release 'v1 2; reboot'" in words.again_command(verdict)


def test_a_switch_that_was_told_on_the_command_line_is_told_again() -> None:
    at = "2026-01-31T22:45:00+00:00"
    told = phase(verdicts.go(), traffic_switched_at=at, switched_at_given=True, follows="phase 4")
    assert words.again_command(told).endswith(f"--release v1.2.0 --switched-at {at}")
    assert words.next_steps(told)[0].endswith(f"--release v1.2.0 --switched-at {at}")
    by_file = phase(verdicts.go(), traffic_switched_at=at, switched_at_given=False)
    assert "--switched-at" not in words.again_command(by_file)


def test_a_go_of_one_region_asks_for_the_others_before_anything_goes_on() -> None:
    verdict = phase(verdicts.go(), environment_regions=("eu", "us", "asia"), follows="phase 3")
    (step,) = words.next_steps(verdict)
    assert step == (
        "This is GO for eu, us alone. Ask asia too, then join the runs: "
        f"./harness gate join {verdict.run} RUN"
    )
    assert words.again_command(verdict).endswith("--release v1.2.0 --region eu --region us")

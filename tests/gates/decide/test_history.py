from __future__ import annotations

import dataclasses
import datetime as dt

import pytest

from gates.decide.fold import Stage, fold
from gates.decide.history import PhaseRun, by_part, done_lately, gaps
from gates.decide.outcome import Decision, Outcome
from tests.gates.decide.values import a_result, a_row

AT = dt.datetime(2026, 1, 31, 22, 0, tzinfo=dt.UTC)
GO, HOLD = Decision.GO, Decision.HOLD
ROWS = tuple(
    dataclasses.replace(a_row(check), phase="deploy", when=when)
    for check, when in (("D-11", "1.1"), ("D-12", "1.2"), ("TIME", "phase"))
)
REGIONS = ("eu", "us")


def a_run(minute: int, **said: Decision) -> PhaseRun:
    """Return a run of phase 1; `p11_eu=GO` says part 1.1 in eu."""
    parts: dict[str, dict[str, Decision]] = {}
    for key, decision in said.items():
        part, region = key.split("_")
        parts.setdefault(f"{part[1]}.{part[2]}", {})[region] = decision
    at = AT + dt.timedelta(minutes=minute)
    return PhaseRun(f"run-{minute}", "1", at, at + dt.timedelta(seconds=3), parts)


WHOLE = a_run(1, p11_eu=GO, p11_us=GO, p12_eu=GO, p12_us=GO)


@pytest.mark.parametrize(
    ("runs", "missing"),
    [
        pytest.param(
            [], ["1.1 was never asked in eu, us", "1.2 was never asked in eu, us"], id="none"
        ),
        pytest.param([WHOLE], [], id="one whole run"),
        pytest.param(
            [a_run(1, p11_eu=GO, p11_us=GO), a_run(2, p12_eu=GO, p12_us=GO)], [], id="part by part"
        ),
        pytest.param(
            [a_run(1, p11_eu=GO, p12_eu=GO), a_run(2, p11_us=GO, p12_us=GO)], [], id="by region"
        ),
        pytest.param(
            [WHOLE, a_run(2, p12_us=HOLD)], ["1.2 was HOLD (run run-2) in us"], id="a later red run"
        ),
        pytest.param([a_run(2, p12_us=GO), a_run(1, p12_us=HOLD), WHOLE], [], id="mended since"),
        pytest.param(
            [a_run(1, p11_eu=GO, p12_eu=GO)],
            ["1.1 was never asked in us", "1.2 was never asked in us"],
            id="one region only",
        ),
    ],
)
def test_a_phase_is_done_when_the_last_run_of_each_part_was_go_in_each_region(
    runs: list[PhaseRun], missing: list[str]
) -> None:
    assert list(gaps(("1.1", "1.2"), REGIONS, runs, AT + dt.timedelta(hours=1))) == missing


def test_a_phase_that_was_go_in_a_try_of_last_week_is_not_done() -> None:
    found = gaps(("1.1",), REGIONS, [WHOLE], AT + dt.timedelta(days=7))
    assert found == (
        "1.1 was last asked on 31 January, in another deployment (run run-1) in eu, us",
    )


def decided(*outcomes: Outcome, problems: tuple[str, ...] = ()) -> dict[str, dict[str, Decision]]:
    results = [
        a_result(outcome if region == "us" else Outcome.PASS, check=row.id, region=region)
        for row, outcome in zip(ROWS, outcomes, strict=True)
        for region in REGIONS
    ]
    folded = fold(ROWS, REGIONS, results, Stage.NOT_SWITCHED, problems)
    return by_part(ROWS, ("1.1", "1.2"), REGIONS, folded.reasons)


PASS, FAIL = Outcome.PASS, Outcome.FAIL


def test_a_red_part_leaves_the_other_part_and_the_other_region_green() -> None:
    assert decided(PASS, FAIL, PASS) == {
        "1.1": {"eu": GO, "us": GO},
        "1.2": {"eu": GO, "us": Decision.STOP},
    }


def test_what_every_phase_asks_counts_for_every_part() -> None:
    assert decided(PASS, PASS, FAIL)["1.1"] == {"eu": GO, "us": Decision.STOP}


def test_a_problem_of_the_run_counts_everywhere() -> None:
    said = decided(PASS, PASS, PASS, problems=("the child died",))
    assert said == {part: dict.fromkeys(REGIONS, HOLD) for part in ("1.1", "1.2")}


def test_a_run_is_read_back_as_it_was_written() -> None:
    assert PhaseRun.from_record(WHOLE.record()) == WHOLE


@pytest.mark.parametrize("damage", [{"schema": 2}, {"parts": {"1.1": {"eu": "FINE"}}}], ids=str)
def test_a_record_of_another_kind_is_refused(damage: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"schema|FINE"):
        PhaseRun.from_record(WHOLE.record() | damage)


def test_a_run_of_a_time_to_come_is_not_done_and_hides_no_red_run() -> None:
    ahead = a_run(55, p11_eu=GO)
    red = a_run(1, p11_eu=HOLD)
    now = AT + dt.timedelta(minutes=2)
    (found,) = gaps(("1.1",), ("eu",), [ahead, red], now)
    assert "22:55 UTC on 31 January, which is still to come: a clock was wrong" in found
    assert "run run-55" in found


def test_clocks_may_be_a_minute_apart() -> None:
    assert gaps(("1.1",), ("eu",), [a_run(1, p11_eu=GO)], AT) == ()


@pytest.mark.parametrize(
    ("runs", "hours", "first"),
    [
        pytest.param([], 1, None, id="nothing was asked"),
        pytest.param([a_run(1, p11_eu=HOLD)], 1, None, id="nothing is done yet"),
        pytest.param(
            [a_run(3, p11_eu=GO), a_run(2, p11_eu=GO, p11_us=HOLD)], 1, "run-2", id="half is done"
        ),
        pytest.param([WHOLE], 25, None, id="another deployment"),
    ],
)
def test_a_deployment_has_begun_when_anything_of_it_was_go(
    runs: list[PhaseRun], hours: int, first: str | None
) -> None:
    begun = done_lately(runs, AT + dt.timedelta(hours=hours))
    assert (begun and begun.run) == first

"""What a day of the rollout builds on: every window and day before it, GO in every region."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from gates.decide.statements import Kind, Overridden
from gates.run import rollout
from settings.flags import Flags, Redis, RolloutPolicy
from tests.tables import cases

SWITCHED = "2026-12-05T22:45:00+00:00"
GO = {"eu": "GO", "us": "GO"}


def record(
    asked: str, run: str = "R", regions: dict[str, str] | None = None, **more: Any
) -> dict[str, Any]:
    """Return what the state has of a run: of a window such as 1h, or of a day such as 2."""
    day = asked.isdigit()
    question = {"gate": "rollout" if day else "post-deploy", "at": asked if day else None}
    known = {"run": run, "state": "complete", "started_at": "2026-12-06T22:45:00+00:00"}
    return {**question, "window": None if day else asked, "regions": regions or GO, **known, **more}


def lacking(
    day: int, *records: dict[str, Any], decided: str = "", since: str | None = SWITCHED
) -> list[str]:
    at = dt.datetime(2026, 12, 6, tzinfo=dt.UTC)
    words = (
        [Overridden(decided, "digest", Kind.PROCEED, "known", ("a", "b"), at)] if decided else []
    )
    return [*rollout.missing(day, records, since, ("eu", "us"), words)]


FIRST = (record("15m"), record("1h"))
DAY_TWO = (record("24h"), record("1"))
HELD, BAD = {"eu": "HOLD", "us": "GO"}, {"eu": "ROLLBACK", "us": "GO"}


def test_a_day_may_come_once_all_before_it_is_go() -> None:
    assert lacking(1, *FIRST) == []
    assert lacking(1, record("24h")) == []
    assert lacking(1, record("15m", regions=BAD), record("24h", "Q")) == []
    assert lacking(2, record("1"), record("1h", "W", BAD, gate="watch"), record("24h")) == []
    assert lacking(1, *FIRST, record("1h", "W", HELD, gate="watch")) == []
    assert lacking(1, *FIRST, record("1h", "Q", HELD, only=["XV-APP-1"], bad=[])) == []
    assert lacking(2, *DAY_TWO) == []
    assert lacking(7, *DAY_TWO, record("2"), record("3")) == []


@cases("day records more said", {
    "nothing was asked": (1, (), {}, "post-deploy --window 15m was never asked in eu"),
    "a window is missing": (1, (record("15m"),), {}, "post-deploy --window 1h was never asked in eu"),
    "the first day is not over": (2, (*FIRST, record("1")), {}, "--window 24h was never asked in eu"),
    "a day was left out": (3, DAY_TWO, {}, "rollout --day 2 was never asked in eu"),
    "one region was never asked": (
        1, (record("24h", regions={"eu": "GO"}),), {}, "--window 15m was never asked in us"),
    "held": (1, (record("24h", regions=HELD),), {}, "was HOLD, complete (run R) in eu"),
    "the last one counts": (1, (record("24h"), record("24h", "Q", HELD)), {}, "(run Q) in eu"),
    "rolled back": (1, (record("24h", regions=BAD),), {"decided": "R"}, "was ROLLBACK"),
    "before the switch": (
        1, (record("24h", started_at="2026-12-05T22:00:00+00:00"),), {}, "was asked before the"),
    "of a day that was not over": (
        2, (record("24h", started_at="2026-12-06T22:44:59+00:00"), record("1")), {},
        "post-deploy --window 24h was asked before its day was over (run R) in eu"),
    "interrupted": (1, (record("24h", state="interrupted"),), {}, "was GO, interrupted"),
    "of some checks alone": (1, (record("24h", only=["XV-APP-1"], bad=[]),), {}, "was never asked in eu"),
    "a longer window found it bad since": (
        1, (*FIRST, record("24h", "Q", BAD)), {}, "--window 15m was ROLLBACK, complete (run Q) in eu"),
    "one check alone found it bad since": (
        1, (*FIRST, record("1h", "Q", BAD, only=["X"], bad=["eu"])), {}, "was ROLLBACK, complete (run Q)"),
    "one check alone was not good since": (
        1, (*FIRST, record("1h", "Q", HELD, only=["X"], bad=["eu"])), {}, "was HOLD, complete (run Q) in eu"),
    "one check alone, and nobody kept what it found": (
        1, (*FIRST, record("1h", "Q", HELD, only=["X"])), {}, "was HOLD, complete (run Q) in eu"),
    "a watch asked for a rollback since": (
        2, (*DAY_TWO, record("1h", "W", BAD, gate="watch")), {}, "was ROLLBACK, complete (run W) in eu"),
    "another run was decided": (1, (record("24h", regions=HELD),), {"decided": "Q"}, "was HOLD"),
    "no switch is known": (1, FIRST, {"since": None}, "since when the release carries traffic is not known"),
})  # fmt: skip
def test_what_is_lacking_is_said(
    day: int, records: tuple[Any, ...], more: dict[str, Any], said: str
) -> None:
    found = lacking(day, *records, **more)
    assert found
    assert said in found[0]


def test_regions_may_be_asked_by_runs_of_their_own_and_a_hold_may_be_gone_on_from() -> None:
    apart = (record("24h", regions={"eu": "GO"}), record("24h", "U", {"us": "HOLD"}))
    assert "was HOLD, complete (run U) in us" in lacking(1, *apart)[0]
    assert lacking(1, *apart, decided="U") == []
    copy = record("24h", "decide-U", {"us": "HOLD"}, overridden="U")
    assert lacking(1, *apart, copy, decided="U") == []
    assert lacking(1, *apart, record("24h", "V", {"us": "GO"}), copy) == []


def test_the_next_percentage_is_told_as_a_command_and_the_last_day_has_none() -> None:
    flags = Flags.model_validate({
        "enabled_key": "feature:{flag}", "percentage_key": "feature:{flag}:percentage", "always": {},
        "states": {"before": {"ui": {"enabled": False, "percentage": 0}},
                   "live": {"ui": {"enabled": True, "percentage": 10}}},
    })  # fmt: skip
    redis = Redis.model_validate({"host": "cache.example", "port": 6379, "password": "env:P"})
    (told,) = rollout.next_step(1, RolloutPolicy(), flags, redis)
    command = "redis-cli -h cache.example -p 6379 --tls SET feature:ui:percentage 25"
    go_on = "Then gate rollout --day 2."
    assert told == f"On day 2, once post-deploy --window 24h is GO too: {command}. {go_on}"
    assert rollout.next_step(7, RolloutPolicy(), flags, redis) == ()


@pytest.mark.parametrize("wrong", [(10, 10, 50, 100), (50, 25, 10, 1), (0, 25, 50, 100)])
def test_percentages_grow(wrong: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="percentages"):
        RolloutPolicy.model_validate({"percentages": wrong})

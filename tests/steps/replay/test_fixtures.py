"""What of a policy can't fire or can't pass, and what says something else than its fixtures expect."""

from __future__ import annotations

from typing import Any

import pydantic
import pytest

from settings.policy import Policy
from settings.rollback import Fixture
from steps.replay import fixtures
from tests.golden import Said
from tests.steps.platforms import a_policy
from tests.tables import cases

ERRORS = {
    "check": "IV-PERF-3",
    "title": "Error rate",
    "kind": "errors",
    "metric": "requests_total",
    "bad_status": "5..",
    "target": {"budget": "0.1%"},
    "rollback": {"budget": "1%", "for": "5m"},
    "look_back": "5m",
    "wait_for_samples": "15m",
}
TRIGGER = {"check": "TRIG-1", "title": "Error rate", "objective": "IV-PERF-3"}
SHOWN: list[dict[str, Any]] = [
    {"says": "bad", "trigger": "TRIG-1", "series": "2% x21", "expect": "fires"},
    {"says": "good", "trigger": "TRIG-1", "series": "1% x21", "expect": "quiet"},
    {"says": "bad", "objective": "IV-PERF-3", "bad": 30, "events": 1000, "expect": "fail"},
    {"says": "good", "objective": "IV-PERF-3", "events": 2995, "expect": "pass"},
]


def policy(*, gap: str = "45s", watched: Any = TRIGGER, **errors: Any) -> dict[str, Any]:
    objective = {name: one for name, one in {**ERRORS, **errors}.items() if one is not None}
    return {"objectives": [objective], "triggers": {"gap": gap, "watched": [watched]}}


def parsed(other: dict[str, Any]) -> Policy:
    kept = {"schema": 1, "availability": a_policy().availability, "deadlines": a_policy().deadlines}
    return Policy.model_validate({**kept, **other})


@cases(
    "other",
    {
        "all is well": policy(),
        "a trigger of an objective that is not there": policy(
            watched={**TRIGGER, "objective": "IV-PERF-9"}
        ),
        "a trigger without a limit": policy(rollback=None),
        "a gap as long as what has to last": policy(gap="5m"),
        "a trigger that the catalogue does not ask": policy(watched={**TRIGGER, "check": "TRIG-9"}),
        "a target that too many events prove": policy(
            target={"budget": "0.1%", "assumed_burst": 500}
        ),
        "a target of a metric that is not described": policy(metric="requests"),
    },
)
def test_what_can_not_fire_or_pass_is_one_sentence_each(other: dict[str, Any], said: Said) -> None:
    said(list(fixtures.refusals(parsed(other), ["requests_total"], ["TRIG-1"])))


@cases(
    "changes",
    {
        "as expected": {},
        "fires sooner": {"series": "2% x40", "after": "6m"},
        "is undecided": {"series": "2% x10, gap x4, 2% x10"},
        "still pending when it ends": {"series": "2% x20", "expect": "quiet"},
        "of a trigger that is not there": {"trigger": "TRIG-2"},
        "a word of an outage": {"series": "away x3"},
    },
)
def test_what_a_fixture_does_not_expect_is_one_sentence(
    changes: dict[str, Any], said: Said
) -> None:
    one = Fixture.model_validate({**SHOWN[0], **changes})
    try:
        said(fixtures.wrong(parsed(policy()), one))
    except fixtures.FixtureError as exc:
        said(str(exc))


@cases(
    "events bad expect",
    {
        "its whole bucket below": (59, 0, "pass"),
        "one too few": (58, 0, "undecided"),
        "above": (1000, 80, "fail"),
    },
)
def test_a_quantile_is_judged_by_the_bounds_around_it(events: int, bad: int, expect: str) -> None:
    changes: dict[str, Any] = {
        "kind": "latency",
        "bad_status": None,
        "bucket_bounds": [0.1, 0.3],
        "target": {"quantile": 0.95, "target_seconds": 0.2},
        "rollback": None,
    }
    shown = {"says": "slow", "objective": "IV-PERF-3", "events": events, "bad": bad}
    one = Fixture.model_validate({**shown, "expect": expect})
    assert fixtures.wrong(parsed(policy(**changes)), one) is None


@cases(
    "changes",
    {
        "of both": {"objective": "IV-PERF-3"},
        "of none": {"trigger": None},
        "expects what a trigger does not say": {"expect": "pass"},
        "events of a trigger": {"events": 10},
        "a series of an objective": {"trigger": None, "objective": "IV-PERF-3"},
        "when it is quiet": {"expect": "quiet", "after": "5m"},
    },
)
def test_a_fixture_that_contradicts_itself_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(pydantic.ValidationError):
        Fixture.model_validate({**SHOWN[0], **changes})

"""Policies that could not judge, a mistake in each; `tests.gates.decide.test_said` keeps why not."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pydantic
import pytest

from settings.policy import Policy
from tests.gates.decide.values import a_latency_objective, a_quantile_objective, an_objective

SECONDS_AS_TEXT = {
    "target": {"budget": "5%"},
    "rollback": None,
    "look_back": "5m",
    "wait_for_samples": "15m",
}
ERRORS: list[dict[str, Any]] = [
    *({"target": {"budget": one}} for one in ("0%", "100%", "250%", "51%", 0.05, "nan%")),
    *({"target": one} for one in ({"budget": "5%", "over_seconds": 1}, {})),
    {"target": {"quantile": 0.95, "target_seconds": 0.3}, "rollback": None},
    *({"rollback": {"budget": one, "for": "5m"}} for one in ("2%", "5%")),
    *({"rollback": {"budget": "10%", **one}} for one in ({"for": "0s"}, {}, {"fro": "5m"})),
    *({"look_back": one} for one in ("0s", "2h", 300)),
    {"wait_for_samples": "2d"},
    *({"bad_status": one} for one in (None, "", "(", "9..", "599", "50[0-3]", "...")),
    {"bucket_bounds": [0.1]},
    {"kind": "latancy"},
    {"direction": "increse"},
    {"check": "perf"},
]
LATENCY: list[dict[str, Any]] = [
    *(
        {"target": {"over_seconds": one, "budget": "5%"}}
        for one in (0.3, math.inf, math.nan, 0, 61)
    ),
    {"target": {"budget": "5%"}},
    *({"bucket_bounds": one} for one in ([], [0.2, 0.1, 0.5], [0.2, 0.2, 0.5], [0, 0.2])),
    *({"bucket_bounds": [0.2, 0.5, one]} for one in (math.inf, math.nan)),
    {"bucket_bounds": [-1, 0.2, 0.5]},
    {"bad_status": "5.."},
    *({"rollback": {"over_seconds": one, "budget": "5%", "for": "10m"}} for one in (0.1, 0.2, 0.3)),
    {"rollback": {"budget": "5%", "for": "10m"}},
    {"shown_quantile": 1},
]


def _quantile(**changes: Any) -> dict[str, Any]:
    return {"target": {"quantile": 0.95, "target_seconds": 0.3, **changes}}


QUANTILES: list[dict[str, Any]] = [
    *(_quantile(target_seconds=one) for one in (0.2, 0.05, 3, None, 0, math.inf)),
    _quantile(quantile=None, budget="5%"),
    _quantile(budget="5%"),
    _quantile(over_seconds=0.2),
    *(_quantile(quantile=one) for one in (0, 1, 95, math.nan, "95%")),
    _quantile(tagret_seconds=1),
    {"shown_quantile": 0.95},
    {"rollback": {"quantile": 0.95, "target_seconds": 0.4, "for": "10m"}},
    {"rollback": {"over_seconds": 0.2, "budget": "5%", "for": "10m"}},
]


def a_policy(**changes: Any) -> dict[str, Any]:
    return {
        "schema": 1,
        "availability": {"confirm_for": "2m", "poll_every": "5s", "on_recovery": "hold"},
        "deadlines": {"call": "5s", "run": "45m"},
        "objectives": [an_objective().model_dump(by_alias=True) | SECONDS_AS_TEXT],
        **changes,
    }


POLICIES: list[dict[str, Any]] = [
    {"schema": 2},
    {"objectives": []},
    {"objectives": a_policy()["objectives"] * 2},
    {"availability": {"confirm_for": "2m", "poll_every": "0s"}},
    {"availability": {"confirm_for": "2d", "poll_every": "5s"}},
    {"availability": {"confirm_for": "2m", "poll_every": "5s", "on_recovery": "ignore"}},
    {"deadlines": {"call": "0s", "run": "45m"}},
    {"deadlines": {"call": "5s", "run": "3d"}},
    {"nanStrategy": "replce"},
]


def _refused(build: Callable[..., object], changes: Mapping[str, Any]) -> str:
    with pytest.raises(pydantic.ValidationError) as caught:
        build(**changes)
    return f"{changes}: {'; '.join(one['msg'] for one in caught.value.errors())}"


def objectives() -> Iterator[str]:
    """Yield why a policy does not accept an objective that could not judge."""
    for build, table in (
        (an_objective, ERRORS),
        (a_latency_objective, LATENCY),
        (a_quantile_objective, QUANTILES),
    ):
        yield from (_refused(build, changes) for changes in table)


def policies() -> Iterator[str]:
    """Yield why a policy that could wait for ever, or judge nothing, is refused."""
    yield from (_refused(lambda **one: Policy.model_validate(a_policy(**one)), x) for x in POLICIES)

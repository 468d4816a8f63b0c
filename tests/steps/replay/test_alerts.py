"""`gate rules` against promtool: what it emits is sound, and fires at the gate's own instants."""

from __future__ import annotations

import dataclasses
import pathlib
import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from gates.decide.counting import sources, tally
from gates.decide.counting.samples import Samples, Span
from gates.decide.trigger import Clock, Observation, State, step
from gates.load import load_policy
from sandbox.core import SandboxError, binaries
from steps.kit.platform import Platform
from steps.replay import alerts
from tests.gates.decide import promtool as oracle
from tests.golden import Said
from tests.steps.platforms import NOWHERE, a_platform, ruled

EVERY, EVALUATIONS, RELEASES = oracle.EVERY_SECONDS, 120, 8
QUIET = 24
"""Evaluations before anything is bad: more than a look-back, so that every range is full."""
JOB = {"job": "api", "version": "v{release}"}
METRICS: Any = {
    "prometheus": {"job": "api", "scrape_interval": "15s", "target_labels": JOB},
    "metrics": {
        "requests_total": {"name": "requests_total", "labels": JOB, "status_label": "status"},
        "request_duration": {"name": "duration_seconds", "labels": JOB, "match": ['route!="/m"']},
    },
}


@pytest.fixture
def platform(tmp_path: pathlib.Path) -> Platform:
    there = {"eu": NOWHERE.format(9), "us": NOWHERE.format(10)}
    return a_platform(tmp_path, there, policy=load_policy(), **METRICS)


@pytest.fixture(scope="module")
def promtool() -> binaries.Binary:
    try:
        return oracle.find()
    except SandboxError as exc:
        pytest.skip(f"no promtool: {exc}")


@dataclasses.dataclass(frozen=True)
class Counters:
    """One release's counters, a value for each scrape: all events, and those that are no bad ones."""

    version: str
    all: Sequence[int]
    good: Sequence[int]

    def share(self, look_back: float) -> Iterator[float | None]:
        """Yield the share of bad events as the gate counts it, at each evaluation."""
        times = tuple(float(EVERY * at) for at in range(EVALUATIONS))
        bad = [whole - good for whole, good in zip(self.all, self.good, strict=True)]
        labels = {"job": "api", "instance": "a", "version": self.version}
        series = [
            Samples({**labels, "__name__": "r", "status": status}, times, tuple(map(float, values)))
            for status, values in (("200", self.good), ("500", bad))
        ]
        up = Samples({**labels, "__name__": "up"}, times, (1.0,) * EVALUATIONS)
        span = Span(0.0, times[-1], EVERY, 0.0)
        found = sources.sources_of("r", series, sources.targets_of([up], EVERY))
        columns = tally.error_columns("status", "5..", frozenset())
        counted = tally.tally("r", found, span, columns, {})
        for at in times:
            counts = counted.counts(None, at - look_back, at)
            yield counts.bad / counts.total if counts.total else None


def counters(chance: random.Random, number: int, limit: float) -> Counters:
    """Return counters whose share of bad events goes over a limit and back, now and then."""
    whole, good, bad = [100_000], [90_000], False
    for at in range(1, EVALUATIONS):
        if at > QUIET and chance.random() < 0.08:
            bad = not bad
        events = chance.randint(200, 400)
        share = chance.uniform(1.2, 8) * limit if bad else chance.uniform(0, 0.4) * limit
        whole.append(whole[-1] + events)
        good.append(good[-1] + events - round(events * min(1.0, share)))
    return Counters(f"v1.2.{number}", whole, good)


def fires(found: Counters, limit: float, for_seconds: float) -> list[int]:
    """Return the evaluations at which the gate's trigger fires."""
    state, firing = State(), []
    for at, share in enumerate(found.share(300)):
        holds = False if at <= QUIET else None if share is None else share > limit
        seen = Observation(EVERY * at, holds)
        state, _ = step(Clock(for_seconds, 45), state, seen)
        firing += [at] if state.fired_at is not None else []
    return firing


def series(found: Sequence[Counters], *, slow: bool) -> Iterator[dict[str, str]]:
    for one in found:
        own = f'job="api",version="{one.version}",region="eu",instance="a",route="/x"'
        bad = [whole - good for whole, good in zip(one.all, one.good, strict=True)]
        bucket, count = (
            f'duration_seconds_bucket{{le="0.5",{own}}}',
            f"duration_seconds_count{{{own}}}",
        )
        failed, well = (f'requests_total{{status="{one}",{own}}}' for one in ("503", "200"))
        named = {bucket: one.good, count: one.all} if slow else {failed: bad, well: one.good}
        for name, values in named.items():
            yield {"series": name, "values": " ".join(map(str, values))}


@pytest.mark.parametrize(
    ("trigger", "limit", "for_seconds"),
    [
        pytest.param("TRIG-1", 0.01, 300, id="errors"),
        pytest.param("TRIG-2", 0.05, 600, id="latency"),
    ],
)
def test_an_alert_fires_at_the_evaluations_at_which_the_gate_does(
    trigger: str,
    limit: float,
    for_seconds: float,
    platform: Platform,
    promtool: binaries.Binary,
    tmp_path: pathlib.Path,
) -> None:
    chance = random.Random(7)  # noqa: S311 - cases, no secrets
    found = [counters(chance, number, limit) for number in range(RELEASES)]
    firing = {one.version: fires(one, limit, for_seconds) for one in found}
    assert RELEASES < sum(map(len, firing.values())) < RELEASES * EVALUATIONS / 2
    group = alerts.document(platform)["groups"][0]
    place = next(at for at, one in enumerate(group["rules"]) if one.get("alert") == trigger)
    own = group["rules"][place - 1 : place + 1]  # the share that it records, and the alert on it
    rule, document = own[1], {"groups": [{**group, "rules": own}]}
    expected = [
        {
            "exp_labels": {"region": "eu", "means": "rollback", "version": version},
            "exp_annotations": rule["annotations"],
        }
        for version in firing
    ]
    asked = {
        "interval": f"{EVERY}s",
        "input_series": list(series(found, slow=trigger == "TRIG-2")),
        "alert_rule_test": [
            {
                "eval_time": f"{EVERY * at}s",
                "alertname": trigger,
                "exp_alerts": [
                    one for one, when in zip(expected, firing.values(), strict=True) if at in when
                ],
            }
            for at in range(EVALUATIONS)
        ],
    }
    assert oracle.refuses(promtool, tmp_path, document, asked) is None


def test_promtool_finds_nothing_wrong(
    platform: Platform, promtool: binaries.Binary, tmp_path: pathlib.Path
) -> None:
    assert oracle.refuses(promtool, tmp_path, alerts.document(platform)) is None


def test_the_rules_of_a_region_are_these(platform: Platform, said: Said) -> None:
    """Each says where the gate is stricter, and is over the growths that the gate counts.

    From the last scrape before the look-back: 5 minutes and 15 s, however a range takes its ends.
    """
    said(alerts.document(platform)["groups"][0])


def rules_of(platform: Platform) -> dict[str, Any]:
    return {
        one.get("alert", one.get("record")): one
        for one in alerts.document(platform)["groups"][0]["rules"]
    }


def test_fewer_events_than_a_trigger_needs_are_named(platform: Platform) -> None:
    watched = [
        one.model_copy(update={"least_events": 500}) for one in platform.policy.triggers.watched
    ]
    said = rules_of(ruled(platform, "triggers", watched=watched))["TRIG-1"]["annotations"]
    assert said["gate_is_stricter"].endswith("Fewer than 500 events decide nothing.")


def test_what_has_no_rule_is_named(platform: Platform) -> None:
    assert list(alerts.remarks(platform)) == [
        "TRIG-3 (Data loss or corruption) is asked by the gate alone: no metric tells it",
        "TRIG-4 (Security breach) is asked by the gate alone: no metric tells it",
        "TRIG-6 (Complaints of users) is asked by the gate alone: no metric tells it",
        "IV-PERF-4 (Database query p95 under 50 ms) has no rule: metrics.query_duration is not described",
    ]

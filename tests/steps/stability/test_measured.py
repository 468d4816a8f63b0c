"""Figures and events of the first hour, through their scenarios, on a Prometheus that a test scripts."""

from __future__ import annotations

import dataclasses
import datetime as dt
import pathlib
from collections.abc import Callable
from typing import Any

import pytest

from gates.decide.outcome import Outcome
from probes.observation import utc_now
from settings.monitoring import Stability
from steps.kit.findings import Level, Subject
from steps.kit.platform import NotDescribedError, Platform
from steps.stability import reading
from steps.stability.doctor import examine_stability
from tests.steps import scenarios
from tests.steps.platforms import a_platform, described, keep_baseline, ruled
from tests.steps.scripted_prometheus import TARGET, ScriptedPrometheus
from tests.tables import cases

PASS, OPEN, FAIL = Outcome.PASS, Outcome.INCONCLUSIVE, Outcome.FAIL
STABILITY = {
    "figures": {
        "cpu": {"query": "cpu{$labels}"},
        "query_time": {"query": "rate(slow{$labels}[$range])"},
    },
    "events": {"bookings": {"name": "booked_total", "labels": {"job": "api"}}},
}


@pytest.fixture
def hour(tmp_path: pathlib.Path, prometheus: ScriptedPrometheus) -> Platform:
    """Return a platform that was switched a minute ago, in a scale in which that is long."""
    platform = a_platform(
        tmp_path,
        {"eu": "http://127.0.0.1:9"},
        prometheus_at=prometheus.url,
        prometheus={"job": "api", "scrape_interval": "100ms"},
        stability=STABILITY,
        state={"url": "state"},
        time_scale=3600,
    )
    return dataclasses.replace(platform, switched_at=utc_now() - dt.timedelta(seconds=60))


def booked(a_second: float) -> Callable[[float], str]:
    return lambda ago: f"{1000 - a_second * ago:.0f}"


def a_baseline(platform: Platform, seconds_ago: float, **facts: Any) -> None:
    taken_at = (utc_now() - dt.timedelta(seconds=seconds_ago)).isoformat()
    keep_baseline(platform, {reading.COLLECTOR: {"eu": facts}}, taken_at=taken_at)


@cases(
    "a_second seconds_ago outcome",
    {
        "as many as before": (5, 3600, PASS),
        "none any more": (0, 3600, FAIL),
        "the baseline is of the release itself": (5, 30, OPEN),
    },
)
def test_events_are_compared_with_the_baseline_before_the_switch(
    hour: Platform,
    prometheus: ScriptedPrometheus,
    a_second: float,
    seconds_ago: float,
    outcome: Outcome,
) -> None:
    series = ({**TARGET, "__name__": "booked_total"}, booked(a_second))
    prometheus.samples["booked_total"] = (series,)
    a_baseline(hour, seconds_ago, bookings={"events": 100, "failed": 0, "seconds": 20})
    assert scenarios.outcome("XV-BIZ-1", hour) is outcome


def test_without_a_baseline_or_its_damage_nothing_is_compared(
    hour: Platform, prometheus: ScriptedPrometheus
) -> None:
    prometheus.samples["booked_total"] = (({**TARGET, "__name__": "booked_total"}, booked(5)),)
    assert scenarios.outcome("XV-BIZ-1", hour) is OPEN
    a_baseline(hour, 3600, bookings=["no counts"])
    assert scenarios.outcome("XV-BIZ-1", hour) is OPEN


def test_a_counter_that_is_not_there_decides_nothing_and_the_baseline_says_so(
    hour: Platform, prometheus: ScriptedPrometheus
) -> None:
    prometheus.answers = {}
    a_baseline(hour, 3600, bookings={"events": 100, "failed": 0, "seconds": 20})
    assert scenarios.outcome("XV-BIZ-1", hour) is OPEN
    found = reading.collect(hour)["eu"]
    assert "there is no metric booked_total" in found["bookings"]["unknown"]


def test_a_figure_is_asked_of_its_region_at_each_step_of_the_look_back(
    hour: Platform, prometheus: ScriptedPrometheus
) -> None:
    prometheus.scraped = lambda _: 0
    assert scenarios.outcome("XV-INFRA-1", hour) is OPEN
    prometheus.scraped = lambda _: 1
    assert scenarios.outcome("XV-INFRA-1", hour) is FAIL
    query = reading.filled(hour.section(Stability).figures["query_time"], {"a": "b"}, 5)
    assert query == 'rate(slow{a="b"}[5000ms])'


def test_a_gap_in_a_figure_is_undecided(hour: Platform, prometheus: ScriptedPrometheus) -> None:
    # What it answers is a whole number: 1 is over every share, so lower is worse here.
    limits = tuple(
        one.model_copy(update={"limit": 0.5, "worse": "lower"})
        for one in hour.policy.stability.figures
        if one.check == "XV-INFRA-1"
    )
    low = ruled(hour, "stability", figures=limits)
    prometheus.scraped = lambda _: 1
    assert scenarios.outcome("XV-INFRA-1", low) is PASS
    prometheus.scraped = lambda ago: int(not 5 < ago < 8)
    assert scenarios.outcome("XV-INFRA-1", low) is OPEN


def test_what_policy_or_environment_lack_is_named(hour: Platform) -> None:
    with pytest.raises(NotDescribedError, match="lacks a figure or events of stability"):
        scenarios.judged("XV-INFRA-1", ruled(hour, "stability", figures=()))
    bare = described(hour, "stability", figures={})
    with pytest.raises(NotDescribedError, match=r"stability\.figures\.cpu"):
        scenarios.judged("XV-INFRA-1", bare)


def test_a_switch_that_is_not_known_or_too_young_is_undecided(
    hour: Platform, prometheus: ScriptedPrometheus
) -> None:
    unknown = dataclasses.replace(hour, switched_at=None)
    assert scenarios.outcome("XV-INFRA-1", unknown) is OPEN
    prometheus.restarts_now()
    ends = dataclasses.replace(hour, deadline=hour.deadline.sooner(1.5))
    assert scenarios.outcome("XV-INFRA-1", ends) is OPEN


def test_the_doctor_knows_what_is_not_described_not_there_or_no_number(
    hour: Platform, prometheus: ScriptedPrometheus
) -> None:
    prometheus.answers = {"cpu{": (({}, "0.2"),), "slow{": (({}, "NaN"),), "count(booked_total": ()}
    section = hour.section(Stability)
    found = examine_stability(Subject(hour, release_known=True), "eu", section)
    by_name = {one.sentence.split()[0].rstrip(":"): one.level for one in found}
    assert {name: by_name[name] for name in ("cpu", "query_time", "bookings")} == {
        "cpu": Level.OK,
        "query_time": Level.WARN,
        "bookings": Level.BAD,
    }
    lacking = [one.sentence for one in found if "does not describe" in one.sentence]
    assert "the policy names memory, which the file does not describe" in lacking
    assert "the policy names payments, which the file does not describe" in lacking

"""Rules over what Prometheus and a baseline hold: file systems, traffic of the day. Pure."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import probes
from gates.decide.judgement import Judgement
from steps.kit.baseline import Baseline, NoBaselineError
from steps.kit.expect import age, expect, measured


def room_on(
    name: str, found: Sequence[probes.prometheus.Series], at_least: int, min_free: float
) -> Judgement:
    """Judge free shares: all must be measured, each a share, and the least of them be enough."""
    subject = f"room on the file systems {name}"
    if len(found) < at_least:
        seen = f"{len(found)} are measured, there are at least {at_least}"
        return _undecided(subject, f"{seen}; the others may be full")
    strange = [one for one in found if not (math.isfinite(one.value) and one.value <= 1)]
    if strange:
        seen = f"{_named(strange[0])} has {strange[0].value:g} of itself free"
        return _undecided(subject, f"{seen}; are available and size the right metrics?")
    least = min(found, key=lambda one: one.value)
    return expect(
        least.value >= min_free,
        subject,
        f"{subject}: {_named(least)} has {least.value:.1%} free, the least of {len(found)}; "
        f"wanted at least {min_free:.0%}",
        f"space freed or added on {_named(least)}",
        **measured("at least", round(least.value * 100, 2), round(min_free * 100, 2), "% free"),
    )


def _named(one: probes.prometheus.Series) -> str:
    """Return a file system by its labels."""
    return ", ".join(f"{name} {value}" for name, value in sorted(one.labels.items())) or "one"


def _undecided(subject: str, why: str) -> Judgement:
    clears = "metrics of every file system, named right in the environment's storage"
    return expect(None, subject, f"{subject}: {why}", clears, rule="at least")


def of_today(baseline: Baseline, now: dt.datetime, limit: float, clears: str) -> Judgement:
    """Judge that a baseline is at most `limit` seconds old."""
    old = (now - dt.datetime.fromisoformat(baseline.taken_at)).total_seconds()
    return expect(
        old <= limit,
        "the baseline",
        f"the baseline is {age(max(0.0, old))} old, wanted at most {age(limit)} old",
        clears,
        **measured("baseline age", round(old), limit, "s"),
    )


def lacking(baseline: Baseline, region: str) -> Iterator[str]:
    """Yield what was not captured: a metric that was not there leaves nothing to compare with."""
    rate = _of(baseline, "traffic", region).get("requests_per_second")
    if rate is None:
        yield f"requests a second of {region}; is the metric requests_total described and there?"
        return
    quantiles = _of(baseline, "latency", region)
    # Without a request there is no latency, and that is not a lack.
    if rate > 0 and all(value is None for value in quantiles.values()):
        yield f"latency of {region}; is the metric request_duration described and there?"


def _of(baseline: Baseline, name: str, region: str) -> Mapping[str, Any]:
    try:
        found = baseline.of(name, region)
    except NoBaselineError:
        return {}
    return found if isinstance(found, Mapping) else {}

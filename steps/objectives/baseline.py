"""Baseline facts from Prometheus: the traffic and its latency before the release, whatever ran then."""

from __future__ import annotations

import math
from typing import Any

import probes
from settings.objectives import Metric
from steps.kit.baseline import CannotCollectError
from steps.kit.failures import failure_of
from steps.kit.platform import Platform
from steps.objectives import promql

LOOK_BACK_SECONDS = 300.0
LOOK_BACK_FLOOR_SECONDS = 20.0
QUANTILES = {"p50_seconds": 0.5, "p95_seconds": 0.95, "p99_seconds": 0.99}
IN_USE = ("active_sessions", "active_calls")
"""Gauges that are kept where the environment describes them."""


def traffic(platform: Platform) -> dict[str, Any]:
    """Return each region's requests a second; null where there was no traffic to measure."""
    metric = platform.environment.settings.metrics.get("requests_total")

    def rate(region: str) -> dict[str, Any]:
        if metric is None:
            return {}
        range_ = f"[{_look_back(platform):.0f}s]"
        query = (
            f"sum(rate({promql.selector(metric.name, _labels(platform, region, metric))}{range_}))"
        )
        return {"requests_per_second": _ask(platform, region, query)}

    return platform.each_region(rate)


def latency(platform: Platform) -> dict[str, Any]:
    """Return each region's latencies in seconds, interpolated; null where there was no traffic."""
    metric = platform.environment.settings.metrics.get("request_duration")

    def quantiles(region: str) -> dict[str, Any]:
        if metric is None:
            return {}
        of = metric.name, _labels(platform, region, metric)
        asked = {
            name: promql.quantile(*of, share, _look_back(platform))
            for name, share in QUANTILES.items()
        }
        return {name: _ask(platform, region, query) for name, query in asked.items()}

    return platform.each_region(quantiles)


def in_use(platform: Platform) -> dict[str, Any]:
    """Return each region's sessions and calls under way, where the environment has such metrics."""
    described = platform.environment.settings.metrics
    wanted = {name: described[name] for name in IN_USE if name in described}
    return platform.each_region(
        lambda region: {
            name: _ask(
                platform,
                region,
                f"sum({promql.selector(metric.name, _labels(platform, region, metric))})",
            )
            for name, metric in wanted.items()
        }
    )


def _look_back(platform: Platform) -> float:
    return platform.scaled(LOOK_BACK_SECONDS, LOOK_BACK_FLOOR_SECONDS)


def _labels(platform: Platform, region: str, metric: Metric) -> dict[str, str]:
    """Return the labels that select every version: what comes has no traffic yet."""
    return platform.labels(region, promql.of_any_release(metric.labels))


def _ask(platform: Platform, region: str, query: str) -> float | None:
    observed = probes.prometheus.instant(
        platform.prometheus(region), query, at=None, deadline=platform.call_deadline()
    )
    if observed.value is None:
        why = failure_of(observed).kind.value
        raise CannotCollectError(f"Prometheus of {region}: {why}; see gate doctor")
    if observed.value.warnings:
        raise CannotCollectError(f"Prometheus of {region} warns that its answer may be partial")
    numbers = [series.value for series in observed.value.series]
    return round(numbers[0], 6) if len(numbers) == 1 and math.isfinite(numbers[0]) else None

"""The figures of a run as JSON values: tables, timeline and spectrum of a report."""

from __future__ import annotations

import collections
import math
from collections.abc import Iterable, Iterator
from typing import Any

from load._engine._histogram import Histogram, merged
from load._engine._tally import Endpoint, Second, Tally
from load._facts import endpoint_failures, whole_seconds
from load._run import Moment, Run, Stage, whole
from reports.load_words import ALL

PERCENTILES = (50, 90, 95, 99, 99.9)
_POINTS_A_DECADE = 10
_FAR_SECONDS = 60

Row = dict[str, Any]


def totals(tally: Tally) -> Row:
    """Return the sums over everything."""
    ends = tally.endpoints.values()
    return {
        "due": tally.due,
        "sent": tally.sent,
        "late": tally.late,
        "dropped": tally.dropped,
        "completed": sum(one.response.count for one in ends),
        "failed": sum(map(endpoint_failures, ends)),
        "received_bytes": sum(one.size_bytes for one in ends),
        "connects": tally.connects.total(),
        "addresses": dict(sorted(tally.connects.items())),
        "refused_addresses": dict(sorted(tally.refused.items())),
        "resent": tally.resent,
    }


def measured(run: Run, region: str | None = None) -> Tally:
    """Return everything that was counted in measured stages, in one region or in all."""
    numbers = {stage.number for stage in run.measured()}
    return whole(
        tally
        for (number, where), tally in run.tallies.items()
        if number in numbers and region in (None, where)
    )


def endpoint_rows(run: Run) -> list[Row]:
    """Return a row for each endpoint and for all of them, in each region and in all of these."""
    regions: list[str | None] = [*sorted(run.plan.regions)]
    if len(regions) > 1:
        regions.append(None)
    together = measured(run)
    rate = _sent_rps(run, run.measured())
    seconds = together.sent / rate if rate else 0.0
    return [
        row for region in regions for row in _rows(region or ALL, measured(run, region), seconds)
    ]


def _rows(region: str, tally: Tally, seconds: float) -> Iterator[Row]:
    for name in sorted(tally.endpoints):
        yield _row(region, name, tally.endpoints[name], seconds)
    together = Endpoint()
    for endpoint in tally.endpoints.values():
        together.merge(endpoint)
    yield _row(region, ALL, together, seconds)


def _row(region: str, name: str, endpoint: Endpoint, seconds: float) -> Row:
    requests = endpoint.response.count
    return {
        "region": region,
        "endpoint": name,
        "requests": requests,
        "rps": requests / seconds if seconds > 0 else None,
        "failed": endpoint_failures(endpoint),
        "received_bytes": endpoint.size_bytes,
        "response": percentiles(endpoint.response),
        "service": percentiles(endpoint.service),
        "errors": dict(endpoint.troubles.most_common()),
        "statuses": {str(status): count for status, count in sorted(endpoint.statuses.items())},
    }


def percentiles(histogram: Histogram) -> Row:
    """Return the percentiles of reports in seconds, the mean and the longest; None of none."""
    if not histogram.count:
        return {}
    found: Row = {f"p{percent:g}": histogram.percentile(percent) for percent in PERCENTILES}
    return {**found, "max": histogram.longest_seconds, "mean": histogram.mean_seconds}


def spectrum(run: Run) -> list[Row]:
    """Return, for each region, durations by how rare they are: `[1 in how many, response, service]`."""
    rows = []
    for region in sorted(run.plan.regions):
        ends = measured(run, region).endpoints.values()
        response = merged(one.response for one in ends)
        service = merged(one.service for one in ends)
        rows.append({"region": region, "points": list(_points(response, service))})
    return rows


def _points(response: Histogram, service: Histogram) -> Iterator[list[float]]:
    decades = math.log10(max(response.count, 1))
    for step in range(math.ceil(decades * _POINTS_A_DECADE) + 1 if response.count else 0):
        rarity = min(10 ** (step / _POINTS_A_DECADE), response.count)
        percent = 100 * (1 - 1 / rarity)
        yield [rarity, response.percentile(percent), service.percentile(percent)]


def timeline(run: Run) -> list[Row]:
    """Return each second of the run: what was meant, what was sent and came back, how the generator was."""
    seconds = by_second(run)
    moments: dict[int, list[Moment]] = collections.defaultdict(list)
    for worker in run.workers:
        for moment in worker.moments:
            moments[moment.second].append(moment)
    if not seconds:
        return []
    first = min(seconds)
    return [
        _moment_row(run, at, first, seconds[at], moments.get(at, []))
        for at in range(first, max(seconds) + 1)
    ]


def by_second(run: Run) -> dict[int, Second]:
    """Return what was counted in each Unix second, over everything; none is left out in between.

    What a worker's clock has put far away from the run is none of its seconds.
    """
    found: dict[int, Second] = {}
    for tally in run.tallies.values():
        for at, second in tally.seconds.items():
            found.setdefault(at, Second()).merge(second)
    if not found:
        return {}
    first = max(min(found), math.floor(run.started_at) - _FAR_SECONDS)
    last = min(max(found), math.ceil(run.ended_at) + _FAR_SECONDS)
    return {at: found.get(at, Second()) for at in range(first, last + 1)}


def stage_figures(run: Run, stage: Stage) -> Row:
    """Return what a stage came to, over all regions."""
    tally = whole(tally for (number, _), tally in run.tallies.items() if number == stage.number)
    ends = tally.endpoints.values()
    return {
        **totals(tally),
        "sent_rps": _sent_rps(run, [stage]),
        "response": percentiles(merged(one.response for one in ends)),
        "lag_p99": tally.lag.percentile(99),
    }


def _sent_rps(run: Run, stages: Iterable[Stage]) -> float | None:
    """Return what was sent a second, over the whole seconds of stages; None where there are none."""
    sent = seconds = 0
    for stage in stages:
        whole_ones = whole_seconds(run, stage)
        seconds += len(whole_ones)
        sent += sum(
            tally.seconds[at].sent
            for (number, _), tally in run.tallies.items()
            if number == stage.number
            for at in whole_ones
            if at in tally.seconds
        )
    return sent / seconds if seconds else None


def _moment_row(run: Run, at: int, first: int, second: Second, moments: list[Moment]) -> Row:
    stage = _stage_at(run, at + 0.5)
    response = second.response
    return {
        "at": at - first,
        "stage": None if stage is None else stage.number,
        "target": 0 if stage is None else stage.rps,
        "due": second.due,
        "sent": second.sent,
        "completed": second.completed,
        "failed": second.failed,
        "p50": response.percentile(50),
        "p99": response.percentile(99),
        "cpu": max((one.cpu_share for one in moments), default=None),
        "lag": max([second.longest_lag_seconds, *(one.lag_seconds for one in moments)]),
        "in_flight": sum(one.in_flight for one in moments) if moments else None,
    }


def _stage_at(run: Run, at: float) -> Stage | None:
    for stage in run.plan.stages:
        began_at, ended_at = run.begun.get(stage.number, (math.inf, math.inf))
        if began_at <= at < ended_at:
            return stage
    return None


def worker_rows(run: Run) -> list[Row]:
    """Return a row for each process that sent."""
    return [
        {
            "name": worker.name,
            "lost": worker.lost,
            "clock_skew_seconds": worker.clock_skew_seconds,
            "peak_rss_bytes": worker.peak_rss_bytes,
            "throttled_periods": worker.throttled_periods,
            "cpu_mean": _mean(one.cpu_share for one in worker.moments),
            "cpu_max": max((one.cpu_share for one in worker.moments), default=None),
            # 0 is what is told where the engine's own seconds keep it.
            "lag_max_seconds": max((one.lag_seconds for one in worker.moments), default=0.0)
            or None,
            "in_flight_max": max((one.in_flight for one in worker.moments), default=None),
        }
        for worker in sorted(run.workers, key=lambda one: one.name)
    ]


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return sum(found) / len(found) if found else None


def calibration(tally: Tally | None) -> Row | None:
    """Return what the same generator took against the null server; None where nobody asked."""
    if tally is None:
        return None
    ends = tally.endpoints.values()
    return {
        **totals(tally),
        "response": percentiles(merged(one.response for one in ends)),
        "service": percentiles(merged(one.service for one in ends)),
        "lag": percentiles(tally.lag),
    }


def counted(run: Run) -> list[Row]:
    """Return everything that was counted by stage and region, raw: histograms that can be merged."""
    return [
        {"stage": number, "region": region, **_raw(run.tallies[number, region])}
        for number, region in sorted(run.tallies)
    ]


def _raw(tally: Tally) -> Row:
    # The seconds are in the timeline; their histograms would make hours of a soak test huge.
    return {key: value for key, value in tally.record().items() if key != "seconds"}

"""A run in figures: the facts that the judge needs, and the tables, timeline and spectrum of a report."""

from __future__ import annotations

import collections
import math
from collections.abc import Iterable, Iterator
from typing import Any

from load._engine._engine import Limits
from load._engine._histogram import Histogram
from load._engine._tally import Endpoint, Second, Tally
from load._engine._wire import Trouble
from load._run import Moment, Run, Stage, Worker
from load.verdict import EndpointFacts, LoadFacts, StageFacts
from reports.load_words import ALL
from settings.load import LoadPolicy

RAMP = "ramp"
_TOLD_WITHIN_SECONDS = 0.2
"""Workers learn by a message that a stage begins."""
_OWN = (Trouble.PORTS, Trouble.NAME, Trouble.ROUTE, Trouble.AUTHORITY)
_OWN_CHECK = "its check raised "
"""So the engine calls a `seen` that breaks: the scenario's own mistake proves nothing of the platform."""
BUSIEST_SECONDS = 10
"""A worker's processor time is judged over so many seconds in a row."""


def facts_of(run: Run, policy: LoadPolicy) -> LoadFacts:
    """Return a run's facts: every measured stage of its plan in every region, also what is missing."""
    return LoadFacts(
        model=run.plan.model,
        arrivals=run.plan.arrivals,
        ramp=run.plan.profile == RAMP,
        stages=tuple(
            _stage(run, stage, region, policy)
            for stage in run.plan.stages
            if stage.measured
            for region in run.plan.regions
        ),
        workers=run.workers,
        expected_workers=run.expected_workers,
        interrupted=run.interrupted,
    )


def whole_seconds(run: Run, stage: Stage) -> range:
    """Return the Unix seconds that lie wholly within a stage, for every worker and on its clock."""
    if stage.number not in run.begun:
        return range(0)
    began_at, ended_at = run.begun[stage.number]
    skews = [abs(worker.clock_skew_seconds) for worker in run.workers]
    margin = max((skew for skew in skews if math.isfinite(skew)), default=0.0)
    return range(math.ceil(began_at + _TOLD_WITHIN_SECONDS + margin), math.floor(ended_at - margin))


def share_of(run: Run, stage: Stage) -> float:
    """Return the requests a second that a stage asks for in each region."""
    return stage.rps / max(len(run.plan.regions), 1)


def _stage(run: Run, stage: Stage, region: str, policy: LoadPolicy) -> StageFacts:
    tally = run.tallies.get((stage.number, region), Tally())
    began = run.begun.get(stage.number)
    sent = (tally.seconds.get(second) for second in whole_seconds(run, stage))
    return StageFacts(
        number=stage.number,
        title=stage.title,
        region=region,
        rps=share_of(run, stage),
        planned_seconds=stage.seconds,
        lasted_seconds=began[1] - began[0] if began else None,
        sent_by_second=tuple(0 if second is None else second.sent for second in sent),
        due=tally.due,
        sent=tally.sent,
        late=tally.late,
        dropped=tally.dropped,
        lag_p99_seconds=tally.lag.percentile(99),
        paused_seconds=tally.lag.seconds_beyond(Limits().late_seconds),
        cpu_share=_cpu_share(run.workers, whole_seconds(run, stage)),
        unreached=_unreached(tally),
        required=stage.required,
        endpoints=tuple(
            _endpoint(name, tally.endpoints[name], policy.thresholds_seconds)
            for name in sorted(tally.endpoints)
        ),
    )


def _unreached(tally: Tally) -> tuple[str, ...]:
    """Return the addresses that took no connection though others of their family did.

    A machine without IPv6 reaches none of those: that is not a finding about one of them.
    """
    families = {":" in address for address in tally.connects}
    dead = tally.refused.keys() - tally.connects.keys()
    return tuple(sorted(address for address in dead if (":" in address) in families))


def _endpoint(name: str, endpoint: Endpoint, thresholds_seconds: Iterable[float]) -> EndpointFacts:
    thresholds_seconds = tuple(thresholds_seconds)
    return EndpointFacts(
        name=name,
        requests=endpoint.response.count,
        failed=endpoint.failed,
        own=sum(
            count
            for trouble, count in endpoint.troubles.items()
            if trouble in _OWN or trouble.startswith(_OWN_CHECK)
        ),
        timeouts=endpoint.troubles[Trouble.TIMEOUT],
        # What lies in the threshold's own bucket may have reached it, and counts.
        slow={over: endpoint.response.not_below(over) for over in thresholds_seconds},
        slow_service={over: endpoint.service.not_below(over) for over in thresholds_seconds},
    )


def _cpu_share(workers: Iterable[Worker], seconds: range) -> float:
    """Return the share of the busiest worker; NaN if one of them told nothing of these seconds."""
    shares = [
        _busiest([one for one in worker.moments if one.second in seconds])
        for worker in workers
        if not worker.lost
    ]
    return max(shares) if shares and all(map(math.isfinite, shares)) else math.nan


def _busiest(moments: list[Moment]) -> float:
    shares = [one.cpu_share for one in sorted(moments, key=lambda one: one.second)]
    if not shares:
        return math.nan
    length = min(BUSIEST_SECONDS, len(shares))
    return max(
        sum(shares[first : first + length]) / length for first in range(len(shares) - length + 1)
    )


PERCENTILES = (50, 90, 95, 99, 99.9)
_POINTS_A_DECADE = 10
_FAR_SECONDS = 60

Row = dict[str, Any]


def totals(tally: Tally) -> Row:
    """Return the sums over everything."""
    every = tally.every()
    return {
        "due": tally.due,
        "sent": tally.sent,
        "late": tally.late,
        "dropped": tally.dropped,
        "completed": every.response.count,
        "failed": every.failed,
        "received_bytes": every.size_bytes,
        "connects": tally.connects.total(),
        "addresses": dict(sorted(tally.connects.items())),
        "refused_addresses": dict(sorted(tally.refused.items())),
        "resent": tally.resent,
    }


def measured(run: Run, region: str | None = None) -> Tally:
    """Return everything that was counted in measured stages, in one region or in all."""
    numbers = {stage.number for stage in run.measured()}
    return Tally.whole(
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
    yield _row(region, ALL, tally.every(), seconds)


def _row(region: str, name: str, endpoint: Endpoint, seconds: float) -> Row:
    requests = endpoint.response.count
    return {
        "region": region,
        "endpoint": name,
        "requests": requests,
        "rps": requests / seconds if seconds > 0 else None,
        "failed": endpoint.failed,
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
        every = measured(run, region).every()
        points = list(_points(every.response, every.service))
        rows.append({"region": region, "points": points})
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
    tally = Tally.whole(
        tally for (number, _), tally in run.tallies.items() if number == stage.number
    )
    return {
        **totals(tally),
        "sent_rps": _sent_rps(run, [stage]),
        "response": percentiles(tally.every().response),
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
    every = tally.every()
    return {
        **totals(tally),
        "response": percentiles(every.response),
        "service": percentiles(every.service),
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

"""Turns a run into the facts that the judge needs."""

from __future__ import annotations

import math
from collections.abc import Iterable

from load._engine._engine import Limits
from load._engine._tally import Endpoint, Tally
from load._engine._wire import Trouble
from load._run import Moment, Run, Stage, Worker
from load.verdict import EndpointFacts, LoadFacts, StageFacts
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


def endpoint_failures(endpoint: Endpoint) -> int:
    """Return how many requests had no answer, or a wrong one."""
    return sum(endpoint.troubles.values())


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
        failed=endpoint_failures(endpoint),
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

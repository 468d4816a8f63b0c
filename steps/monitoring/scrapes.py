"""The samples of the look-back: was every described job scraped all the time?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from functools import partial

import probes
from gates.decide.judgement import Judgement
from probes.observation import Failure
from settings.monitoring import Monitoring
from settings.objectives import Prometheus
from steps.kit.asked import Asked
from steps.kit.failures import instrument_error
from steps.kit.sentence import described, then
from steps.monitoring import rules
from steps.monitoring.rules import Scrapes, Steps
from steps.objectives.promql import selector

_LOOK_BACK_FLOOR_SECONDS = 20.0
_SCRAPES_A_STEP = 3
"""A step without any of three scrapes is a gap; one late scrape is none."""
_AS_FAR_BACK = dt.timedelta(days=365)
"""Longer than samples are kept: what has been away since yesterday is not a new job, it is a long gap."""


described("the scrapes of every job are counted step by step", Monitoring, "monitoring")


@then("there was no gap in any region")
def no_gap(asked: Asked, monitoring: Monitoring) -> None:
    policy = asked.platform.policy.monitoring.gap_look_back
    look_back = asked.platform.scaled(policy, _LOOK_BACK_FLOOR_SECONDS)

    def judge(here: Asked) -> None:
        usual = here.platform.section(Prometheus).scrape_interval
        target, call = here.platform.prometheus(here.region), here.platform.call_deadline
        instrument = here.read(
            "Prometheus", lambda: probes.prometheus.instrument(target, deadline=call())
        )
        slower = _intervals(here)

        def judge_job(job: tuple[str, int, Mapping[str, str]]) -> None:
            step = _SCRAPES_A_STEP * max(usual, slower.get(job[0], usual))
            _judge_job(here, *job, Steps(instrument.server_time, max(look_back, step), step))

        here.each(_jobs(here, monitoring), judge_job)

    asked.in_each_region(judge)


def _jobs(here: Asked, monitoring: Monitoring) -> Iterator[tuple[str, int, Mapping[str, str]]]:
    """Yield each job with its number of targets and the labels that select them."""
    # How many pods there were in the past is not known: one of them at least.
    for name, targets in {**dict.fromkeys(monitoring.pod_jobs, 1), **monitoring.jobs}.items():
        yield name, targets, here.platform.labels(here.region, {"job": name})
    for name, targets in monitoring.shared_jobs.items():
        yield name, targets, {"job": name}


def _intervals(here: Asked) -> Mapping[str, float]:
    """Return the seconds between two scrapes of each job, where Prometheus tells them."""
    scraped = probes.alerting.targets(
        here.platform.prometheus(here.region), deadline=here.platform.call_deadline()
    )
    here.keep(scraped)
    found: dict[str, float] = {}
    for one in scraped.value.targets if scraped.value else ():
        found[one.job] = max(found.get(one.job, 0.0), one.interval_seconds or 0.0)
    return found


def _judge_job(
    here: Asked, job: str, targets: int, labels: Mapping[str, str], steps: Steps
) -> None:
    target, call = here.platform.prometheus(here.region), here.platform.call_deadline
    up = selector("up", labels)
    matrix = here.read(
        f"scrapes of {job} {labels}",
        partial(
            probes.prometheus.range_query,
            target,
            f"count(sum_over_time({up}[{steps.seconds * 1000:.0f}ms]) > 0)",
            start=steps.start,
            end=steps.end,
            step_seconds=steps.seconds,
            deadline=call(),
        ),
        _prometheus_error,
    )
    scrapes = Scrapes(targets, tuple(sample for one in matrix.series for sample in one.samples))
    if scrapes.complete_since is not None and scrapes.complete_since > steps.start:
        begins = steps.start - _AS_FAR_BACK
        before = here.read(
            f"what was scraped of {job} {labels} before",
            lambda: probes.alerting.scraped_ever(
                target, up, begins=begins, ends=steps.start, deadline=call()
            ),
            _prometheus_error,
        )
        if before.whole:
            scrapes = scrapes.of_a_job_that_had(before.count)
    here.judge(rules.no_gaps(job, scrapes, steps, partial=bool(matrix.warnings)))


def _prometheus_error(_: str, failure: Failure) -> Judgement:
    return instrument_error("Prometheus", failure)

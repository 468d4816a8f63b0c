"""Alert rules, scrape targets, their samples and Alertmanager: does anybody hear of an unwell platform?"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import yaml

import probes
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes.formats import seconds_of
from probes.kubernetes.objects import Pod
from probes.observation import Failure, Observation, utc_now
from settings.monitoring import Monitoring
from settings.objectives import Prometheus
from settings.sections import server_of
from steps.cluster.clusters import Clusters
from steps.kit.asked import Asked, Unread
from steps.kit.expect import expect
from steps.kit.failures import failure_of, instrument_error
from steps.kit.sentence import described, then
from steps.kit.settling import Ended, Progress, missed, settle_seconds, settled
from steps.monitoring import rules, watchers
from steps.monitoring.rules import Scrapes, ShippedRule, Steps, job_up, jobs_up
from steps.objectives.promql import selector

_RULES = "the release's alert rules"


described("the monitoring is read", Monitoring, "monitoring")


@then("the release's alert rules are loaded as shipped and evaluated in every region")
def rules_as_shipped(asked: Asked, monitoring: Monitoring) -> None:
    file = asked.read(_RULES, lambda: _rules_file(asked, monitoring))
    shipped = read(file.data)
    if shipped:
        asked.in_each_region(lambda here: _rules_of(here, shipped))
    else:
        sentence = f"{monitoring.rules} holds no alert rule that can be read"
        asked.judge(expect(None, _RULES, sentence, "the file as Prometheus takes it"))


@then("every job has all its targets in every region and all of them are up")
def targets_up(asked: Asked, monitoring: Monitoring) -> None:
    def judge(here: Asked) -> None:
        target = here.platform.prometheus(here.region)
        labels = here.platform.labels(here.region, {})

        def look() -> _Look:
            seen = probes.alerting.targets(target, deadline=here.platform.call_deadline())
            if seen.value is None:
                return _Look(seen, (_instrument("Prometheus", seen),))
            mine = [one for one in seen.value.targets if labels.items() <= one.labels.items()]
            of_pods = _of_pods(here, monitoring, mine) if monitoring.pod_jobs else ()
            shared = jobs_up(monitoring.shared_jobs, seen.value.targets)
            return _Look(seen, (*jobs_up(monitoring.jobs, mine), *of_pods, *shared))

        _settle(here, look)

    if monitoring.pod_jobs:
        Clusters(asked.platform).in_each_region(asked, judge)
    else:
        asked.in_each_region(judge)


@then("alerts of every severity reach their receiver and the watchdog arrives")
def alerts_arrive(asked: Asked, monitoring: Monitoring) -> None:
    target, call = watchers.alertmanager(asked.platform), asked.platform.call_deadline
    configured = asked.read(
        "Alertmanager", lambda: probes.alerting.configuration(target, deadline=call())
    )
    file = _rules_file(asked, monitoring)
    asked.keep(file)
    # Without the file D7.1-1 says so; the severity alone is routed then.
    shipped = read(file.value.data) if file.value else ()
    asked.judge(*rules.routed(configured, monitoring.alertmanager.receivers, shipped))
    _settle(asked, lambda: _watchdog(asked, monitoring.alertmanager.watchdog))


@dataclasses.dataclass(frozen=True, slots=True)
class _Look:
    """One look at something that converges."""

    observed: Observation[Any]
    judged: tuple[Judgement, ...]

    def progress(self) -> Progress:
        """Return whether it is good; anything else may still come right."""
        if self.observed.value is None:
            return missed(self.observed)
        good = all(one.outcome is Outcome.PASS for one in self.judged)
        return Progress.DONE if good else Progress.MOVING


def _settle(asked: Asked, look: Callable[[], _Look]) -> None:
    """Keep and judge the last look; one that the run's end cut short has not failed."""
    seconds = settle_seconds(asked.platform, asked.platform.policy.monitoring.settle_for)
    last = settled(asked.platform, look, _Look.progress, seconds)
    asked.keep(last.value.observed)
    if last.ended is Ended.RUN_ENDED:
        cut = "the run ended before it settled"
        asked.judge(expect(None, "monitoring", cut, "another run"))
    else:
        asked.judge(*last.value.judged)


def _rules_file(asked: Asked, monitoring: Monitoring) -> Observation[probes.files.Content]:
    return probes.files.content(monitoring.rules, deadline=asked.platform.call_deadline())


def _rules_of(here: Asked, shipped: Sequence[ShippedRule]) -> None:
    """Judge a region's rules; every expression is compared as its Prometheus writes it."""
    target, call = here.platform.prometheus(here.region), here.platform.call_deadline
    within = here.platform.policy.monitoring.evaluated_within

    def spelled(expression: str) -> str:
        seen = probes.alerting.formatted(target, expression, deadline=call())
        return seen.value.expression if seen.value else expression

    def as_written(rule: ShippedRule) -> ShippedRule:
        seen = probes.alerting.formatted(target, rule.expression, deadline=call())
        if seen.value is None:
            here.keep(seen)
            here.judge(_instrument("Prometheus", seen))
            raise Unread(rule.name)
        return dataclasses.replace(rule, expression=seen.value.expression)

    wanted = [as_written(rule) for rule in shipped]

    def look() -> _Look:
        loaded = probes.alerting.rules(target, deadline=call())
        if loaded.value is None:
            return _Look(loaded, (_instrument("Prometheus", loaded),))
        there, now = loaded.value.rules, utc_now()
        judged = (
            rules.as_shipped(
                one, rules.loaded_as(one, wanted, there, spelled), spelled, now, within
            )
            for one in wanted
        )
        return _Look(loaded, tuple(judged))

    _settle(here, look)


def _of_pods(
    here: Asked, monitoring: Monitoring, targets: Sequence[probes.alerting.ScrapeTarget]
) -> Iterator[Judgement]:
    """Judge that every ready pod of the app is a target: one that nobody scrapes fails unseen."""
    clusters = Clusters(here.platform)
    found = clusters.workload(here.region)
    here.keep(found)
    if found.value is None:
        yield _instrument("the cluster", found)
        return
    ready = [one for one in found.value.pods if one.workload and one.ready and not one.deleting]
    if not ready:
        # No targets for no pods would agree, and prove nothing.
        sentence = "no pod of the app is ready"
        yield expect(None, "targets of pods", sentence, "a ready pod of the app")
        return
    yield from jobs_up(dict.fromkeys(monitoring.pod_jobs, len(ready)), targets)
    section = here.platform.environment.settings.prometheus
    if section is not None and section.target_labels and section.job in monitoring.pod_jobs:
        labels = here.platform.labels(here.region, section.target_labels)
        yield _of_release(section.job, labels, targets, ready, clusters.release_version)


def _of_release(
    job: str,
    labels: Mapping[str, str],
    targets: Sequence[probes.alerting.ScrapeTarget],
    ready: Sequence[Pod],
    version: str,
) -> Judgement:
    """Judge that `up` says the release of as many targets as the cluster has pods of it.

    Else an older pod's errors count as the release's, or the release's as nobody's.
    """
    wanted = {"job": job, **labels}.items()
    own = [one.up for one in targets if wanted <= one.labels.items()]
    shown = ", ".join(f'{name}="{value}"' for name, value in labels.items())
    return job_up(f"{job} with {shown}", sum(one.version == version for one in ready), own)


def _watchdog(asked: Asked, name: str) -> _Look:
    server, deadline = watchers.alertmanager(asked.platform), asked.platform.call_deadline()
    alerts = probes.alerting.alerts(server, {"alertname": name}, deadline=deadline)
    if alerts.value is None:
        return _Look(alerts, (_instrument("Alertmanager", alerts),))
    regions, heard = asked.platform.environment.settings.regions, alerts.value.heard
    servers = len({server_of(one.prometheus) for one in regions.values()})
    judged = [rules.arrives(name, len(heard), servers, alerts.value.quiet)]
    labels = {region: regions[region].labels for region in asked.regions}
    if servers > 1 and (unheard := rules.unheard(labels, heard)):
        what = f"the watchdog alert of {', '.join(unheard)}"
        sentence = f"{what} is not among those that Alertmanager holds, by their labels"
        judged.append(expect(None, what, sentence, "the watchdog of each region's Prometheus"))
    return _Look(alerts, tuple(judged))


def _instrument(subject: str, observed: Observation[Any]) -> Judgement:
    return instrument_error(subject, failure_of(observed))


# --- the file of rules


def read(data: bytes) -> tuple[ShippedRule, ...]:
    """Return the alerting rules of a file in Prometheus's format; none where it can't be read."""
    try:
        return tuple(_rules_in(yaml.safe_load(data)))
    except (ValueError, yaml.YAMLError):
        return ()


def _rules_in(document: object) -> Iterator[ShippedRule]:
    if isinstance(document, Mapping) and document.get("kind") == "PrometheusRule":
        document = document.get("spec")  # the same groups, wrapped for Prometheus's operator
    for group in _list(_mapping(document), "groups"):
        common = _mapping(_mapping(group).get("labels") or {})
        for entry in _list(_mapping(group), "rules"):
            rule = _mapping(entry)
            if "alert" in rule:
                yield _rule(rule, common)


def _rule(rule: Mapping[str, object], common: Mapping[str, object]) -> ShippedRule:
    if "expr" not in rule:
        raise ValueError("an alert rule has no expr")
    waits = rule.get("for")
    labels = {**common, **_mapping(rule.get("labels") or {})}
    return ShippedRule(
        name=str(rule["alert"]),
        expression=str(rule["expr"]),
        for_seconds=seconds_of(waits) if waits else 0.0,
        labels={str(name): str(value) for name, value in labels.items()},
    )


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise ValueError("something is not a mapping")  # noqa: TRY004 - one kind of error for the caller
    return value


def _list(value: Mapping[str, object], key: str) -> list[object]:
    found = value.get(key) or []
    if not isinstance(found, list):
        raise ValueError("something is not a list")  # noqa: TRY004 - as above
    return found


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
            scrapes = scrapes.of_a_job_that_had(before.series)
    here.judge(rules.no_gaps(job, scrapes, steps, partial=bool(matrix.warnings)))


def _prometheus_error(_: str, failure: Failure) -> Judgement:
    return instrument_error("Prometheus", failure)

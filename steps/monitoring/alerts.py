"""Alert rules, scrape targets and Alertmanager: does anybody hear of it when the platform is unwell?"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import probes
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes.kubernetes.objects import Pod
from probes.observation import Observation, utc_now
from settings.sections import server_of
from steps.cluster.clusters import Clusters
from steps.kit import failures
from steps.kit.asked import Asked
from steps.kit.check import Check
from steps.kit.expect import expect
from steps.kit.platform import Platform
from steps.kit.settling import Ended, Progress, missed, settle_seconds, settled
from steps.monitoring import alert_routes, alert_rules, watchers
from steps.monitoring.alert_rules import ShippedRule


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


class Watch:
    """The monitoring of one platform as one check looks at it."""

    def __init__(self, platform: Platform, check: Check) -> None:
        self._platform = platform
        self._check = check
        self.section = watchers.monitoring_of(platform)
        self._policy = platform.policy.monitoring

    def rules_as_shipped(self) -> None:
        """Judge that every Prometheus has the release's alert rules, well and evaluated lately."""
        shipped = self._shipped()
        if shipped is not None:
            self._platform.each_region(lambda region: self._rules_of(region, shipped))

    def targets_up(self) -> None:
        """Judge that each job has all its targets in each region, and all of them are up."""
        if self.section.pod_jobs:
            everywhere = Asked(self._platform, self._check, self._check.regions)
            Clusters(self._platform).in_each_region(
                everywhere, lambda here: self._targets_of(here.region)
            )
        else:
            self._platform.each_region(self._targets_of)

    def alerts_arrive(self) -> None:
        """Judge that each severity reaches its receiver, and that the watchdog's alert arrives."""
        target = watchers.alertmanager(self._platform)
        configured = probes.alerting.configuration(target, deadline=self._platform.call_deadline())
        self._check.observe_everywhere(configured)
        if configured.value is None:
            self._check.judge_everywhere(_instrument("Alertmanager", configured))
            return
        ships = self._rules_file()
        # Without the file D7.1-1 says so; the severity alone is routed then.
        shipped = alert_rules.read(ships.value.data) if ships.value else ()
        self._check.judge_everywhere(*self._routed(configured.value, shipped))
        last = self._settle(lambda: self._watchdog(target))
        self._check.observe_everywhere(last.observed)
        self._check.judge_everywhere(*last.judged)

    def _watchdog(self, target: probes.http.HttpTarget) -> _Look:
        name = self.section.alertmanager.watchdog
        alerts = probes.alerting.alerts(target, name, deadline=self._platform.call_deadline())
        if alerts.value is None:
            return _Look(alerts, (_instrument("Alertmanager", alerts),))
        heard, servers = alerts.value.heard, self._servers
        judged = [_arrives(name, len(heard), servers, alerts.value.quiet)]
        regions = self._platform.environment.settings.regions
        labels = {region: regions[region].labels for region in self._platform.regions}
        unheard = _unheard(labels, heard) if servers > 1 else []
        if unheard:
            what = f"the watchdog alert of {', '.join(unheard)}"
            sentence = f"{what} is not among those that Alertmanager holds, by their labels"
            judged.append(expect(None, what, sentence, "the watchdog of each region's Prometheus"))
        return _Look(alerts, tuple(judged))

    @property
    def _servers(self) -> int:
        """How many different Prometheus watch the regions."""
        regions = self._platform.environment.settings.regions.values()
        return len({server_of(one.prometheus) for one in regions})

    def _shipped(self) -> Sequence[ShippedRule] | None:
        """Read the release's rules; judged already where that is not possible."""
        observed = self._rules_file()
        if observed.value is None:
            self._check.judge_everywhere(_instrument("the release's alert rules", observed))
            return None
        rules = alert_rules.read(observed.value.data)
        if not rules:
            what = "the release's alert rules"
            sentence = f"{self.section.rules} holds no alert rule that can be read"
            self._check.judge_everywhere(
                expect(None, what, sentence, "the file as Prometheus takes it")
            )
            return None
        return rules

    def _rules_file(self) -> Observation[probes.files.Content]:
        deadline = self._platform.call_deadline()
        observed = probes.files.content(self.section.rules, deadline=deadline)
        self._check.observe_everywhere(observed)
        return observed

    def _rules_of(self, region: str, shipped: Sequence[ShippedRule]) -> None:
        target = self._platform.prometheus(region)
        wanted: list[ShippedRule] = []
        for rule in shipped:
            written = probes.alerting.formatted(
                target, rule.expression, deadline=self._platform.call_deadline()
            )
            if written.value is None:
                self._check.observe(region, written)
                self._check.judge(region, _instrument("Prometheus", written))
                return
            wanted.append(dataclasses.replace(rule, expression=written.value.expression))

        def look() -> _Look:
            loaded = probes.alerting.rules(target, deadline=self._platform.call_deadline())
            if loaded.value is None:
                return _Look(loaded, (_instrument("Prometheus", loaded),))
            rules = loaded.value.rules
            return _Look(loaded, tuple(self._rule(one, wanted, rules, target) for one in wanted))

        self._settled(region, look)

    def _rule(
        self,
        wanted: ShippedRule,
        shipped: Sequence[ShippedRule],
        loaded: Sequence[probes.alerting.AlertRule],
        target: probes.prometheus.PrometheusTarget,
    ) -> Judgement:
        def spelled(expression: str) -> str:
            return self._spelled(target, expression)

        found = alert_rules.loaded_as(wanted, shipped, loaded, spelled)
        wrong = self._wrong(wanted, found, target)
        return expect(
            good=not wrong,
            rule="alert rule as shipped",
            subject=f"alert rule {wanted.name}",
            sentence=f"alert rule {wanted.name} {wrong or 'is loaded as shipped and evaluated'}",
            clears=f"{wanted.name} loaded as the release ships it",
        )

    def _wrong(
        self,
        wanted: ShippedRule,
        found: Sequence[probes.alerting.AlertRule],
        target: probes.prometheus.PrometheusTarget,
    ) -> str:
        """Return what is wrong with a rule, or nothing."""
        if len(found) != 1:
            return f"is loaded {len(found)} times, wanted once"
        rule = found[0]
        age = (utc_now() - rule.evaluated_at).total_seconds() if rule.evaluated_at else math.inf
        findings = {
            "has another expression than the release ships": (
                self._spelled(target, rule.expression) != wanted.expression
            ),
            f"waits {rule.for_seconds:g} s, wanted {wanted.for_seconds:g} s": (
                rule.for_seconds != wanted.for_seconds
            ),
            f"has another severity than {wanted.severity}": (
                rule.labels.get("severity", "") != wanted.severity
            ),
            "is loaded but can't be evaluated": rule.health not in ("ok", "unknown"),
            "is loaded but was not evaluated lately": (
                rule.health == "unknown"
                or age > max(self._policy.evaluated_within, 2 * rule.interval_seconds)
            ),
        }
        return ", ".join(words for words, so in findings.items() if so)

    def _spelled(self, target: probes.prometheus.PrometheusTarget, expression: str) -> str:
        written = probes.alerting.formatted(
            target, expression, deadline=self._platform.call_deadline()
        )
        return written.value.expression if written.value else expression

    def _targets_of(self, region: str) -> None:
        target = self._platform.prometheus(region)
        wanted = self._platform.labels(region, {})

        def look() -> _Look:
            scraped = probes.alerting.targets(target, deadline=self._platform.call_deadline())
            if scraped.value is None:
                return _Look(scraped, (_instrument("Prometheus", scraped),))
            mine = [one for one in scraped.value.targets if wanted.items() <= one.labels.items()]
            judged = [
                *_jobs(self.section.jobs, mine),
                *self._of_pods(region, mine),
                *_jobs(self.section.shared_jobs, scraped.value.targets),
            ]
            return _Look(scraped, tuple(judged))

        self._settled(region, look)

    def _of_pods(
        self, region: str, targets: Sequence[probes.alerting.ScrapeTarget]
    ) -> Iterator[Judgement]:
        """Judge that every ready pod of the app is a target: one that nobody scrapes fails unseen."""
        if not self.section.pod_jobs:
            return
        clusters = Clusters(self._platform)
        found = probes.kubernetes.workload(
            clusters.target(region),
            clusters.section.namespace,
            clusters.section.app_labels,
            clusters.section.version_label,
            deadline=self._platform.call_deadline(),
        )
        self._check.observe(region, found)
        if found.value is None:
            yield failures.instrument_error("the cluster", failures.failure_of(found))
            return
        own = [pod for pod in found.value.pods if pod.workload]
        ready = sum(pod.ready and not pod.deleting for pod in own)
        if not ready:
            # No targets for no pods would agree, and prove nothing.
            yield expect(
                None, "targets of pods", "no pod of the app is ready", "a ready pod of the app"
            )
            return
        yield from _jobs(dict.fromkeys(self.section.pod_jobs, ready), targets)
        yield from self._of_release(region, found.value.pods, targets, clusters.release_version)

    def _of_release(
        self,
        region: str,
        pods: Sequence[Pod],
        targets: Sequence[probes.alerting.ScrapeTarget],
        version: str,
    ) -> Iterator[Judgement]:
        """Judge that `up` says the release of as many targets as the cluster has pods of it.

        Else an older pod's errors count as the release's, or the release's as nobody's.
        """
        section = self._platform.environment.settings.prometheus
        if section is None or not section.target_labels or section.job not in self.section.pod_jobs:
            return
        labels = self._platform.labels(region, section.target_labels)
        own = [
            one.up
            for one in targets
            if {"job": section.job, **labels}.items() <= one.labels.items()
        ]
        ready = sum(
            one.version == version and one.ready and not one.deleting
            for one in pods
            if one.workload
        )
        shown = ", ".join(f'{name}="{value}"' for name, value in labels.items())
        yield _job(f"{section.job} with {shown}", ready, own)

    def _settled(self, region: str, look: Callable[[], _Look]) -> None:
        last = self._settle(look)
        self._check.observe(region, last.observed)
        self._check.judge(region, *last.judged)

    def _settle(self, look: Callable[[], _Look]) -> _Look:
        """Return the last look; one that the run's end cut short has not failed."""
        seconds = settle_seconds(self._platform, self._policy.settle_for)
        last = settled(self._platform, look, _Look.progress, seconds)
        if last.ended is not Ended.RUN_ENDED:
            return last.value
        cut = expect(None, "monitoring", "the run ended before it settled", "another run")
        return dataclasses.replace(last.value, judged=(cut,))

    def _routed(
        self, configured: probes.alerting.Configuration, shipped: Sequence[ShippedRule]
    ) -> Iterator[Judgement]:
        for severity, receiver in self.section.alertmanager.receivers.items():
            alerts = [
                {**rule.labels, "alertname": rule.name}
                for rule in shipped
                if rule.severity == severity
            ]
            found = [
                _reaches(configured, labels, receiver)
                for labels in alerts or [{"severity": severity}]
            ]
            yield from [one for one in found if one.outcome is not Outcome.PASS] or found[:1]


def _reaches(
    configured: probes.alerting.Configuration, labels: Mapping[str, str], receiver: str
) -> Judgement:
    """Judge that an alert with these labels reaches a receiver at any time."""
    named = f" such as {labels['alertname']}" if "alertname" in labels else ""
    subject = f"alerts of severity {labels['severity']}{named}"
    try:
        reached = alert_routes.receivers(configured.route, labels)
        at_times = alert_routes.receivers_at_times(configured.route, labels)
    except alert_routes.UnreadableRouteError as exc:
        return expect(None, subject, f"Alertmanager's routes: {exc}", "routes that can be read")
    if receiver in at_times and receiver not in reached:
        sentence = f"{subject} reach {receiver} at some times alone (mute or active time intervals)"
        return expect(None, subject, sentence, f"a route to {receiver} that is never muted")
    integrations = configured.receivers.get(receiver, 0)
    wrong = (
        f"reach {', '.join(reached)}, wanted {receiver}"
        if receiver not in reached
        else f"reach {receiver}, which tells nobody"
    )
    good = receiver in reached and integrations > 0
    return expect(
        good=good,
        rule="receiver of a severity",
        subject=subject,
        sentence=f"{subject} {f'reach {receiver}' if good else wrong}",
        clears=f"a route from {labels['severity']} to {receiver}, with an integration",
    )


def _arrives(name: str, count: int, servers: int, quiet: int = 0) -> Judgement:
    """Judge that the watchdog of every Prometheus arrives: that of one says nothing of the others.

    One that is silenced counts as away: what silences it may silence everything.
    """
    sentence = f"Alertmanager holds {count} alerts {name}, which always fires: wanted "
    sentence += "at least 1" if servers == 1 else f"one from each of {servers} Prometheus servers"
    if quiet:
        sentence += f"; {quiet} more are silenced or inhibited, as other alerts may be"
    if 0 < count < servers:
        clears = f"external_labels that tell the {servers} apart, and the watchdog of each"
        return expect(
            None, "the watchdog alert", f"{sentence}; which one is missing can't be told", clears
        )
    return expect(
        good=count > 0,
        rule="watchdog",
        subject="the watchdog alert",
        sentence=sentence,
        clears="a watchdog that travels from Prometheus to Alertmanager",
        observed=count,
        target=servers,
    )


def _unheard(
    labels: Mapping[str, Mapping[str, str]], heard: Sequence[Mapping[str, str]]
) -> list[str]:
    """Return the regions that no alert is of, as far as alerts carry the labels that tell them apart."""
    carried = {name for one in heard for name in one}
    known = {
        region: {name: value for name, value in own.items() if name in carried}
        for region, own in labels.items()
    }
    return [
        region
        for region, own in known.items()
        if own and not any(own.items() <= one.items() for one in heard)
    ]


def _jobs(
    wanted: Mapping[str, int], targets: Sequence[probes.alerting.ScrapeTarget]
) -> Iterator[Judgement]:
    for job, count in wanted.items():
        yield _job(job, count, [one.up for one in targets if one.job == job])


def _job(job: str, wanted: int, up: Sequence[bool]) -> Judgement:
    return expect(
        good=len(up) == wanted and all(up),
        rule="all targets up",
        subject=f"targets of {job}",
        sentence=f"{sum(up)} of {len(up)} targets of {job} are up, wanted all of {wanted}",
        clears=f"{wanted} targets of {job}, all up",
        observed=sum(up),
        target=wanted,
    )


def _instrument(subject: str, observed: Observation[Any]) -> Judgement:
    return failures.instrument_error(subject, failures.failure_of(observed))

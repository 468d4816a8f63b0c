"""The doctor on Prometheus: is it there, on time, scraping the release, and does it have the metrics?"""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from gates.decide.counting.samples import Patience
from gates.decide.counting.sources import FRESH_SCRAPES
from gates.decide.counting.statistics import events_to_prove
from probes import http, prometheus
from probes.api import MAX_ANSWER_BYTES
from probes.observation import Failure, FailureKind
from probes.prometheus import Instrument, Series
from settings.monitoring import FileSystems
from settings.objectives import Lease, Metric, Objective, Prometheus
from steps.kit.findings import Finding, Keys, Subject, System, UnreadError, examination
from steps.objectives import promql
from steps.objectives.counting import Counting, Times, own_paths
from steps.objectives.instrument import Inspector, UnfitError, forget
from steps.objectives.overlap import overlaps

_AS_THE_GATE = "the gate would be undecided for the same reason; docs/platform-contract.md, Metrics"
_FROM_ZERO = "let the platform expose each counter from its start, at zero; until then its first value counts"
_SHOWN_VALUES = 5
_ALIKE = 0.75
"""How much of two names must agree, so that another metric of the platform is not taken for it."""
_FRESH_SCRAPES = 3
_CONNECTIONS = 8
_SAME_START_SECONDS = 1.0
_START = re.compile(rb"^process_start_time_seconds (\d+(?:\.\d+)?(?:e\+?\d+)?)\s*$", re.MULTILINE)


def examine_overlaps(subject: Subject) -> list[Finding]:
    """Look whether each region that is asked has series of its own."""
    found = overlaps(subject.settings, subject.platform.regions)
    return [System(subject, "Prometheus").bad(*one) for one in found]


@examination
def examine_prometheus(subject: Subject, region: str, section: Prometheus) -> Iterator[Finding]:
    """Look at a region's Prometheus, its scrapes, the metrics of every objective and of the disks."""
    asker = Asker.of(subject, region)
    server = subject.platform.prometheus(region)
    seen = asker.read(prometheus.instrument(server, deadline=subject.deadline()))
    yield _itself(asker, section, seen)
    yield _scrapes(asker, section)
    for objective in subject.platform.policy.objectives:
        yield examine_metric(asker, objective)
    for name, kind in subject.settings.storage.items():
        yield examine_storage(asker, name, kind)


@dataclasses.dataclass(frozen=True, slots=True)
class Asker(System):
    """One region's Prometheus, and what is said of it; each question has a deadline of its own."""

    @classmethod
    def of(cls, subject: Subject, region: str) -> Asker:
        """Return that of a region."""
        keys = Keys(f"regions.{region}.prometheus", "prometheus.ca_file", "prometheus.token")
        return cls(subject, "Prometheus", region, keys)

    @property
    def here(self) -> str:
        """The region."""
        return self.region or ""

    def unread(self, failure: Failure) -> Finding:
        """Return that Prometheus could not be asked, whatever was to be found out."""
        return System(self.subject, "Prometheus", self.region, self.keys).unread(failure)

    def series(self, query: str) -> tuple[Series, ...]:
        """Return the series of an instant query, none where it is empty; raises UnreadError."""
        server = self.subject.platform.prometheus(self.here)
        vector = self.read(prometheus.instant(server, query, deadline=self.subject.deadline()))
        if vector.warnings:
            detail = "Prometheus warns that its answers may be partial; fix what it federates."
            raise UnreadError(self.unread(Failure(FailureKind.UNUSABLE_ANSWER, detail)))
        return vector.series


def _itself(asker: Asker, section: Prometheus, seen: Instrument) -> Finding:
    skew = seen.clock_skew_seconds
    if abs(skew) > section.max_clock_skew + seen.clock_uncertainty_seconds:
        right = asker.subject.key("prometheus.max_clock_skew", "60s")
        return asker.bad(
            f"its clock and this machine's differ by {skew:.1f} s",
            "set both clocks (chronyc tracking on both machines)",
            f"or, if that much is right: {right}",
        )
    if not seen.config_reload_succeeded:
        fix = "promtool check config /etc/prometheus/prometheus.yml, fix it, reload"
        return asker.bad("runs on an old configuration: its last reload failed", fix)
    if seen.corruption_count:
        fix = "restart it and look at its log: samples may be missing"
        return asker.bad("reports a corrupted write-ahead log", fix)
    return asker.ok(f"version {seen.version} is ready; clocks differ by {abs(skew):.2f} s")


def _scrapes(asker: Asker, section: Prometheus) -> Finding:
    subject = asker.subject
    labels = subject.labels(asker.here, {"job": section.job, **section.target_labels})
    up = promql.selector("up", labels)
    series = asker.series(up)
    if not series:
        return _no_target(asker, up)
    down = sum(one.value != 1 for one in series)
    if down:
        fix = f"see {up} == 0 and Status → Targets for each target's error"
        return asker.bad(f"{down} of {len(series)} targets of the API can't be scraped", fix)
    ages = [one.value for one in asker.series(f"max(time() - timestamp({up}))")]
    age = ages[0] if len(ages) == 1 and math.isfinite(ages[0]) else 0.0
    if age > _FRESH_SCRAPES * section.scrape_interval:
        interval = f"{section.scrape_interval:g}s"
        return asker.bad(
            f"the newest samples are {age:.0f} s old, and scrapes should come each {interval}",
            subject.key("prometheus.scrape_interval", f"that of the job (now {interval})"),
        )
    instance = series[0].labels.get("instance", "")
    if _is_split(subject, instance):
        return asker.bad(
            f"several processes answer at {instance}, each with its own counters: the gate would count "
            "those of one worker alone",
            "let workers share their counters (PROMETHEUS_MULTIPROC_DIR), or give each its own port",
            "or, if that address is a Service's: scrape its pods",
        )
    return asker.ok(f"all {len(series)} targets of {up} are up; newest samples {age:.0f} s old")


def _no_target(asker: Asker, up: str) -> Finding:
    jobs = sorted({one.labels.get("job", "") for one in asker.series("count by (job) (up)")})
    there = ", ".join(jobs) or "the jobs it scrapes"
    remedy = [asker.subject.key("prometheus.job", f"one of {there}")]
    if asker.subject.settings.regions[asker.here].labels:
        labels = f"regions.{asker.here}.labels, prometheus.target_labels"
        remedy.append(f"or fix {labels}: {up} is empty")
    return asker.bad(f"scrapes nothing that matches {up}", *remedy)


def _is_split(subject: Subject, instance: str) -> bool:
    """Return whether a target's metrics tell of several processes, over several connections at once.

    A scraper that keeps its connection meets one of them, and its samples look whole. One that this
    machine does not reach at /metrics, or that tells no start, is not known to be split.
    """
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        found = pool.map(lambda _: _process_start(subject, instance), range(_CONNECTIONS))
        starts = [one for one in found if one is not None]
    return bool(starts) and max(starts) - min(starts) > _SAME_START_SECONDS


def _process_start(subject: Subject, instance: str) -> float | None:
    try:
        target = http.HttpTarget(f"http://{instance}")
    except ValueError:
        return None
    observed = http.request(
        target, "GET", "/metrics", deadline=subject.deadline(), max_bytes=MAX_ANSWER_BYTES
    )
    told = _START.search(observed.value.body) if observed.value else None
    return float(told[1]) if told else None


def examine_storage(asker: Asker, name: str, kind: FileSystems) -> Finding:
    """Count the file systems of a kind in one region; raises UnreadableError."""
    storage = dataclasses.replace(asker, name="storage")
    query = promql.free_shares(kind, asker.subject.labels(asker.here, kind.labels))
    count = len(asker.series(query))
    measured = f"{count} file systems {name} are measured"
    if count >= kind.at_least:
        return storage.ok(measured)
    words = f"metrics and labels of all; {query} has {count}"
    fix = asker.subject.key(f"storage.{name}", words)
    return storage.bad(f"{measured}, wanted at least {kind.at_least}", fix)


def examine_metric(asker: Asker, objective: Objective) -> Finding:
    """Look at the series that an objective counts in one region; raises UnreadableError."""
    asker = dataclasses.replace(asker, name=f"metrics {objective.check}")
    metric = asker.subject.settings.metrics.get(objective.metric)
    if metric is None:
        return asker.bad(
            f"{objective.check} needs a metric that the file does not describe",
            asker.subject.key(f"metrics.{objective.metric}", "{name: …, labels: {job: …}}"),
        )
    labels = asker.subject.labels(asker.here, metric.labels)
    return _Metric(asker, objective, metric, labels).examined()


@dataclasses.dataclass(frozen=True, slots=True)
class _Metric:
    """One objective's metric in one region."""

    asker: Asker
    objective: Objective
    metric: Metric
    labels: dict[str, str]

    def examined(self) -> Finding:
        """Return the first thing wrong, or that all is well."""
        look = self._histogram if self._suffix else self._counter
        return self._release_is_to_come() or look()

    @property
    def _suffix(self) -> str:
        return "_bucket" if self.objective.kind == "latency" else ""

    @property
    def _scrape_seconds(self) -> float:
        section = self.asker.subject.settings.prometheus
        return section.scrape_interval if section else 0.0

    def _key(self, key: str, value: str) -> str:
        return self.asker.subject.key(f"metrics.{self.objective.metric}.{key}", value)

    def _there(self, labels: dict[str, str]) -> bool:
        """Return whether the metric has series with these labels."""
        selector = promql.selector(self.metric.name + self._suffix, labels)
        return bool(self.asker.series(f"count({selector})"))

    def _release_is_to_come(self) -> Finding | None:
        """Return what is right before a deployment: series of other releases, and none of this one yet."""
        of_release = {n for n, value in self.metric.labels.items() if "{release}" in value}
        switched_at = self.asker.subject.settings.traffic.switched_at
        if not of_release & set(self.labels) or switched_at is not None:
            return None
        others = {name: value for name, value in self.labels.items() if name not in of_release}
        if self._there(self.labels) or not self._there(others):
            return None
        wanted = ", ".join(f'{name}="{self.labels[name]}"' for name in sorted(of_release))
        return self.asker.warn(
            f"{self.metric.name} has no series with {wanted} yet, as before a deployment",
            f"if that release carries traffic already, fix metrics.{self.objective.metric}.labels",
        )

    def _histogram(self) -> Finding:
        series = self.asker.series(self._bounds_now())
        if not series:
            return self._absent()
        name, objective, live = self.metric.name, self.objective, live_bounds(series)
        if live != list(objective.bucket_bounds):
            shown = ", ".join(f"{bound:g}" for bound in live)
            remedy = bounds_remedy(name, objective, live, self.asker.subject.objectives)
            words = f"{name} has other bounds than the policy declares: {shown}"
            return self.asker.bad(words, *remedy)
        well, share = f"{len(live)} bounds as the policy declares", objective.target.quantile
        if objective.bounds_around is not None and share is not None:
            lower, upper = objective.bounds_around
            well += (
                f"; p{share * 100:g} interpolated, decided outside of {lower:g} to {upper:g} s only"
            )
        return self._enough(well)

    def _bounds_now(self) -> str:
        """Return the query for the bounds of series that are there now and were scraped recently.

        "Now" leaves out the old ones of a histogram that changed a moment ago: advice to declare
        both would be wrong. "Recently" leaves out what vanished while Prometheus was away.
        """
        name, match = self.metric.name, self.metric.match
        recent = promql.bounds(name, self.labels, FRESH_SCRAPES * self._scrape_seconds, *match)
        buckets = promql.selector(f"{name}_bucket", self.labels, *match)
        return f"{recent} and count by (le) ({buckets})"

    def _counter(self) -> Finding:
        label = self.metric.status_label
        line = self._key("status_label", "the label with the HTTP status")
        if label is None:
            return self.asker.bad("the file names no status_label", line)
        selector = promql.selector(self.metric.name, self.labels, *self.metric.match)
        series = self.asker.series(f"count by ({label}) ({selector})")
        if not series:
            return self._absent()
        if all(label not in one.labels for one in series):
            return self.asker.bad(f"{self.metric.name} has no label {label}", line)
        return self._enough(f"its label {label} is there")

    def _absent(self) -> Finding:
        """Say why there are no series: renamed, under other labels, or not there at all."""
        name, meant = self.metric.name, self._look_alike()
        if meant is not None:
            words = f"there is no {promql.selector(name, self.labels)}; renamed {meant}?"
            return self.asker.bad(words, self._key("name", meant))
        if self.asker.series(f"count({name}{self._suffix})"):
            return self._other_labels()
        words = "let the platform offer it (docs/platform-contract.md), or fix"
        return self.asker.bad(
            f"there is no metric {name}", f"{words} metrics.{self.objective.metric}.name"
        )

    def _look_alike(self) -> str | None:
        """Return the metric with a similar name among those with exactly these labels."""
        matcher = f'__name__=~".+{self._suffix or "_total"}"'
        selector = promql.selector("", self.labels, matcher)
        found = self.asker.series(f"count by (__name__) ({selector})")
        names = [one.labels.get("__name__", "").removesuffix("_bucket") for one in found]
        return next(iter(difflib.get_close_matches(self.metric.name, names, 1, _ALIKE)), None)

    def _other_labels(self) -> Finding:
        """Say which label keeps the series away, and which values there are."""
        name, file = self.metric.name, self.asker.subject.file
        key = f"metrics.{self.objective.metric}.labels"
        for label, value in self.labels.items():
            if self._there({label: value}):
                continue
            found = self.asker.series(f"count by ({label}) ({name}{self._suffix})")
            values = sorted(one.labels[label] for one in found if label in one.labels)
            there = ", ".join(values[:_SHOWN_VALUES]) or "no series has that label"
            where = f"{key} or regions.{self.asker.here}.labels"
            return self.asker.bad(
                f'{name} has no series with {label}="{value}"; there is: {there}',
                f"{file}: {where}: fix or remove {label}",
            )
        return self.asker.bad(
            f"no series of {name} has all the labels of {promql.selector(name, self.labels)}",
            f"{file}: {key}: a set of labels that one series has",
        )

    def _enough(self, well: str) -> Finding:
        """Read what the gate would read, and compare its events with those that prove the target."""
        subject, name = self.asker.subject, self.metric.name
        seconds = Times.of(self.objective, subject.platform, self._scrape_seconds).look_back
        inspector = Inspector(subject.platform, self.asker.here, forget)
        own = own_paths(subject.settings)
        counting = Counting(inspector, self.objective, self.metric, self.labels, own)
        lease = subject.settings.traffic.lease
        events = begun = 0.0
        try:
            reading = counting.read(inspector.inspect(), seconds)
            events, begun = reading.events(seconds), reading.tally.begun()
        except UnfitError as exc:
            if exc.patience is not Patience.SAMPLES or lease is None:
                say = self.asker.warn if exc.patience is Patience.SAMPLES else self.asker.bad
                return say(f"{name}: {exc}", _AS_THE_GATE)
        needed = events_to_prove(0, self.objective.target.budget)
        enough, sentence = judge_samples(events, seconds, needed, lease)
        well = f"{name}: {well}; {sentence}"
        if not enough:
            return self.asker.warn(
                well,
                subject.key("traffic.lease", "a command that sends tagged reads"),
                f"or a longer look_back of {self.objective.check} in {subject.objectives}",
            )
        if begun:
            late = f"{begun:,.0f} counters of errors began with their first error, not at zero"
            return self.asker.warn(f"{well}; {late}", _FROM_ZERO)
        return self.asker.ok(well)


def bounds_remedy(name: str, objective: Objective, live: list[float], file: str) -> tuple[str, ...]:
    """Return what fixes a histogram whose bounds are not those of the policy in `file`."""
    policy = f"{file}: {objective.check}:"
    wanted = [one.over_seconds for one in (objective.target, objective.rollback) if one]
    lacking = [bound for bound in wanted if bound and bound not in live]
    declare = f"{policy} bucket_bounds: [{', '.join(f'{bound:g}' for bound in live)}]"
    target = objective.target.threshold_seconds
    can_interpolate = target is not None and bool(live) and live[0] < target < live[-1]
    if lacking:
        bounds = ", ".join(f"{one:g}" for one in lacking)
        remedy = f"give the platform's histogram {name} the bounds {bounds} (seconds)"
        if not can_interpolate or lacking != [objective.target.over_seconds]:
            return (remedy,)
        quantile = f"{{quantile: {1 - objective.target.budget:g}, target_seconds: {target:g}}}"
        return (remedy, f"or interpolate: {declare}, target: {quantile}")
    if objective.target.quantile is None or target is None:
        return (declare,)
    if target in live:
        # A bound at an interpolated target is better than two around it.
        counted = f"{{over_seconds: {target:g}, budget: {objective.target.budget * 100:g}%}}"
        return (f"{declare}, target: {counted}",)
    if can_interpolate:
        return (declare,)
    return (f"give the platform's histogram {name} the bound {target:g} (seconds)",)


def live_bounds(series: tuple[Series, ...]) -> list[float]:
    """Return the finite bounds of a live histogram in seconds, ascending."""
    bounds = sorted(float(one.labels.get("le", "nan")) for one in series)
    return [bound for bound in bounds if bound != float("inf")]


def judge_samples(
    events: float, seconds: float, needed: int, lease: Lease | None
) -> tuple[bool, str]:
    """Say whether a look-back of so many seconds holds enough events to prove a target."""
    seen = f"{events:,.0f} events in {seconds:.0f} s, {needed:,} good ones prove the target"
    if events >= needed:
        return True, seen
    if lease is None:
        return False, f"{seen}, and nothing adds traffic"
    offered = lease.requests_per_second * seconds
    return offered >= needed, f"{seen}; the lease adds about {offered:,.0f}"

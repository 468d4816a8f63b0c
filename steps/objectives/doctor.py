"""The doctor on Prometheus: is it there, on time, scraping the release, and does it have the metrics?"""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
from concurrent.futures import ThreadPoolExecutor

from gates.decide.samples import Patience
from gates.decide.sources import FRESH_SCRAPES
from gates.decide.statistics import events_to_prove
from probes import http, prometheus
from probes.api import MAX_ANSWER_BYTES
from probes.observation import Failure, FailureKind
from probes.prometheus import Instrument, Series
from settings.objectives import Lease, Metric, Objective, Prometheus
from settings.storage import FileSystems
from steps.kit.failures import failure_of
from steps.kit.findings import Finding, Keys, Level, Subject, unreachable
from steps.objectives import promql
from steps.objectives.counting import Counting, Times, own_paths
from steps.objectives.instrument import Inspector, UnfitError
from steps.objectives.rules import overlaps

_SYSTEM = "Prometheus"
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
    return [
        Finding(_SYSTEM, None, Level.BAD, one.sentence, (one.remedy,))
        for one in overlaps(subject.settings, subject.platform.regions)
    ]


class UnreadableError(Exception):
    """Prometheus gave no whole answer to a query."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.detail)
        self.failure = failure


@dataclasses.dataclass(frozen=True, slots=True)
class Asker:
    """One region's Prometheus; each question has a deadline of its own."""

    subject: Subject
    region: str

    def series(self, query: str) -> tuple[Series, ...]:
        """Return the series of an instant query, none where it is empty; raises UnreadableError."""
        target = self.subject.platform.prometheus(self.region)
        observed = prometheus.instant(target, query, deadline=self.subject.deadline())
        if observed.value is None:
            raise UnreadableError(failure_of(observed))
        if observed.value.warnings:
            detail = "Prometheus warns that its answers may be partial; mend what it federates."
            raise UnreadableError(Failure(FailureKind.UNUSABLE_ANSWER, detail))
        return observed.value.series

    def number(self, query: str) -> float | None:
        """Return the one finite number of a query, None otherwise; raises UnreadableError."""
        series = self.series(query)
        return series[0].value if len(series) == 1 and math.isfinite(series[0].value) else None


def examine_prometheus(subject: Subject, region: str, section: Prometheus) -> list[Finding]:
    """Look at a region's Prometheus, its scrapes, the metrics of every objective and of the disks."""
    observed = prometheus.instrument(
        subject.platform.prometheus(region), deadline=subject.deadline()
    )
    keys = Keys(f"regions.{region}.prometheus", "prometheus.ca_file", "prometheus.token")
    if observed.value is None:
        return [unreachable(subject, _SYSTEM, region, failure_of(observed), keys)]
    asker = Asker(subject, region)
    found = [_itself(subject, region, section, observed.value)]
    try:
        found.append(_scrapes(asker, section))
        found += [
            Metrics(asker, objective).examine() for objective in subject.platform.policy.objectives
        ]
        found += [
            examine_storage(asker, name, kind) for name, kind in subject.settings.storage.items()
        ]
    except UnreadableError as exc:
        found.append(unreachable(subject, _SYSTEM, region, exc.failure, keys))
    return found


def _itself(subject: Subject, region: str, section: Prometheus, seen: Instrument) -> Finding:
    skew = seen.clock_skew_seconds
    if abs(skew) > section.max_clock_skew + seen.clock_uncertainty_seconds:
        return _bad(
            region,
            f"its clock and this machine's differ by {skew:.1f} s",
            "set both clocks (chronyc tracking on both machines)",
            f"or, if that much is right: {subject.key('prometheus.max_clock_skew', '60s')}",
        )
    if not seen.config_reload_succeeded:
        mend = "promtool check config /etc/prometheus/prometheus.yml, mend it, reload"
        return _bad(region, "runs on an old configuration: its last reload failed", mend)
    if seen.corruption_count:
        mend = "restart it and look at its log: samples may be missing"
        return _bad(region, "reports a corrupted write-ahead log", mend)
    sentence = f"version {seen.version} is ready; clocks differ by {abs(skew):.2f} s"
    return Finding(_SYSTEM, region, Level.OK, sentence)


def _bad(region: str, sentence: str, *remedy: str) -> Finding:
    return Finding(_SYSTEM, region, Level.BAD, sentence, remedy)


def _scrapes(asker: Asker, section: Prometheus) -> Finding:
    subject, region = asker.subject, asker.region
    labels = subject.labels(region, {"job": section.job, **section.target_labels})
    up = promql.selector("up", labels)
    series = asker.series(up)
    if not series:
        return _no_target(asker, up)
    down = sum(1 for one in series if one.value != 1)
    if down:
        mend = f"see {up} == 0 and Status → Targets for each target's error"
        return _bad(region, f"{down} of {len(series)} targets of the API can't be scraped", mend)
    age = asker.number(f"max(time() - timestamp({up}))") or 0.0
    if age > _FRESH_SCRAPES * section.scrape_interval:
        interval = f"{section.scrape_interval:g}s"
        line = subject.key("prometheus.scrape_interval", f"that of the job (now {interval})")
        sentence = (
            f"the newest samples are {age:.0f} s old, and scrapes should come each {interval}"
        )
        return Finding(_SYSTEM, region, Level.BAD, sentence, (line,))
    instance = series[0].labels.get("instance", "")
    if _is_split(subject, instance):
        return _bad(
            region,
            f"several processes answer at {instance}, each with counters of its own: the gate would count "
            "those of one worker alone",
            "let workers share their counters (PROMETHEUS_MULTIPROC_DIR), or give each a port of its own",
            "or, if that address is a Service's: scrape its pods",
        )
    sentence = f"all {len(series)} targets of {up} are up; newest samples {age:.0f} s old"
    return Finding(_SYSTEM, region, Level.OK, sentence)


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


def _no_target(asker: Asker, up: str) -> Finding:
    subject, region = asker.subject, asker.region
    jobs = sorted({one.labels.get("job", "") for one in asker.series("count by (job) (up)")})
    remedy = [subject.key("prometheus.job", f"one of {', '.join(jobs) or 'the jobs it scrapes'}")]
    described = subject.settings.regions[region].labels
    if described:
        remedy.append(f"or mend regions.{region}.labels, prometheus.target_labels: {up} is empty")
    return _bad(region, f"scrapes nothing that matches {up}", *remedy)


def examine_storage(asker: Asker, name: str, kind: FileSystems) -> Finding:
    """Count the file systems of a kind in one region; raises UnreadableError."""
    query = promql.free_shares(kind, asker.subject.labels(asker.region, kind.labels))
    count = len(asker.series(query))
    if count < kind.at_least:
        words = f"metrics and labels of all; {query} has {count}"
        sentence = f"{count} file systems {name} are measured, wanted at least {kind.at_least}"
        fix = asker.subject.key(f"storage.{name}", words)
        return Finding("storage", asker.region, Level.BAD, sentence, (fix,))
    return Finding("storage", asker.region, Level.OK, f"{count} file systems {name} are measured")


@dataclasses.dataclass(frozen=True, slots=True)
class Metrics:
    """The series that an objective counts in one region; raises UnreadableError."""

    asker: Asker
    objective: Objective

    @property
    def _subject(self) -> Subject:
        return self.asker.subject

    @property
    def _key(self) -> str:
        return f"metrics.{self.objective.metric}"

    @property
    def _scrape_seconds(self) -> float:
        section = self._subject.settings.prometheus
        return section.scrape_interval if section else 0.0

    def examine(self) -> Finding:
        """Return the first thing wrong, or that all is well."""
        metric = self._subject.settings.metrics.get(self.objective.metric)
        if metric is None:
            return self._bad(
                f"{self.objective.check} needs a metric that the file does not describe",
                self._subject.key(self._key, "{name: …, labels: {job: …}}"),
            )
        labels = self._subject.labels(self.asker.region, metric.labels)
        waiting = self._release_is_to_come(metric, labels)
        if waiting is not None:
            return waiting
        if self.objective.kind == "latency":
            return self._histogram(metric, labels)
        return self._counter(metric, labels)

    def _release_is_to_come(self, metric: Metric, labels: dict[str, str]) -> Finding | None:
        """Return what is right before a deployment: series of other releases, and none of this one yet."""
        of_release = {name for name, value in metric.labels.items() if "{release}" in value}
        if not of_release & set(labels) or self._subject.settings.traffic.switched_at is not None:
            return None
        suffix = "_bucket" if self.objective.kind == "latency" else ""
        others = {name: value for name, value in labels.items() if name not in of_release}
        if self.asker.series(f"count({promql.selector(metric.name + suffix, labels)})"):
            return None
        if not self.asker.series(f"count({promql.selector(metric.name + suffix, others)})"):
            return None
        wanted = ", ".join(f'{name}="{labels[name]}"' for name in sorted(of_release))
        sentence = f"{metric.name} has no series with {wanted} yet, as before a deployment"
        remedy = f"if that release carries traffic already, mend {self._key}.labels"
        return self._finding(Level.WARN, sentence, (remedy,))

    def _histogram(self, metric: Metric, labels: dict[str, str]) -> Finding:
        series = self.asker.series(self._bounds_now(metric, labels))
        if not series:
            return self._absent(metric.name, "_bucket", labels)
        live = live_bounds(series)
        declared = list(self.objective.bucket_bounds)
        if live != declared:
            return self._other_bounds(metric.name, live)
        well = f"{len(live)} bounds as the policy declares{self._interpolated()}"
        return self._enough(metric, labels, well)

    def _interpolated(self) -> str:
        """Say what an interpolated target rests on; nothing for a counted one."""
        around, share = self.objective.bounds_around, self.objective.target.quantile
        if around is None or share is None:
            return ""
        lower, upper = around
        return f"; p{share * 100:g} interpolated, decided outside of {lower:g} to {upper:g} s only"

    def _bounds_now(self, metric: Metric, labels: dict[str, str]) -> str:
        """Return the query for the bounds of series that are there now and were scraped recently.

        "Now" leaves out the old ones of a histogram that changed a moment ago: advice to declare
        both would be wrong. "Recently" leaves out what vanished while Prometheus was away.
        """
        seconds = FRESH_SCRAPES * self._scrape_seconds
        recent = promql.bounds(metric.name, labels, seconds, *metric.match)
        buckets = promql.selector(f"{metric.name}_bucket", labels, *metric.match)
        now = f"count by (le) ({buckets})"
        return f"{recent} and {now}"

    def _counter(self, metric: Metric, labels: dict[str, str]) -> Finding:
        label = metric.status_label
        if label is None:
            line = self._subject.key(f"{self._key}.status_label", "the label with the HTTP status")
            return self._bad("the file names no status_label", line)
        selector = promql.selector(metric.name, labels, *metric.match)
        series = self.asker.series(f"count by ({label}) ({selector})")
        if not series:
            return self._absent(metric.name, "", labels)
        if all(label not in one.labels for one in series):
            line = self._subject.key(f"{self._key}.status_label", "the label with the HTTP status")
            return self._bad(f"{metric.name} has no label {label}", line)
        return self._enough(metric, labels, f"its label {label} is there")

    def _other_bounds(self, name: str, live: list[float]) -> Finding:
        shown = ", ".join(f"{bound:g}" for bound in live)
        remedy = bounds_remedy(name, self.objective, live, self._subject.objectives)
        return self._bad(f"{name} has other bounds than the policy declares: {shown}", *remedy)

    def _absent(self, name: str, suffix: str, labels: dict[str, str]) -> Finding:
        """Say why there are no series: renamed, under other labels, or not there at all."""
        meant = self._look_alike(name, suffix or "_total", labels)
        if meant is not None:
            line = self._subject.key(f"{self._key}.name", meant)
            return self._bad(f"there is no {promql.selector(name, labels)}; renamed {meant}?", line)
        if self.asker.series(f"count({name}{suffix})"):
            return self._other_labels(name, suffix, labels)
        mend = f"let the platform offer it (docs/platform-contract.md), or mend {self._key}.name"
        return self._bad(f"there is no metric {name}", mend)

    def _look_alike(self, name: str, suffix: str, labels: dict[str, str]) -> str | None:
        """Return the metric with a similar name among those with exactly these labels."""
        matcher = f'__name__=~".+{suffix}"'
        found = self.asker.series(f"count by (__name__) ({promql.selector('', labels, matcher)})")
        names = [one.labels.get("__name__", "").removesuffix("_bucket") for one in found]
        return next(iter(difflib.get_close_matches(name, names, n=1, cutoff=_ALIKE)), None)

    def _other_labels(self, name: str, suffix: str, labels: dict[str, str]) -> Finding:
        """Say which label keeps the series away, and which values there are."""
        for label, value in labels.items():
            if self.asker.series(f"count({promql.selector(name + suffix, {label: value})})"):
                continue
            found = self.asker.series(f"count by ({label}) ({name}{suffix})")
            values = sorted(one.labels[label] for one in found if label in one.labels)
            there = ", ".join(values[:_SHOWN_VALUES]) or "no series has that label"
            where = f"{self._key}.labels or regions.{self.asker.region}.labels"
            return self._bad(
                f'{name} has no series with {label}="{value}"; there is: {there}',
                f"{self._subject.file}: {where}: mend or remove {label}",
            )
        selector = promql.selector(name, labels)
        return self._bad(
            f"no series of {name} has all the labels of {selector}",
            f"{self._subject.file}: {self._key}.labels: a set of labels that one series has",
        )

    def _enough(self, metric: Metric, labels: dict[str, str], well: str) -> Finding:
        """Read what the gate would read, and compare its events with those that prove the target."""
        platform = self._subject.platform
        seconds = Times.of(self.objective, platform, self._scrape_seconds).look_back
        inspector = Inspector(platform, self.asker.region, lambda _: None)
        own = own_paths(self._subject.settings)
        counting = Counting(inspector, self.objective, metric, labels, own)
        lease = self._subject.settings.traffic.lease
        events = begun = 0.0
        try:
            reading = counting.read(inspector.inspect(), seconds)
            events, begun = reading.events(seconds), reading.tally.begun()
        except UnfitError as exc:
            if exc.patience is not Patience.SAMPLES or lease is None:
                level = Level.WARN if exc.patience is Patience.SAMPLES else Level.BAD
                return self._finding(level, f"{metric.name}: {exc}", (_AS_THE_GATE,))
        needed = events_to_prove(0, self.objective.target.budget)
        enough, sentence = judge_samples(events, seconds, needed, lease)
        well = f"{metric.name}: {well}; {sentence}"
        if not enough:
            remedy = (
                self._subject.key("traffic.lease", "a command that sends tagged reads"),
                f"or a longer look_back of {self.objective.check} in {self._subject.objectives}",
            )
            return self._finding(Level.WARN, well, remedy)
        if begun:
            well = (
                f"{well}; {begun:,.0f} counters of errors began with their first error, not at zero"
            )
            return self._finding(Level.WARN, well, (_FROM_ZERO,))
        return self._finding(Level.OK, well, ())

    def _bad(self, sentence: str, *remedy: str) -> Finding:
        return self._finding(Level.BAD, sentence, remedy)

    def _finding(self, level: Level, sentence: str, remedy: tuple[str, ...]) -> Finding:
        return Finding(
            f"metrics {self.objective.check}", self.asker.region, level, sentence, remedy
        )


def bounds_remedy(name: str, objective: Objective, live: list[float], file: str) -> tuple[str, ...]:
    """Return what mends a histogram whose bounds are not those of the policy in `file`."""
    policy = f"{file}: {objective.check}:"
    limits = [objective.target, objective.rollback]
    lacking = [
        limit.over_seconds
        for limit in limits
        if limit and limit.over_seconds and limit.over_seconds not in live
    ]
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
    if objective.target.quantile is None:
        return (declare,)
    return _interpolated_remedy(name, objective, live, declare)


def _interpolated_remedy(
    name: str, objective: Objective, live: list[float], declare: str
) -> tuple[str, ...]:
    """Return what mends it for an interpolated target: a bound at it is better than two around it."""
    target = objective.target.target_seconds or 0.0
    if target in live:
        counted = f"{{over_seconds: {target:g}, budget: {objective.target.budget * 100:g}%}}"
        return (f"{declare}, target: {counted}",)
    if live and live[0] < target < live[-1]:
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

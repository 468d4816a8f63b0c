"""Counts an objective's events through a Prometheus that was found fit: what is read, and how."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from gates.decide.counting import sources, tally
from gates.decide.counting.objective import Bucket, Evidence, Over
from gates.decide.counting.samples import NotCountableError, Patience, Samples, Span
from gates.decide.counting.statistics import Counts
from settings.environment import Environment
from settings.objectives import Limit, Metric, Objective
from steps.kit.expect import need
from steps.kit.platform import Platform
from steps.objectives import promql
from steps.objectives.instrument import Fit, Inspector, Keep, unfit

LOOK_BACK_FLOOR_SECONDS = 20.0
FLOOR_SCRAPES = 5
STEPS_OF_FOR = 5
STEP_SCRAPES = 4
"""A rate needs two samples; over fewer than four scrapes it is mostly luck."""
_NO_TRAFFIC = frozenset(
    {"/metrics", "/healthz", "/livez", "/readyz", "/-/healthy", "/-/ready", "/actuator/prometheus"}
    | {f"/actuator/health{part}" for part in ("", "/liveness", "/readiness")}
)
"""Where Prometheus, kubelets and load balancers ask, by the usual names; no user does."""
LEAD_SCRAPES = 4
"""So many scrapes before the range are read too: what was there before does not begin in it."""
SETTLE_SCRAPES, SETTLE_SECONDS = 5, 12.0
"""By then a Prometheus that was just started has found its targets, which takes it twice five seconds."""
EARLIER_SECONDS = 3600.0
"""A counter that was there so long ago does not begin now, it has come back."""
MOST_SAMPLES = 300_000
"""In one answer: about eight megabytes."""


@dataclasses.dataclass(frozen=True, slots=True)
class Times:
    """An objective's times in the environment's scale, in seconds."""

    look_back: float
    wait: float
    blip: float
    """So long an instrument may be unfit before that is the answer; as for a service of the platform."""
    sustained: float
    step: float
    step_range: float

    @classmethod
    def of(cls, objective: Objective, platform: Platform, scrape_seconds: float) -> Times:
        """Scale a policy's times, keeping the floors that scrapes impose."""
        shortest = FLOOR_SCRAPES * scrape_seconds
        look_back = platform.scaled(objective.look_back, LOOK_BACK_FLOOR_SECONDS)
        policy_for = objective.rollback.sustained if objective.rollback else 0.0
        sustained = platform.scaled(policy_for, shortest)
        step = sustained / STEPS_OF_FOR
        return cls(
            look_back=max(look_back, shortest),
            wait=max(platform.scaled(objective.wait_for_samples, 0.0), look_back + shortest),
            blip=max(platform.confirm_seconds, shortest),
            sustained=sustained,
            step=step,
            step_range=max(step, STEP_SCRAPES * scrape_seconds),
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """What was read of one objective's metric: every count is made from it."""

    tally: tally.Tally
    query: str
    at: dt.datetime

    def counts(self, limit: Limit, seconds: float, until: dt.datetime | None = None) -> Counts:
        """Return the events of so many seconds until then, and those beyond a limit."""
        over = None if limit.over_seconds is None else tally.bound_column(limit.over_seconds)
        return self.over(over, seconds, until)

    def events(self, seconds: float) -> float:
        """Return how many events there were in so many seconds."""
        return self.over(tally.ALL, seconds).total

    def over(self, column: str | None, seconds: float, until: dt.datetime | None = None) -> Counts:
        """Return the events of so many seconds, and those that are not in a column of good ones."""
        end = (until or self.at).timestamp()
        try:
            return self.tally.counts(column, end - seconds, end)
        except NotCountableError as exc:
            raise unfit(str(exc), exc.patience) from exc


@dataclasses.dataclass(frozen=True, slots=True)
class Counting:
    """One objective's metric in one region; everything raises UnfitError for what can't be believed."""

    inspector: Inspector
    objective: Objective
    metric: Metric
    labels: Mapping[str, str]
    own_paths: frozenset[str]
    """Where scrapes and health checks go: they are no traffic."""

    @classmethod
    def of_objective(
        cls, platform: Platform, region: str, objective: Objective, keep: Keep
    ) -> Counting:
        """Return what counts an objective's events of the release that has to serve.

        Raises NotDescribedError for a metric that the environment lacks.
        """
        settings = platform.environment.settings
        metric = need(settings.metrics.get(objective.metric), f"metrics.{objective.metric}")
        labels, inspector = (
            platform.labels(region, metric.labels),
            Inspector(platform, region, keep),
        )
        return cls(inspector, objective, metric, labels, own_paths(settings))

    def read(self, fit: Fit, seconds: float) -> Reading:
        """Read the samples of the last seconds and count what the metric's series grew by."""
        scrape = self.inspector.scrape_seconds
        end = fit.server_time.timestamp()
        known_since = fit.started_at.timestamp() + max(SETTLE_SECONDS, SETTLE_SCRAPES * scrape)
        span = Span(end - seconds, end, scrape, known_since)
        reach = seconds + LEAD_SCRAPES * scrape
        query = promql.samples(self._selector(), reach)
        try:
            return Reading(self._tally(query, fit.server_time, span, reach), query, fit.server_time)
        except NotCountableError as exc:
            patience = exc.patience
            if patience is Patience.SCRAPES and end < known_since:
                # Prometheus was just started: it takes longer than a blip to find all its targets.
                patience = Patience.SAMPLES
            raise unfit(str(exc), patience) from exc

    def _tally(self, query: str, at: dt.datetime, span: Span, reach: float) -> tally.Tally:
        name, own_job = self.metric.name, self.inspector.job
        jobs = {own_job, self.labels.get("job", own_job)}
        targets = self.inspector.targets(jobs, at, reach)
        serving = sources.serving(targets, self.inspector.target_labels, span)
        self._check_metric(at, reach)
        read = self.inspector.samples(query, at, "the metric's samples")
        # What ended before the range is counted no more, and nobody's twin.
        series = [one for one in read if one.times[-1] > span.begin]
        others = {one.labels.get("job", "") for one in series} - jobs
        if others:
            targets += self.inspector.targets(others, at, reach)
        found = sources.sources_of(name, series, targets)
        if any(source.target.labels.get("job") == own_job for source in found):
            wanted = [target for target in serving if target.may_bear(self.labels)]
            release = {**self.inspector.target_labels, **self.labels}
            sources.check_all_bring(name, found, [*wanted, *sources.gone(targets, release, span)])
        else:
            sources.check_every_pod(name, found, serving)
        sources.check_no_twins(name, found)
        if self.objective.kind == "latency":
            tally.check_histograms(name, found, self._bounds())
        earlier = self._earlier(series, span, reach)
        counted = tally.tally(name, found, span, self._columns(), earlier)
        self._check(counted, series)
        return counted

    def _check(self, counted: tally.Tally, series: Iterable[Samples]) -> None:
        if self.objective.kind == "latency":
            tally.check_whole(self.metric.name, counted)
        else:
            counted.check_readable(self.metric.status_label or "")
        counted.check_newest()
        if not tally.tells_routes(series):
            counted.check_not_own()

    def _earlier(self, series: Sequence[Samples], span: Span, reach: float) -> tally.Earlier:
        """Return the values of an hour ago, asked only where a series begins in the range."""
        if all(one.times[0] <= span.begin for one in series):
            return {}
        query = promql.before(self._selector(), EARLIER_SECONDS, reach)
        at = dt.datetime.fromtimestamp(span.end, dt.UTC)
        vector = self.inspector.vector(query, at, "the counters of an hour ago")
        return {Samples(one.labels, (), ()).without("__name__"): one.value for one in vector.series}

    def _columns(self) -> tally.Columns:
        if self.objective.kind == "latency":
            return tally.latency_columns(self.own_paths)
        label, bad_status = self.metric.status_label, self.objective.bad_status
        if label is None or bad_status is None:
            raise unfit(
                f"the environment names no status_label for metrics.{self.objective.metric}",
                Patience.NONE,
            )
        return tally.error_columns(label, bad_status, self.own_paths)

    def _selector(self) -> str:
        metric = self.metric
        if self.objective.kind == "latency":
            return promql.histogram(metric.name, self.labels, self._bounds(), *metric.match)
        return promql.selector(metric.name, self.labels, *metric.match)

    def _bounds(self) -> list[float]:
        """Return the bounds that are counted: the limits', or both around an interpolated target."""
        objective = self.objective
        limits = [objective.target.over_seconds, *(objective.bounds_around or ())]
        if objective.rollback is not None:
            limits.append(objective.rollback.over_seconds)
        return sorted({bound for bound in limits if bound is not None})

    def _check_metric(self, at: dt.datetime, reach_seconds: float) -> None:
        """See that the metric is there, is not too much to read, and has the bounds that policy declares."""
        scrape = self.inspector.scrape_seconds
        query = promql.series_count(self._selector(), sources.FRESH_SCRAPES * scrape)
        count = self.inspector.value(query, at, "the metric's series") or 0
        if not count:
            raise self._absent(at)
        samples = count * reach_seconds / scrape
        if samples > MOST_SAMPLES:
            raise NotCountableError(
                f"{self.metric.name} has {count:,.0f} series, {samples:,.0f} samples in "
                f"{reach_seconds:.0f} s, and at most {MOST_SAMPLES:,} are read: select fewer by "
                f"metrics.{self.objective.metric}.match, or drop labels that the gate does not need",
                Patience.NONE,
            )
        if self.objective.kind == "latency":
            self._check_bounds(at)

    def _absent(self, at: dt.datetime) -> NotCountableError:
        name = self.metric.name
        plain = promql.selector(name, self.labels, *self.metric.match)
        if self.objective.kind == "latency" and self.inspector.value(
            f"count({plain})", at, "the native histogram's series"
        ):
            return NotCountableError(
                f"{name} is a native histogram (or one with custom buckets), and the gate counts classic "
                "ones: let Prometheus keep both (always_scrape_classic_histograms: true, "
                "convert_classic_histograms_to_nhcb: false)",
                Patience.NONE,
            )
        return NotCountableError(f"there is no metric {name}; was it renamed?")

    def _check_bounds(self, at: dt.datetime) -> None:
        recent = sources.FRESH_SCRAPES * self.inspector.scrape_seconds
        query = promql.bounds(self.metric.name, self.labels, recent, *self.metric.match)
        found = self.inspector.vector(query, at, "the histogram's bounds")
        live = {float(one.labels.get("le", "nan")) for one in found.series} - {tally.INFINITE}
        if live != set(self.objective.bucket_bounds):
            raise NotCountableError(
                f"{self.metric.name} has other bucket bounds than the policy declares; "
                "fix bucket_bounds",
                Patience.NONE,
            )

    def bucket(
        self, reading: Reading, bounds: tuple[float, float], seconds: float
    ) -> tuple[Bucket, Evidence]:
        """Count the events over both bounds around a target that is none, and ask for the quantile."""
        lower, upper = (
            Over(bound, reading.over(tally.bound_column(bound), seconds)) for bound in bounds
        )
        evidence = self.evidence(reading, seconds)
        return Bucket(lower, upper, next(iter(evidence.shown.values()), None)), evidence

    def evidence(self, reading: Reading, seconds: float) -> Evidence:
        """Return what a judgement keeps of a reading, and the quantile that people are shown."""
        queries = {"counted": reading.query}
        shown: dict[str, float | None] = {}
        share = self.objective.quantile_to_show
        if share is not None:
            query = promql.quantile(
                self.metric.name, self.labels, share, seconds, *self.metric.match
            )
            queries["quantile"] = query
            series = self.inspector.vector(query, reading.at, "the quantile").series
            known = len(series) == 1 and series[0].finite
            shown[f"p{share * 100:g}_seconds"] = series[0].value if known else None
        at = reading.at.isoformat(timespec="milliseconds")
        return Evidence(seconds, queries, at, shown)


def own_paths(settings: Environment) -> frozenset[str]:
    """Return where scrapes and health checks go: what they ask for is not traffic."""
    described = (
        f"{prefix}{endpoint.path}"
        for name, service in settings.services.items()
        for endpoint in service.health.values()
        for prefix in {
            "",
            *(urlsplit(one.services[name]).path for one in settings.regions.values()),
        }
    )
    return frozenset({*_NO_TRAFFIC, *described})

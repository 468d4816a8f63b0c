"""Counts an objective's events through a Prometheus that was found fit: what, and by which queries."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping

from checks import promql
from checks.instrument import Inspector, unfit
from environments.settings import Metric
from gates.decide.events import Counts
from gates.decide.limit import Limit
from gates.decide.objective import Evidence
from gates.decide.policy import Objective
from gates.decide.quantile import Bucket, Over


@dataclasses.dataclass(frozen=True, slots=True)
class Counting:
    """One objective's metric in one region; everything raises UnfitError for what can't be believed."""

    inspector: Inspector
    objective: Objective
    metric: Metric
    labels: Mapping[str, str]

    def check_metric(self, at: dt.datetime, recent_seconds: float) -> None:
        """See that the metric was scraped lately, a histogram with the bounds that policy declares."""
        latency = self.objective.kind == "latency"
        series = promql.bounds if latency else promql.series_count
        query = series(self.metric.name, self.labels, recent_seconds)
        found = self.inspector.vector(query, at, "the metric's series")
        if not found.series:
            raise unfit(f"there is no metric {self.metric.name}; was it renamed?")
        if not latency:
            return
        live = sorted(float(series.labels.get("le", "nan")) for series in found.series)
        if live != [*self.objective.bucket_bounds, float("inf")]:
            raise unfit(
                f"{self.metric.name} has other bucket bounds than gates/policy declares; "
                "mend bucket_bounds"
            )

    def count(self, limit: Limit, at: dt.datetime, seconds: float) -> tuple[Counts, Evidence]:
        """Count the events of the last `seconds` and those beyond a limit."""
        queries = self.queries(limit, seconds)
        counts = self._counts(queries, at)
        return counts, self._evidence(seconds, dataclasses.asdict(queries), at)

    def bucket(
        self, bounds: tuple[float, float], at: dt.datetime, seconds: float
    ) -> tuple[Bucket, Evidence]:
        """Count the events over both bounds around a target that is none, and ask for the quantile."""
        asked = {
            bound: promql.latency(self.metric.name, self.labels, bound, seconds) for bound in bounds
        }
        lower, upper = (Over(bound, self._counts(asked[bound], at)) for bound in bounds)
        queries = {f"over {bound * 1000:g} ms": asked[bound].bad for bound in bounds}
        share = self.objective.quantile_to_show or 0.0
        quantile = promql.quantile(self.metric.name, self.labels, share, seconds)
        queries |= {"all": asked[bounds[0]].total, "quantile": quantile}
        evidence = self._evidence(seconds, queries, at)
        return Bucket(lower, upper, next(iter(evidence.shown.values()), None)), evidence

    def queries(self, limit: Limit, seconds: float) -> promql.CountQueries:
        """Return the queries that count the events of a range and those beyond a limit."""
        metric = self.metric
        if limit.over_seconds is not None:
            return promql.latency(metric.name, self.labels, limit.over_seconds, seconds)
        if metric.status_label is None or self.objective.bad_status is None:
            raise unfit(f"the environment names no status_label for {self.objective.metric}")
        bad_status = self.objective.bad_status
        return promql.errors(metric.name, self.labels, metric.status_label, bad_status, seconds)

    def _counts(self, queries: promql.CountQueries, at: dt.datetime) -> Counts:
        # Empty means too few scrapes for a rate: no events yet, and no events prove nothing.
        total = self.inspector.value(queries.total, at, "the count of events") or 0.0
        bad = self.inspector.value(queries.bad, at, "the count of bad events")
        if bad is None and total > 0:
            raise unfit(f"{self.metric.name} has events, but its bad ones can't be counted")
        # A histogram scraped half-way counts a hair more good events than events.
        return Counts(max(0.0, bad or 0.0), total)

    def _evidence(self, seconds: float, queries: dict[str, str], at: dt.datetime) -> Evidence:
        return Evidence(
            look_back_seconds=seconds,
            queries=queries,
            evaluated_at=at.isoformat(timespec="milliseconds"),
            shown=self._shown(at, seconds),
        )

    def _shown(self, at: dt.datetime, seconds: float) -> dict[str, float | None]:
        share = self.objective.quantile_to_show
        if share is None:
            return {}
        query = promql.quantile(self.metric.name, self.labels, share, seconds)
        vector = self.inspector.vector(query, at, "the quantile")
        value = vector.series[0].value if len(vector.series) == 1 else None
        finite = value is not None and vector.series[0].finite
        return {f"p{share * 100:g}_seconds": value if finite else None}

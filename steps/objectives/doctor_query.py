"""Asks one Prometheus several questions; the first that it can't answer ends them."""

from __future__ import annotations

import dataclasses
import math

from probes import prometheus
from probes.observation import Failure, FailureKind
from probes.prometheus import PrometheusTarget, Series
from steps.kit.failures import failure_of
from steps.kit.findings import Subject


class UnreadableError(Exception):
    """Prometheus gave no whole answer to a query."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.detail)
        self.failure = failure


@dataclasses.dataclass(frozen=True, slots=True)
class Asker:
    """One Prometheus and the deadline of each question."""

    subject: Subject
    target: PrometheusTarget

    def series(self, query: str) -> tuple[Series, ...]:
        """Return the series of an instant query, none where it is empty; raises UnreadableError."""
        observed = prometheus.instant(self.target, query, deadline=self.subject.deadline())
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

"""The queries of an objective, as text: what is asked is shown in the verdict and can be asked again."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True, slots=True)
class CountQueries:
    """Bad events and all events over a range."""

    bad: str
    total: str


def selector(name: str, labels: Mapping[str, str], *more: str) -> str:
    """Return `name{label="value",…}` with values quoted as PromQL wants them."""
    matchers = [f'{label}="{_quoted(value)}"' for label, value in sorted(labels.items())]
    return f"{name}{{{','.join([*matchers, *more])}}}"


def latency(
    name: str, labels: Mapping[str, str], over_seconds: float, seconds: float
) -> CountQueries:
    """Count the events of a classic histogram that were slower than one of its bounds.

    `increase` before `sum`, so that the restart of one instance is seen as the counter reset it is.
    """
    over = _range(seconds)
    total = f"sum(increase({selector(name + '_count', labels)}{over}))"
    matcher = f'le=~"{_bound(over_seconds)}"'
    good = f"sum(increase({selector(name + '_bucket', labels, matcher)}{over}))"
    return CountQueries(bad=f"{total} - {good}", total=total)


def errors(
    name: str, labels: Mapping[str, str], status_label: str, bad_status: str, seconds: float
) -> CountQueries:
    """Count the events with a bad status.

    No bad series yet means none happened, but only where the events themselves are counted: a
    missing metric stays empty, and empty is never zero.
    """
    over = _range(seconds)
    total = f"sum(increase({selector(name, labels)}{over}))"
    matcher = f'{status_label}=~"{_quoted(bad_status)}"'
    bad = f"sum(increase({selector(name, labels, matcher)}{over}))"
    return CountQueries(bad=f"({bad} or 0 * {total})", total=total)


def bounds(name: str, labels: Mapping[str, str], seconds: float) -> str:
    """Return the query for the bounds of a histogram as it was scraped in the last seconds.

    A plain selector reaches back five minutes: after a restart of Prometheus it still shows series
    that vanished meanwhile.
    """
    present = f"present_over_time({selector(name + '_bucket', labels)}{_range(seconds)})"
    return f"count by (le) ({present})"


def series_count(name: str, labels: Mapping[str, str], seconds: float) -> str:
    """Return the query for whether a metric was scraped at all in the last seconds."""
    return f"count(present_over_time({selector(name, labels)}{_range(seconds)}))"


def quantile(name: str, labels: Mapping[str, str], share: float, seconds: float) -> str:
    """Return the query for an interpolated quantile: never decides without the counts around it."""
    rate = f"rate({selector(name + '_bucket', labels)}{_range(seconds)})"
    return f"histogram_quantile({share:g}, sum by (le) ({rate}))"


def _range(seconds: float) -> str:
    return f"[{max(1, round(seconds * 1000))}ms]"


def _bound(seconds: float) -> str:
    """Match `0.5`, and `1` as well as `1.0`: Prometheus 3 writes whole bounds with a fraction."""
    text = repr(float(seconds))
    whole = text.removesuffix(".0")
    return _quoted(re.escape(whole)) + ("" if whole == text else "(\\\\.0+)?")


def _quoted(value: str) -> str:
    return re.sub(r'([\\"])', r"\\\1", value).replace("\n", "\\n")

"""The queries of an objective, as text: what is asked is shown in the verdict and can be asked again."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from settings.monitoring import FileSystems

RELEASE = "{release}"
"""In a label of the environment: the number of the version that has to serve."""


def of_any_release(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the labels but for those that tell the release."""
    return {name: value for name, value in labels.items() if RELEASE not in value}


def selector(name: str, labels: Mapping[str, str], *more: str) -> str:
    """Return `name{label="value",…}` with values quoted as PromQL wants them."""
    matchers = [f'{label}="{quoted(value)}"' for label, value in sorted(labels.items())]
    return f"{name}{{{','.join([*matchers, *more])}}}"


def histogram(
    name: str, labels: Mapping[str, str], bounds_seconds: Sequence[float], *match: str
) -> str:
    """Return the selector of what counts of a classic histogram: these bounds, +Inf and the count.

    One selector for all of it, so that all of it is read from the same scrapes.
    """
    known = "|".join(bound(one) for one in bounds_seconds)
    both = f'__name__=~"{name}_(bucket|count)"'
    # The empty alternative is the count: it has no `le`.
    return selector("", labels, both, f'le=~"{known}|\\\\+Inf|"', *match)


def targets(jobs: Sequence[str], labels: Mapping[str, str]) -> str:
    """Return the selector of what Prometheus notes of these jobs' scrapes, and of their processes."""
    names = "|".join(quoted(re.escape(job)) for job in jobs)
    both = '__name__=~"up|process_start_time_seconds"'
    return selector("", labels, both, f'job=~"{names}"')


def samples(of: str, seconds: float) -> str:
    """Return the query for the samples of a selector in the last seconds."""
    return f"{of}{_range(seconds)}"


def before(of: str, seconds: float, ago_seconds: float) -> str:
    """Return the query for the last value of each series in the seconds before so long ago."""
    return f"last_over_time({samples(of, seconds)} offset {_milliseconds(ago_seconds)})"


def bounds(name: str, labels: Mapping[str, str], seconds: float, *match: str) -> str:
    """Return the query for the bounds of a histogram as it was scraped in the last seconds.

    A plain selector reaches back five minutes: after a restart of Prometheus it still shows series
    that vanished meanwhile.
    """
    present = f"present_over_time({selector(name + '_bucket', labels, *match)}{_range(seconds)})"
    return f"count by (le) ({present})"


def series_count(of: str, seconds: float) -> str:
    """Return the query for how many series of a selector were scraped in the last seconds."""
    return f"count(present_over_time({samples(of, seconds)}))"


def quantile(
    name: str, labels: Mapping[str, str], share: float, seconds: float, *match: str
) -> str:
    """Return the query for an interpolated quantile: never decides without the counts around it."""
    rate = f"rate({selector(name + '_bucket', labels, *match)}{_range(seconds)})"
    return f"histogram_quantile({share:g}, sum by (le) ({rate}))"


def free_shares(kind: FileSystems, labels: Mapping[str, str]) -> str:
    """Return the query for what is free of each file system, as a share."""
    return f"{selector(kind.available, labels)} / {selector(kind.size, labels)}"


def _range(seconds: float) -> str:
    return f"[{_milliseconds(seconds)}]"


def _milliseconds(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}ms"


def bound(seconds: float) -> str:
    """Match `0.5`, and `1` as well as `1.0`: Prometheus 3 writes whole bounds with a fraction."""
    text = repr(float(seconds))
    whole = text.removesuffix(".0")
    return quoted(re.escape(whole)) + ("" if whole == text else "(\\\\.0+)?")


def quoted(value: str) -> str:
    """Return a text as it stands between the quotes of a matcher."""
    return re.sub(r'([\\"])', r"\\\1", value).replace("\n", "\\n")

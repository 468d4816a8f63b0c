"""Shows Locust what the engine counted: its page, its console and its files stay as users know them."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import Any

from locust.env import Environment
from locust.stats import RequestStats, StatsEntry, StatsError

from load._engine._histogram import Histogram
from load._engine._tally import Endpoint, Tally
from load._run import Place

_RECENT_SECONDS = 10
"""Workers of a master tell what their users sent every three seconds."""


def add(stats: RequestStats, counted: Mapping[Place, Tally]) -> None:
    """Add what engines counted since the last call to Locust's own figures."""
    for tally in counted.values():
        for name, endpoint in tally.endpoints.items():
            method, _, path = name.partition(" ")
            entry = _entry(stats, path, method, endpoint)
            stats.get(path, method).extend(entry)
            stats.total.extend(entry)
            _add_errors(stats, path, method, endpoint)


def others_failed(environment: Environment, ours: Collection[str]) -> bool:
    """Return whether a request failed that is none of the engine's kinds, or a user raised something."""
    errors = environment.stats.errors.values()
    raised = environment.runner is not None and environment.runner.exceptions
    return bool(raised) or any(f"{one.method} {one.name}" not in ours for one in errors)


def others_rps(environment: Environment, ours: Collection[str]) -> int:
    """Return the most requests a second, in the last ten seconds, of users that are not the engine's."""
    now = int(time.time())
    others = [
        entry.num_reqs_per_sec
        for (name, method), entry in environment.stats.entries.items()
        if f"{method} {name}" not in ours
    ]
    return max(sum(one.get(now - ago, 0) for one in others) for ago in range(_RECENT_SECONDS))


def _entry(stats: RequestStats, path: str, method: str, endpoint: Endpoint) -> StatsEntry:
    now = time.time()
    # Its types know whole milliseconds alone; its sums and its reports take any number.
    entry: Any = StatsEntry(stats, path, method)
    histogram = endpoint.response
    entry.num_requests = histogram.count
    entry.num_failures = sum(endpoint.troubles.values())
    entry.total_response_time = histogram.sum_seconds * 1000
    entry.response_times = dict(_milliseconds(histogram))
    entry.min_response_time = min(entry.response_times, default=0.0)
    entry.max_response_time = histogram.longest_seconds * 1000
    entry.total_content_length = endpoint.size_bytes
    entry.num_reqs_per_sec = {int(now): entry.num_requests}
    if entry.num_failures:
        entry.num_fail_per_sec = {int(now): entry.num_failures}
    entry.start_time = entry.last_request_timestamp = now
    filled: StatsEntry = entry
    return filled


def _milliseconds(histogram: Histogram) -> list[tuple[float, int]]:
    # Nothing is rounded to whole milliseconds, as Locust does: the buckets are few enough.
    return [(round(seconds * 1000, 3), count) for seconds, count in histogram.middles()]


def _add_errors(stats: RequestStats, path: str, method: str, endpoint: Endpoint) -> None:
    for trouble, count in endpoint.troubles.items():
        key = StatsError.create_key(method, path, trouble)
        known = stats.errors.get(key)
        if known is None:
            known = stats.errors[key] = StatsError(method, path, trouble)
        now = time.time()
        known.occurrences += count
        known.first_seen, known.last_seen = known.first_seen or now, now

"""The doctor on the first hour's figures and events: are they described, and does Prometheus hold them?"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

from settings.monitoring import Stability
from settings.objectives import Prometheus
from steps.kit.findings import Finding, Subject, examination
from steps.objectives import promql
from steps.objectives.doctor import Asker
from steps.stability.reading import Ranges, filled


@examination
def examine_stability(subject: Subject, region: str, section: Stability) -> Iterator[Finding]:
    """Ask for every figure and counter that the policy names, in one region."""
    asker = dataclasses.replace(Asker.of(subject, region), name="stability")
    policy = subject.platform.policy.stability
    for figure in sorted({one.figure for one in policy.figures}):
        yield _figure(asker, section, figure)
    for events in sorted({one.events for one in policy.events}):
        yield _events(asker, section, events)


def _figure(asker: Asker, section: Stability, name: str) -> Finding:
    key, described = f"stability.figures.{name}", section.figures.get(name)
    if described is None:
        return _undescribed(asker, key, "{query: …}")
    # The section needs prometheus.
    scrape_seconds = asker.subject.platform.section(Prometheus).scrape_interval
    ranges = Ranges.of(asker.subject.platform, scrape_seconds)
    query = filled(described, asker.subject.labels(asker.here, {}), ranges.range)
    found = asker.series(query)
    if len(found) < described.at_least:
        words = f"{name} has {len(found)} series, wanted at least {described.at_least}"
        return asker.bad(words, asker.subject.key(key, f"a query that has them; now {query}"))
    if not all(math.isfinite(one.value) for one in found):
        words = f"{name} is not a number now; where nothing happens there is nothing to divide by"
        return asker.warn(words, asker.subject.key(key, f"a query with values; now {query}"))
    return asker.ok(f"{name} has {len(found)} series")


def _events(asker: Asker, section: Stability, name: str) -> Finding:
    key, described = f"stability.events.{name}", section.events.get(name)
    if described is None:
        return _undescribed(asker, key, "{name: …, labels: {…}}")
    # Before a deployment there is only the release before.
    labels = asker.subject.labels(asker.here, promql.of_any_release(described.labels))
    selector = promql.selector(described.name, labels, *described.match)
    if not asker.series(f"count({selector})"):
        fix = asker.subject.key(key, "the counter's name and labels")
        return asker.bad(f"{name}: there is no {selector}", fix)
    return asker.ok(f"{name} are counted")


def _undescribed(asker: Asker, key: str, value: str) -> Finding:
    words = f"the policy names {key.rpartition('.')[2]}, which the file does not describe"
    return asker.bad(words, asker.subject.key(key, value))

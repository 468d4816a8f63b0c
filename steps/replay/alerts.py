"""The policy's objectives and triggers as Prometheus' own rules: on-call and gate ask the same. Pure.

Where the gate is stricter than a rule can be, the rule's annotation names it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

from gates.decide.counting.statistics import events_to_prove
from gates.decide.judgement import percent
from settings.objectives import Limit, Metric, Objective, Prometheus
from settings.rollback import Trigger
from steps.kit.expect import need
from steps.kit.platform import CONFIRM_FLOOR_SECONDS, Platform
from steps.objectives import promql
from steps.objectives.counting import Times
from steps.watch.watching import SHORTEST_EVERY_SECONDS

_HAIR_SECONDS = 0.001
_FIRES = (
    "The gate also counts what a series shows first when it begins in the range, fires only once the events "
    "disprove the limit with 95 % confidence (those that come together count as one), and is undecided, "
    "never healthy, where scrapes are missing or targets lack the metric."
)
_HOLDS = (
    "The gate holds too where neither is proved with 95 % confidence (events that come together count as "
    "one): it takes {events:,} events without a bad one to prove it, over the whole look-back."
)
_AWAY = (
    "The gate asks each service itself, over HTTP ({services}), and counts an outage while something else "
    "answers; Prometheus knows of {job}'s scrapes alone."
)


def document(platform: Platform) -> dict[str, Any]:
    """Return the rule file of an environment: one group for each region."""
    every = platform.scaled(platform.policy.triggers.every, SHORTEST_EVERY_SECONDS)
    return {
        "groups": [
            {
                "name": f"gate-{platform.environment.settings.name}-{region}",
                "interval": duration(every),
                "rules": list(_rules(platform, region)),
            }
            for region in platform.regions
        ]
    }


def remarks(platform: Platform) -> Iterator[str]:
    """Yield what these rules do not watch, and the gate does."""
    for trigger in platform.policy.triggers.watched:
        if trigger.objective is None and trigger.unavailable_for is None:
            yield f"{trigger.check} ({trigger.title}) is asked by the gate alone: no metric tells it"
    for objective in platform.policy.objectives:
        if objective.metric not in platform.environment.settings.metrics:
            lacking = f"metrics.{objective.metric}"
            yield f"{objective.check} ({objective.title}) has no rule: {lacking} is not described"
    if len({one.prometheus for one in platform.environment.settings.regions.values()}) > 1:
        yield "each region has a Prometheus of its own: load its group there and no other (--region)"


def duration(seconds: float) -> str:
    """Return a time as Prometheus writes it, which takes no fraction."""
    for unit, length in (("h", 3600.0), ("m", 60.0), ("s", 1.0)):
        if seconds % length == 0:
            return f"{seconds / length:.0f}{unit}"
    return f"{seconds * 1000:.0f}ms"


@dataclasses.dataclass(frozen=True, slots=True)
class Share:
    """An objective's share of bad events, as a region's Prometheus is asked for it."""

    objective: Objective
    limit: Limit
    metric: Metric
    labels: Mapping[str, str]
    match: Sequence[str]
    """More matchers."""
    by: Sequence[str]
    """Labels whose values are counted apart."""
    times: Times
    scrape_seconds: float

    @classmethod
    def ask(
        cls, platform: Platform, region: str, objective: Objective, limit: Limit, *, apart: bool
    ) -> Self:
        """Return it for each release apart, or for the platform's alone; raises NotDescribedError."""
        described = platform.environment.settings.metrics
        metric = need(described.get(objective.metric), f"metrics.{objective.metric}")
        own = promql.of_any_release(metric.labels) if apart else metric.labels
        named = sorted(metric.labels.keys() - own.keys())
        match = [f'{name}=~"{_any_release(metric.labels[name])}"' for name in named]
        scrape = platform.section(Prometheus).scrape_interval
        times, labels = Times.of(objective, platform, scrape), platform.labels(region, own)
        return cls(objective, limit, metric, labels, match, named, times, scrape)

    def query(self, seconds: float | None = None) -> str:
        """Return the query for the share in the gate's own look-back, or in so many seconds.

        0 where there are events and none is bad; NaN or nothing where there are none.
        """
        over = over_of(self.objective, self.limit)
        if over is not None:
            good = self._summed("rate", "_bucket", seconds, f'le=~"{promql.bound(over)}"')
            return f"1 - {good} / {self._summed('rate', '_count', seconds)}"
        status = promql.quoted(self.objective.bad_status or "")
        bad = self._summed("rate", "", seconds, f'{self.metric.status_label}=~"{status}"')
        whole = self._summed("rate", "", seconds)
        return f"({bad} or 0 * {whole}) / {whole}"

    def events(self, seconds: float) -> str:
        """Return the query for how many events there were, about."""
        return self._summed(
            "increase", "" if self.objective.kind == "errors" else "_count", seconds
        )

    def _summed(self, how: str, suffix: str, seconds: float | None, *more: str) -> str:
        # The gate's counts grow from the last scrape before the look-back; Prometheus' ranges begin in it.
        reach = (seconds or self.times.look_back) + self.scrape_seconds - _HAIR_SECONDS
        match = (*self.match, *self.metric.match, *more)
        chosen = promql.selector(self.metric.name + suffix, self.labels, *match)
        return f"sum by ({', '.join(self.by)}) ({how}({promql.samples(chosen, reach)}))"


def over_of(objective: Objective, limit: Limit) -> float | None:
    """Return what an event has to take longer than to be bad; of a quantile, the bound above its target."""
    around = objective.bounds_around
    return around[1] if limit.over_seconds is None and around else limit.over_seconds


def targets_up(platform: Platform, region: str) -> str:
    """Return the selector of whether the targets of a region, of whatever release, are up."""
    job = promql.of_any_release({"job": platform.section(Prometheus).job})
    return promql.selector("up", platform.labels(region, job))


def _any_release(value: str) -> str:
    before, after = (
        re.escape(part).replace("\\", "\\\\") for part in value.split(promql.RELEASE, 1)
    )
    return f"{before}.+{after}"


def _rules(platform: Platform, region: str) -> Iterator[dict[str, Any]]:
    described = platform.environment.settings.metrics
    for objective in platform.policy.objectives:
        if objective.metric in described:
            yield from _of_target(platform, region, objective)
    for trigger in platform.policy.triggers.watched:
        if trigger.objective is not None:
            yield from _of_limit(platform, region, trigger, trigger.objective)
        if trigger.unavailable_for is not None:
            yield _of_outage(platform, region, trigger, trigger.unavailable_for)


def _of_target(platform: Platform, region: str, objective: Objective) -> Iterator[dict[str, Any]]:
    target = objective.target
    share = Share.ask(platform, region, objective, target, apart=True)
    stricter = _HOLDS.format(events=events_to_prove(0, target.budget))
    yield from _pair(objective.check, region, share, ("hold", "", stricter))


def _of_limit(
    platform: Platform, region: str, trigger: Trigger, check: str
) -> Iterator[dict[str, Any]]:
    objective, least = platform.policy.objective(check), trigger.least_events
    limit = objective.rollback
    if limit is None or objective.metric not in platform.environment.settings.metrics:
        return
    share = Share.ask(platform, region, objective, limit, apart=True)
    stricter = _FIRES + (f" Fewer than {least:,} events decide nothing." if least > 1 else "")
    lasts = duration(share.times.sustained)
    yield from _pair(trigger.check, region, share, ("rollback", lasts, stricter))


def _pair(
    check: str, region: str, share: Share, said: tuple[str, str, str]
) -> Iterator[dict[str, Any]]:
    """Yield the rule that records a share, and the alert on it: its meaning, how long, what is stricter."""
    means, lasts, stricter = said
    objective, limit = share.objective, share.limit
    over = over_of(objective, limit)
    name = f"gate:{check.lower().replace('-', '_').replace('.', '_')}:bad_share"
    yield {"record": name, "expr": share.query(), "labels": {"region": region}}
    beyond = f"{promql.selector(name, {'region': region})} > {limit.budget:.12g}"
    what = "failed" if over is None else f"take over {over * 1000:g} ms"
    words = f"{objective.title}: over {percent(limit.budget)} {what}" + (
        f" for {lasts}" if lasts else ""
    )
    waits = {"for": lasts} if lasts else {}
    yield {"alert": check, "expr": beyond, **waits, **_about(region, means, words, stricter)}


def _of_outage(platform: Platform, region: str, trigger: Trigger, lasts: float) -> dict[str, Any]:
    section = platform.section(Prometheus)
    up = targets_up(platform, region)
    services = ", ".join(platform.environment.settings.regions[region].services)
    stricter = _AWAY.format(services=services, job=section.job)
    waits = duration(platform.scaled(lasts, CONFIRM_FLOOR_SECONDS))
    words = f"{trigger.title}: no target of {section.job} answers for {waits}"
    expr = f"max({up}) == 0 or absent({up})"
    said = _about(region, "rollback", words, stricter)
    return {"alert": trigger.check, "expr": expr, "for": waits, **said}


def _about(region: str, means: str, summary: str, stricter: str) -> dict[str, Any]:
    return {
        "labels": {"region": region, "means": means},
        "annotations": {"summary": summary, "gate_is_stricter": stricter},
    }

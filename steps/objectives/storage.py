"""Is there room on the platform's file systems? Free shares as Prometheus has them, region by region."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import probes
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from settings.storage import FileSystems
from steps.kit.check import Check
from steps.kit.platform import Platform
from steps.objectives.instrument import Inspector, UnfitError
from steps.objectives.promql import selector


def judge(platform: Platform, check: Check) -> None:
    """Judge the fullest file system of each kind that the environment names, in every region."""
    section = platform.environment.settings.storage

    def in_region(region: str) -> None:
        for name, kind in section.items():
            check.judge(region, _measured(platform, check, region, name, kind))

    platform.each_region(in_region)


def _measured(
    platform: Platform, check: Check, region: str, name: str, kind: FileSystems
) -> Judgement:
    inspector = Inspector(platform, region, lambda seen: check.observe(region, seen))
    query = free_shares(kind, platform.labels(region, kind.labels))
    try:
        found = inspector.vector(query, None, f"the free space of {name}").series
    except UnfitError as exc:
        return exc.judgement
    return judged(name, found, kind.at_least, platform.policy.storage.min_free)


def free_shares(kind: FileSystems, labels: Mapping[str, str]) -> str:
    """Return the query for what is free of each file system, as a share."""
    return f"{selector(kind.available, labels)} / {selector(kind.size, labels)}"


def judged(
    name: str, found: Sequence[probes.prometheus.Series], at_least: int, min_free: float
) -> Judgement:
    """Judge free shares: all must be measured, each a share, and the least of them be enough."""
    subject = f"room on the file systems {name}"
    if len(found) < at_least:
        seen = f"{len(found)} are measured, there are at least {at_least}"
        return _undecided(subject, f"{subject}: {seen}; the others may be full")
    strange = [one for one in found if not (math.isfinite(one.value) and one.value <= 1)]
    if strange:
        seen = f"{_named(strange[0])} has {strange[0].value:g} of itself free"
        return _undecided(subject, f"{subject}: {seen}; are available and size the right metrics?")
    least = min(found, key=lambda one: one.value)
    passed = least.value >= min_free
    return Judgement(
        outcome=Outcome.PASS if passed else Outcome.FAIL,
        rule="at least",
        subject=subject,
        sentence=f"{subject}: {_named(least)} has {least.value:.1%} free, the least of {len(found)}; "
        f"wanted at least {min_free:.0%}",
        observed=round(least.value * 100, 2),
        target=round(min_free * 100, 2),
        unit="% free",
        clears="" if passed else f"space freed or added on {_named(least)}",
    )


def _named(one: probes.prometheus.Series) -> str:
    """Return a file system by its labels."""
    return ", ".join(f"{name} {value}" for name, value in sorted(one.labels.items())) or "one"


def _undecided(subject: str, sentence: str) -> Judgement:
    return Judgement(
        outcome=Outcome.INCONCLUSIVE,
        rule="at least",
        subject=subject,
        sentence=sentence,
        clears="metrics of every file system, named right in the environment's storage",
    )

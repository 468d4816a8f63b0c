"""What was changed while the release was watched: what is seen then may be of that alone."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import probes
from environments.store import digest_of
from gates.decide.judgement import Judgement
from probes.observation import utc_now
from steps.cluster import clusters
from steps.flags import reading as flags
from steps.kit.baseline import SHARED, CannotCollectError
from steps.kit.expect import expect
from steps.kit.platform import NotDescribedError, Platform

EVERY_SECONDS = 60.0
"""Between two looks; what was changed and changed back in between stays unseen."""
RULE = "nothing changed"
PROMETHEUS = "Prometheus"
Facts = Mapping[str, Any]
_READ: tuple[tuple[str, Callable[[Platform], Facts]], ...] = (
    ("flags", flags.snapshot),
    ("kubernetes", clusters.deployments),
)
_OF_CLUSTER = ("deployments", "config", "selector")
"""Of a cluster's facts; restarts of a pod are the release's own doing."""


class Confounders:
    """Flags, rollouts, scaling, configuration and Prometheus: how they were, and what differs since."""

    def __init__(self, platform: Platform) -> None:
        self.before: dict[str, str] = {}
        """Digests by region and name, as they were when the watch began."""
        self._platform = platform
        self._changes: dict[tuple[str, str], str] = {}
        self._unread: dict[str, str] = {}
        self._looked_at = 0.0
        self._began: dict[str, dt.datetime] = {}
        """When the watch began, by region and by its Prometheus' own clock."""

    def look(self, *, last: bool) -> None:
        """Compare with how it was; at the beginning, once a minute and at the end."""
        first = not self.before
        if not first and not last and time.monotonic() - self._looked_at < EVERY_SECONDS:
            return
        self._looked_at = time.monotonic()
        if "prometheus" in self._platform.environment.sections:
            self._platform.each_region(self._look_at_prometheus)
        for section, read in _READ:
            if section in self._platform.environment.sections:
                try:
                    self._compare(read(self._platform))
                except (CannotCollectError, NotDescribedError) as exc:
                    if first or last:
                        self._unread[section] = str(exc)

    def _look_at_prometheus(self, region: str) -> None:
        """Note a restart; that it does not answer, every evaluation says that asks it."""
        target, deadline = self._platform.prometheus(region), self._platform.call_deadline()
        found = probes.prometheus.instrument(target, deadline=deadline).value
        if found is not None:
            began = self._began.setdefault(region, found.server_time)
            if found.started_at > began:
                self._changes.setdefault((region, PROMETHEUS), f"{utc_now():%H:%M:%S}")

    def _compare(self, found: Facts) -> None:
        for region, facts in found.items():
            for name, value in _flat(facts):
                digest = digest_of({"value": value})
                if self.before.setdefault(f"{region}/{name}", digest) != digest:
                    self._changes.setdefault((region, name), f"{utc_now():%H:%M:%S}")

    def judged(self, region: str) -> Iterator[Judgement]:
        """Yield what was changed in a region; by policy it leaves the watch undecided, or is shown alone."""
        good = None if self._platform.policy.triggers.confounders == "hold" else True
        clears = "a watch in which nothing is changed"
        for (where, what), at in self._changes.items():
            if where in (region, SHARED):
                done = "restarted" if what == PROMETHEUS else "changed"
                found = (
                    f"{what} was {done} while the release was watched (seen at {at} UTC), so what was "
                    "measured is of more than the release"
                )
                yield expect(good, what, found, clears, rule=RULE)
        for section, why in self._unread.items():
            found = (
                f"whether {section} were changed while the release was watched is not known: {why}"
            )
            yield expect(good, section, found, clears, rule=RULE)


def _flat(facts: Facts) -> Iterator[tuple[str, Any]]:
    if "deployments" not in facts:
        yield from ((f"flag {name}", value) for name, value in facts.items())
        return
    for kind in _OF_CLUSTER:
        if kind == "deployments":
            yield from ((f"Deployment {name}", value) for name, value in facts[kind].items())
        else:
            yield (
                {"config": "the ConfigMap", "selector": "the Service's selector"}[kind],
                facts[kind],
            )

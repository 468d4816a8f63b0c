"""When did a ConfigMap's content change? Its managers' times, held against the baseline's digests.

An API server notes when a manager wrote, not when a value changed: a removed key leaves no time at all, and
an apply that changes a label alone renews the time of every value.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping

from gates.decide.judgement import Judgement
from probes.kubernetes.objects import ConfigMap
from steps.cluster.baseline import ConfigBefore
from steps.kit.expect import expect

Times = Mapping[str, dt.datetime]
"""When pods or containers began, by pod."""


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """From when on whoever begins has what the ConfigMap holds now."""

    at: dt.datetime | None
    """Who began earlier has something else; None where the cluster does not say it."""
    unsure: tuple[dt.datetime, dt.datetime | None] | None = None
    """Who began between these may have something else; without an end, until now."""
    why: str = "the cluster does not say when its values changed"

    def problems(self, began: Times, words: str) -> list[str]:
        """Return how many began too early; the API's times are whole seconds."""
        if self.at is None:
            return []
        early = sum(one < self.at for one in began.values())
        since = f"{self.at:%H:%M:%S} UTC"
        return [f"{early} of {len(began)} {words} the change at {since}"] if early else []

    def is_doubtful(self, began: Times) -> bool:
        """Return whether any of them may have something else."""
        return self.at is None or any(map(self._is_unsure, began.values()))

    def _is_unsure(self, began: dt.datetime) -> bool:
        if self.unsure is None:
            return False
        start, end = self.unsure
        return began >= start and (end is None or began < end)

    def doubt(self, subject: str, began: Times) -> Judgement:
        """Return the INCONCLUSIVE of who may have something else."""
        count = len(began) if self.at is None else sum(map(self._is_unsure, began.values()))
        return expect(
            None,
            subject,
            f"{subject}: {count} of {len(began)} pods may have started with other values: {self.why}",
            "kubectl apply of the ConfigMap as it is wanted, then kubectl rollout restart",
        )


def change(now: ConfigMap, before: ConfigBefore | None) -> Change:
    """Return when what it holds came to be so, as far as times and digests say."""
    if before is not None and now.digest == before.digest:
        return _as_before(now, before)
    if now.changed_at is not None and now.removed:
        why = f"{', '.join(now.removed)} was removed since kubectl apply, which leaves no time"
        return Change(now.changed_at, (now.changed_at, None), why)
    if before is None or _is_later(now.changed_at, before.taken_at):
        return Change(now.changed_at)
    why = f"it differs from {_named(before)}, and no manager's time says since when"
    return Change(before.taken_at, (before.taken_at, None), why)


def _as_before(now: ConfigMap, before: ConfigBefore) -> Change:
    if not _is_later(now.changed_at, before.taken_at):
        return Change(now.changed_at)
    if now.managers == before.managers:
        return Change(before.changed_at)
    why = f"it is as in {_named(before)}, and was written by somebody else in between"
    return Change(before.changed_at, (before.taken_at, now.changed_at), why)


def _is_later(one: dt.datetime | None, other: dt.datetime) -> bool:
    return one is not None and one > other


def _named(before: ConfigBefore) -> str:
    return f"the baseline of {before.taken_at:%H:%M:%S} UTC"

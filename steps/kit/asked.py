"""The one way in which a step asks: keep what was observed, judge it, and leave what can't be read."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, Self, TypeVar

from gates.decide.judgement import Judgement
from probes.observation import Facts, Failure, Observation
from steps.kit import failures
from steps.kit.check import Check
from steps.kit.platform import Platform

T = TypeVar("T")
U = TypeVar("U")
V = TypeVar("V", bound=Facts)


class Unread(Exception):  # noqa: N818 - a finding that is judged already, not an error of ours
    """Something could not be read, and is judged; nothing more can be said of this item."""


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """One check, in the regions that share what is asked: all of them, or a single one."""

    platform: Platform
    check: Check
    regions: tuple[str, ...]

    @property
    def region(self) -> str:
        """The region, where one alone is asked."""
        (region,) = self.regions
        return region

    def in_each_region(self, measure: Callable[[Self], None]) -> None:
        """Measure every region by itself, all at once; one that can't be read hides none of the others."""

        def measured(region: str) -> None:
            with contextlib.suppress(Unread):
                measure(dataclasses.replace(self, regions=(region,)))

        self.platform.each_region(measured)

    def each(self, items: Iterable[T], measure: Callable[[T], object]) -> None:
        """Measure item by item; one that can't be read hides nothing of the next."""
        for item in items:
            with contextlib.suppress(Unread):
                measure(item)

    def both(self, first: Callable[[], T], second: Callable[[], U]) -> tuple[T, U]:
        """Return two things that were `read`, to be judged together; Unread once both were tried."""
        self.each((first, second), lambda read: read())
        return first(), second()

    def look(self, subject: str, ask: Callable[[], Observation[V]]) -> Observation[V]:
        """Return what is observed, once in a check, and keep it as evidence; nothing is judged."""
        key = (self.regions, subject)
        if key not in self.check.seen:
            observed = ask()
            self.keep(observed)
            self.check.seen[key] = observed
        seen: Observation[V] = self.check.seen[key]
        return seen

    def read(
        self,
        subject: str,
        ask: Callable[[], Observation[V]],
        judged: Callable[[str, Failure], Judgement] = failures.instrument_error,
    ) -> V:
        """Return what is asked, once in a check, and keep its observation as evidence.

        Raises Unread where there is no value; that is judged, by default as the ERROR of an instrument.
        """
        observed, key = self.look(subject, ask), (self.regions, subject)
        if observed.value is not None:
            return observed.value
        if key not in self.check.unread:
            self.check.unread.add(key)
            self.judge(judged(subject, failures.failure_of(observed)))
        raise Unread(subject)

    def keep(self, observed: Observation[Any]) -> None:
        """Keep an observation as evidence, in each region that shares it."""
        for region in self.regions:
            self.check.observe(region, observed)

    def judge(self, *judgements: Judgement) -> None:
        """Judge, in each region that shares it."""
        for region in self.regions:
            self.check.judge(region, *judgements)

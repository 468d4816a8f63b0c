"""Regions whose series nobody can tell apart; the gate asks before any client library is loaded."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence

from settings.environment import Environment
from settings.sections import server_of


@dataclasses.dataclass(frozen=True, slots=True)
class Overlap:
    """Two regions whose series nobody can tell apart: one Prometheus, and labels that don't part them."""

    one: str
    other: str

    @property
    def sentence(self) -> str:
        """Say what is wrong."""
        return (
            f"{self.one} and {self.other} have one Prometheus, and their labels do not tell their series "
            "apart: what is measured of one may be the other's"
        )

    @property
    def remedy(self) -> str:
        """Say what fixes it."""
        return (
            f"give regions.{self.one}.labels and regions.{self.other}.labels different values of one "
            "label, or run the gate in each region (--region) and join"
        )


def overlaps(settings: Environment, regions: Sequence[str]) -> Iterator[Overlap]:
    """Yield each two regions of a run of which one may be measured by the other.

    A file may say so all the same: where the gate runs inside each region, one name leads to each its own.
    """
    if settings.prometheus is None:
        return
    for one, other in itertools.combinations(regions, 2):
        first, second = settings.regions[one], settings.regions[other]
        same = server_of(first.prometheus) == server_of(second.prometheus)
        if same and not _parted(first.labels, second.labels):
            yield Overlap(one, other)


def _parted(first: Mapping[str, str], second: Mapping[str, str]) -> bool:
    """Tell whether no series can have the labels of both."""
    return any(second.get(label, value) != value for label, value in first.items())

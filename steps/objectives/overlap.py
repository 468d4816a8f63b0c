"""Regions whose series nobody can tell apart; the gate asks before any client library is loaded."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from settings.environment import Environment
from settings.sections import server_of


def overlaps(settings: Environment, regions: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong, and what fixes it, of each two regions of which one may be measured by the other.

    They have one Prometheus, and no label has different values: a series may have the labels of both. A
    file may say so all the same: where the gate runs inside each region, one name leads to each its own.
    """
    if settings.prometheus is None:
        return
    for one, other in itertools.combinations(regions, 2):
        first, second = settings.regions[one], settings.regions[other]
        same = server_of(first.prometheus) == server_of(second.prometheus)
        labels = first.labels.items()
        if same and all(second.labels.get(label, value) == value for label, value in labels):
            wrong = (
                f"{one} and {other} have one Prometheus, and their labels do not tell their series "
                "apart: what is measured of one may be the other's"
            )
            fix = (
                f"give regions.{one}.labels and regions.{other}.labels different values of one "
                "label, or run the gate in each region (--region) and join"
            )
            yield wrong, fix

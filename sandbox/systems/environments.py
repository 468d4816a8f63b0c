"""All areas' parts of the environment file, merged; two areas never write the same key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sandbox.systems.cluster import environment as kubernetes
from sandbox.systems.data import environment as data
from sandbox.systems.delivery import environment as delivery
from sandbox.systems.flags import environment as flags
from sandbox.systems.monitoring import environment as monitoring
from sandbox.systems.network import environment as network
from sandbox.systems.people import environment as deployment
from sandbox.systems.people import state

if TYPE_CHECKING:
    from sandbox.core.layout import Layout

PARTS: Sequence[Callable[[Layout], dict[str, Any]]] = (
    data.part,
    delivery.part,
    deployment.part,
    flags.part,
    kubernetes.part,
    monitoring.part,
    network.part,
    state.part,
)
"""Each returns top-level sections; below `regions` its keys join those of the same region."""


def merged(base: dict[str, Any], layout: Layout) -> dict[str, Any]:
    """Return the base with every area's part joined in; raises ValueError for a key written twice."""
    for part in PARTS:
        base = _joined(base, part(layout))
    return base


def _joined(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    joined = dict(one)
    for key, value in other.items():
        if key not in joined:
            joined[key] = value
        elif isinstance(joined[key], dict) and isinstance(value, dict):
            joined[key] = _joined(joined[key], value)
        else:
            raise ValueError(f"two areas write {key} of the environment file")
    return joined

"""Writes the environment file through which the gate sees this platform: the ordinary schema, no more."""

from __future__ import annotations

import datetime as dt
import functools
from typing import TYPE_CHECKING, Any

import yaml

from sandbox.core.state import write_private
from sandbox.systems.cluster import environment as cluster
from sandbox.systems.data import environment as data
from sandbox.systems.delivery import environment as delivery
from sandbox.systems.flags import environment as flags
from sandbox.systems.monitoring import environment as monitoring
from sandbox.systems.network import environment as network
from sandbox.systems.people import environment as people
from sandbox.systems.service import environment as service
from settings.environment import Environment

if TYPE_CHECKING:
    from sandbox.core.layout import Layout

AREAS = (data, delivery, flags, cluster, monitoring, people, network)
"""Each has a function `part` of top-level sections; below `regions` its keys join those of the region."""
_HEADER = (
    "# Written by `sandbox up` and by every fault; the platform's address book for the gate.\n"
)


def write(layout: Layout, switched_at: dt.datetime | None) -> None:
    """Write the file, whole or not at all; a fault is a release that went live at `switched_at`."""
    parts = (service.part(layout, switched_at), *(area.part(layout) for area in AREAS))
    whole: dict[str, Any] = functools.reduce(joined, parts)
    Environment.model_validate(whole)
    write_private(layout.state.environment, _HEADER + yaml.safe_dump(whole, sort_keys=False))


def joined(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return two parts as one; raises ValueError for a key that two areas write."""
    whole = dict(one)
    for key, value in other.items():
        if key not in whole:
            whole[key] = value
        elif isinstance(whole[key], dict) and isinstance(value, dict):
            whole[key] = joined(whole[key], value)
        else:
            raise ValueError(f"two areas write {key} of the environment file")
    return whole

"""File systems: the metrics that tell their free space, and how much of it must be left."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from settings.sections import MetricName, Section, Share, Targets


class FileSystems(Section):
    """File systems of one kind, in each region: the nodes' own, the database's volumes, backups."""

    available: MetricName
    """Gauge of the bytes that are left, such as node_filesystem_avail_bytes or
    kubelet_volume_stats_available_bytes."""
    size: MetricName
    """Gauge of all bytes, with the same labels; such as node_filesystem_size_bytes or
    kubelet_volume_stats_capacity_bytes."""
    labels: dict[str, str] = Field(min_length=1)
    """What selects them, such as mountpoint: "/"; the region's labels are added."""
    at_least: Targets
    """How many of them each region has at least: one that nobody measures may be full."""


class StoragePolicy(Section):
    """Free space on the file systems that the environment names."""

    min_free: Annotated[Share, Field(ge=0.01, lt=1)] = 0.15
    """The least share of each that must be free."""

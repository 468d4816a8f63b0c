"""File systems whose free space is measured, and the metrics that tell it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from settings.fields import Targets
from settings.sections import Section

MetricName = Annotated[str, Field(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$")]


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

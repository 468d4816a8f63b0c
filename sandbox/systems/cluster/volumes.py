"""The volume of the backups, as a kubelet measures it: a real folder, of a size that is only claimed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

CLAIM = "backups"
SIZE_BYTES = 2**30
AVAILABLE, SIZE = "kubelet_volume_stats_available_bytes", "kubelet_volume_stats_capacity_bytes"


@dataclass(frozen=True, slots=True)
class Volume:
    """A folder on this machine, seen as a volume of one gibibyte."""

    folder: Path

    def used_bytes(self) -> int:
        """Return what the files in it hold, holes included; 0 where a fault has moved it away."""
        if not self.folder.is_dir():
            return 0
        return sum(one.stat().st_size for one in self.folder.iterdir() if one.is_file())

    def metrics(self) -> str:
        """Return both gauges in Prometheus's text format."""
        labels = f'{{namespace="database",persistentvolumeclaim="{CLAIM}"}}'
        free = max(0, SIZE_BYTES - self.used_bytes())
        return (
            f"# TYPE {AVAILABLE} gauge\n{AVAILABLE}{labels} {free}\n"
            f"# TYPE {SIZE} gauge\n{SIZE}{labels} {SIZE_BYTES}\n"
        )

"""Faults of the clusters: their pods, their traffic, their nodes, and the gate's own sight of them."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.core.layout import PREVIOUS, REGIONS, RELEASE
from sandbox.faults.actions import Action, LinksChanged, StandInBent, Switches
from sandbox.systems.cluster.state import NORMAL_REPLICAS
from sandbox.systems.cluster.volumes import SIZE_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sandbox.faults.holds import Holds

_LINKS = tuple(f"gate-kubernetes-{region}" for region in REGIONS)


@dataclass(frozen=True, slots=True)
class ClustersBent:
    """Clusters that show other facts than the deployment's; the edges follow the release's replicas."""

    values: Mapping[str, Any]
    regions: tuple[str, ...] = REGIONS

    async def apply(self, holds: Holds, fault: str) -> None:
        """Lay the values over their facts."""
        for region in self.regions:
            await StandInBent(f"kubernetes-{region}", self.values).apply(holds, fault)
        if self._replicas:
            holds.platform.spread_over(self._replicas)

    async def revert(self, holds: Holds, fault: str) -> None:
        """Take them off again."""
        for region in self.regions:
            await StandInBent(f"kubernetes-{region}", self.values).revert(holds, fault)
        if self._replicas:
            holds.platform.spread_over(NORMAL_REPLICAS)

    @property
    def _replicas(self) -> int:
        count: int = self.values.get("replicas", {}).get(RELEASE, 0)
        return count


@dataclass(frozen=True, slots=True)
class VolumeFilled:
    """The volume of the backups is nearly full of something else; a sparse file costs nothing."""

    share: float

    async def apply(self, holds: Holds, fault: str) -> None:  # noqa: ARG002 - the protocol's
        """Put it there, and wait until Prometheus has seen it."""
        file = self._file(holds)
        file.touch()
        os.truncate(file, int(SIZE_BYTES * self.share))
        await asyncio.sleep(_SCRAPED_SECONDS)

    async def revert(self, holds: Holds, fault: str) -> None:  # noqa: ARG002 - the protocol's
        """Take it away again."""
        self._file(holds).unlink(missing_ok=True)
        await asyncio.sleep(_SCRAPED_SECONDS)

    def _file(self, holds: Holds) -> Path:
        return holds.platform.layout.backups / "somebodys-copy.img"


_ONE = REGIONS[:1]
_SCRAPED_SECONDS = 2.0

FAULTS: dict[str, Action] = {
    "pods-missing": ClustersBent({"missing_pods": 2}, _ONE),
    "scaling-undone": ClustersBent({"replicas": {PREVIOUS: 3}}),
    "image-pull-back-off": ClustersBent({"waiting": "ImagePullBackOff"}, _ONE),
    "crash-loop": ClustersBent({"waiting": "CrashLoopBackOff"}),
    "wrong-digest-under-right-tag": ClustersBent({"running_digest": f"sha256:{'0' * 64}"}, _ONE),
    "rollout-stuck": ClustersBent({"stuck": True}),
    "pods-not-ready": ClustersBent({"unready_pods": 1}, _ONE),
    "pod-evicted": ClustersBent({"evicted_pods": 1}, _ONE),
    "pods-end-slowly": ClustersBent({"ending_pods": 2}),
    "rollout-paused-and-complete": ClustersBent({"paused": True}),
    "jobs-over": ClustersBent({"jobs_over": True}),
    "service-port-missing": ClustersBent({"port_missing": True}, _ONE),
    "kubernetes-busy-at-times": ClustersBent({"busy_calls": 2}),
    "job-behind-the-service": ClustersBent({"job_endpoint": True}, _ONE),
    "kubernetes-api-blinks": ClustersBent({"failing_lists": {"replicasets": 3}}, _ONE),
    "deployment-gone": ClustersBent({"deployment_gone": True}, _ONE),
    "config-key-removed": ClustersBent({"key_removed": "SESSION_MINUTES"}, _ONE),
    "quota-too-small": ClustersBent({"quota_pods_left": 2}, _ONE),
    "errors-in-pod-logs": ClustersBent({"error_lines": 3}, _ONE),
    "containers-restart": ClustersBent({"restarts": 2}, _ONE),
    "old-pod-behind-service": ClustersBent({"old_endpoint": True}, _ONE),
    "service-not-switched": ClustersBent({"selector": PREVIOUS}, _ONE),
    "service-without-endpoints": ClustersBent({"no_endpoints": True}),
    "release-answers-errors": Switches({"error_every": 33}),
    "release-is-slow": Switches({"slow_every": 10, "slow_seconds": 0.3}),
    "config-map-old": ClustersBent(
        {"config": {"LOG_LEVEL": "info", "BOOKING_WINDOW_DAYS": "60", "SESSION_MINUTES": "30"}},
        _ONE,
    ),
    "pods-not-restarted": ClustersBent({"stale_pods": True}),
    "node-not-ready": ClustersBent({"node_not_ready": True}, _ONE),
    "disk-pressure": ClustersBent({"disk_pressure": True}, _ONE),
    "volume-nearly-full": VolumeFilled(0.9),
    "storage-unmeasured": LinksChanged(("gate-prometheus",), {"mode": "refuse"}),
    "capacity-short": ClustersBent({"nodes_full": True}),
    "system-pod-down": ClustersBent({"system_pod_down": True}),
    "kubernetes-api-not-ready": ClustersBent({"api_not_ready": True}, _ONE),
    "replicas-still-6": ClustersBent({"replicas": {PREVIOUS: 6, RELEASE: 6}}),
    "kubernetes-down": LinksChanged(_LINKS, {"mode": "refuse"}),
    "kubernetes-slow": LinksChanged(_LINKS[:1], {"latency_seconds": 60.0}),
    "kubernetes-token-expired": ClustersBent({"token_expired": True}),
    "kubernetes-forbidden": ClustersBent({"rights_narrowed": True}, _ONE),
    "kubernetes-busy": ClustersBent({"throttled": True}, _ONE),
    "gate-may-write-in-cluster": ClustersBent({"rights_widened": True}),
}

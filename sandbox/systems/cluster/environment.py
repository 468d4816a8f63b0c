"""The section `kubernetes`: what is deployed in both regions' clusters, and how the gate reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.core.layout import NORMAL_REPLICAS, REGIONS, RELEASE, TEMPORARY_REPLICAS, api_name
from sandbox.systems.cluster import state as cluster
from sandbox.systems.cluster import volumes
from sandbox.systems.monitoring.monitoring_servers import KUBELETS

if TYPE_CHECKING:
    from sandbox.core.layout import Layout


def part(layout: Layout) -> dict[str, Any]:
    """Return the section, and each region's cluster."""
    return {
        "kubernetes": {
            "namespace": cluster.NAMESPACE,
            "app_labels": {"app": cluster.APP},
            "service": cluster.SERVICE,
            "container": cluster.CONTAINER,
            "image": cluster.APP,
            "replicas": {
                "normal": NORMAL_REPLICAS,
                "temporary": TEMPORARY_REPLICAS,
            },
            "most_pods": 2 * TEMPORARY_REPLICAS,
            "config_map": cluster.CONFIG_MAP,
            "config": dict(cluster.CONFIG_WANTED),
            "candidate_health": {"service": "api", "endpoint": "liveness"},
        },
        "storage": {
            "backups": {
                "available": volumes.AVAILABLE,
                "size": volumes.SIZE,
                "labels": {"job": KUBELETS, "persistentvolumeclaim": volumes.CLAIM},
                "at_least": 1,
            }
        },
        "regions": {region: {"kubernetes": _cluster(layout, region)} for region in REGIONS},
    }


def _cluster(layout: Layout, region: str) -> dict[str, Any]:
    return {
        "server": layout.url(f"gate-kubernetes-{region}"),
        "token": f"file:{layout.secret_file('kubernetes-gate')}",
        "candidate": layout.url(api_name(region, RELEASE)),
    }

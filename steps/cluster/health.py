"""Is the cluster well, and is there room for what a deployment adds?"""

from __future__ import annotations

from probes.kubernetes.objects import ClusterHealth
from steps.cluster import room_rules
from steps.cluster.clusters import Clusters, each_cluster, taken
from steps.kit.asked import Asked
from steps.kit.sentence import then


@then("nodes, the cluster's own pods and its API are well")
@each_cluster
def cluster_well(clusters: Clusters, asked: Asked) -> None:
    """Judge nodes, the cluster's own pods and the API server's own word."""
    seen = _whole(clusters, asked)
    asked.judge(room_rules.nodes(seen), room_rules.system(seen), room_rules.api(seen))


@then("every pod that the deployment adds finds room")
@each_cluster
def room(clusters: Clusters, asked: Asked) -> None:
    """Judge room by CPU, memory and pods, and that no node is short of disk."""
    seen = _whole(clusters, asked)
    measured = bool(clusters.platform.environment.settings.storage)
    asked.judge(*room_rules.room(seen, clusters.section.most_pods))
    asked.judge(room_rules.disk(seen, measured=measured))


def _whole(clusters: Clusters, here: Asked) -> ClusterHealth:
    observed = clusters.read(here.region, "cluster", lambda: clusters.whole(here.region))
    return taken(here, "the cluster", observed)

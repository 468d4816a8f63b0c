"""Is the release's configuration in the cluster, and do the pods that run really have it?"""

from __future__ import annotations

from probes.kubernetes.objects import ConfigMap
from steps.cluster.baseline import config_before
from steps.cluster.clusters import Clusters, each_cluster, taken
from steps.cluster.config_rules import Change, change, content, in_force, restarted
from steps.cluster.rules import Look, progress
from steps.kit.asked import Asked
from steps.kit.sentence import then
from steps.kit.settling import Settled


@then("the configuration map holds what the release needs")
@each_cluster
def configuration_there(clusters: Clusters, asked: Asked) -> None:
    """Judge that the ConfigMap holds every wanted key with its value."""
    asked.judge(content(clusters.section, _read(clusters, asked)))


@then("the release's pods were replaced since it changed, and all are ready")
@each_cluster
def pods_restarted(clusters: Clusters, asked: Asked) -> None:
    """Judge that the release's pods were replaced after the ConfigMap changed, and all are Ready."""
    asked.judge(restarted(*_since_it_changed(clusters, asked)))


@then("every container of the release started with it")
@each_cluster
def configuration_in_force(clusters: Clusters, asked: Asked) -> None:
    """Judge that every running container of the app reads the ConfigMap as it is now.

    Environment variables are read once, at the start of a container: one that started before the
    change has the old values, whatever the ConfigMap holds.
    """
    asked.judge(in_force(*_since_it_changed(clusters, asked)))


def _since_it_changed(clusters: Clusters, here: Asked) -> tuple[Settled[Look], ConfigMap, Change]:
    """Return the release's pods, the ConfigMap, and when that changed."""
    config_map = _read(clusters, here)
    settled = clusters.settled(here, "restart", lambda look: progress(look, look.release, 1))
    return settled, config_map, change(config_map, config_before(clusters.platform, here.region))


def _read(clusters: Clusters, here: Asked) -> ConfigMap:
    observed = clusters.read(here.region, "ConfigMap", lambda: clusters.config_map(here.region))
    return taken(here, "the ConfigMap", observed)

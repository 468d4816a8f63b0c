"""What a baseline keeps of the clusters: revisions, replicas, digests, restarts, and where traffic goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from checks import failures
from checks.baseline import CannotCollectError, NoBaselineError, load_baseline
from checks.clusters import EACH, Clusters, Look
from checks.platform import Platform
from checks.rollout import restart_key
from environments.store import DamagedRecordError, StoreError
from probes.kubernetes_objects import Deployment

DEPLOYMENTS = "deployments"
"""The name of the collector."""


def deployments(platform: Platform) -> Mapping[str, Any]:
    """Collect each region's Deployments, pods and Service; raises CannotCollectError.

    A rollback needs the revision by number: after a restart the previous one is the release itself.
    """
    clusters = Clusters(platform)
    for left_open in clusters.shown_once(EACH, lambda cluster: cluster.server).values():
        raise CannotCollectError(f"{left_open[0].sentence}; {left_open[0].clears}")
    return platform.each_region(lambda region: _of(clusters, region))


def _of(clusters: Clusters, region: str) -> dict[str, Any]:
    looked = clusters.look(region)
    if looked.value is None:
        failure = failures.failure_of(looked.observations[-1])
        raise CannotCollectError(f"the cluster of {region}: {failure.kind.value}. {failure.detail}")
    look = looked.value
    return {
        "selector": dict(look.traffic.selector),
        "deployments": {one.name: _facts(look, one) for one in look.workload.deployments},
        "restarts": {
            restart_key(pod, container): container.restarts
            for pod in look.workload.pods
            for container in pod.containers
        },
    }


def _facts(look: Look, one: Deployment) -> dict[str, Any]:
    pods = look.pods(() if one.version is None else (one.version,))
    digests = {
        container.name: container.digest
        for pod in pods
        for container in pod.containers
        if container.digest
    }
    return {
        "version": one.version,
        "revision": one.revision,
        "replicas": one.wanted,
        "digests": digests,
    }


def restarts_before(platform: Platform, region: str) -> Mapping[str, int] | None:
    """Return each container's restarts as the baseline has them; None without a baseline to believe.

    The check that asks then leaves older pods out; checks that can't do without a baseline say so.
    """
    try:
        found = load_baseline(platform).of(DEPLOYMENTS, region)["restarts"]
    except (NoBaselineError, DamagedRecordError, StoreError, KeyError, TypeError):
        return None
    return dict(found) if isinstance(found, dict) else None

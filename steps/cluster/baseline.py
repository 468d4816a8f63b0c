"""What a baseline keeps of the clusters: revisions, replicas, digests, restarts, and where traffic goes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from environments.store import StoreError
from probes.kubernetes.objects import Deployment
from probes.observation import Observation
from steps.cluster.clusters import EACH, Clusters
from steps.cluster.pod_rules import ConfigBefore
from steps.cluster.rules import Look, restart_key
from steps.kit import failures
from steps.kit.baseline import CannotCollectError, NoBaselineError, before_if_any, load_baseline
from steps.kit.platform import Platform

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
        raise _unread(f"the cluster of {region}", looked.observations[-1])
    config = clusters.config_map(region)
    if config.value is None:
        raise _unread(f"the ConfigMap of {region}", config)
    look = looked.value
    return {
        "config": dict(config.value.facts()),
        "selector": dict(look.traffic.selector),
        "deployments": {one.name: _facts(look, one) for one in look.workload.deployments},
        "restarts": {
            restart_key(pod, container): container.restarts
            for pod in look.workload.pods
            for container in pod.containers
        },
    }


def _unread(what: str, observed: Observation[Any]) -> CannotCollectError:
    failure = failures.failure_of(observed)
    return CannotCollectError(f"{what}: {failure.kind.value}. {failure.detail}")


def _facts(look: Look, one: Deployment) -> dict[str, Any]:
    pods = look.pods(() if one.version is None else (one.version,))
    containers = [each for pod in pods for each in pod.containers]
    digests = {each.name: each.digest for each in containers if each.digest}
    facts = {"version": one.version, "revision": one.revision, "replicas": one.wanted}
    return {**facts, "digests": digests}


def config_before(platform: Platform, region: str) -> ConfigBefore | None:
    """Return the ConfigMap of the baseline; None without a baseline to believe, or in an older one."""
    try:
        baseline = load_baseline(platform)
        config = baseline.of(DEPLOYMENTS, region)["config"]
        changed = config["changed_at"]
        return ConfigBefore(
            dt.datetime.fromisoformat(baseline.taken_at),
            dt.datetime.fromisoformat(changed) if changed else None,
            config["digest"],
            config["managers"],
        )
    except (NoBaselineError, StoreError, KeyError, TypeError, ValueError):
        return None


def restarts_before(platform: Platform, region: str) -> Mapping[str, int] | None:
    """Return each container's restarts as the baseline has them; None without a baseline to believe.

    The check that asks then leaves older pods out; checks that can't do without a baseline say so.
    """
    facts = before_if_any(platform, DEPLOYMENTS, region)
    found = facts.get("restarts") if isinstance(facts, dict) else None
    return dict(found) if isinstance(found, dict) else None

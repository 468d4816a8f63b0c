"""The doctor on a region's cluster: the gate's account can read what the checks read, and nothing else."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import probes
from checks import cluster_health, release_logs, running_images
from checks.clusters import Clusters
from checks.failures import failure_of
from environments.sections.kubernetes import Kubernetes
from gates.run.doctor_findings import Finding, Keys, Level, Subject, unreachable
from probes.kubernetes_objects import Pod
from probes.observation import Failure, FailureKind, Observation

_SYSTEM = "Kubernetes"
_NODES, _LOGS = "nodes and the pods of all namespaces", "logs of its pods"
_APPLY = "kubectl apply -f deploy/kubernetes/rbac.yaml"


def examine_kubernetes(subject: Subject, region: str, section: Kubernetes) -> list[Finding]:
    """Ask for the account's rights, then read all that the checks read."""
    clusters = Clusters(subject.platform)
    target = clusters.target(region)
    rights = probes.kubernetes.excess_rights(target, section.namespace, deadline=subject.deadline())
    if rights.value is None:
        return [_unreadable(subject, region, section, failure_of(rights))]
    if rights.value.excess:
        words = (
            f"its account could {', '.join(rights.value.excess)}; the gate refuses to run with it"
        )
        remedy = (_APPLY, "and remove every other binding of that account")
        return [Finding(_SYSTEM, region, Level.BAD, words, remedy)]
    found = probes.kubernetes.workload(
        target,
        section.namespace,
        section.app_labels,
        section.version_label,
        deadline=subject.deadline(),
    )
    if found.value is None:
        return [_unreadable(subject, region, section, failure_of(found))]
    if not found.value.deployments:
        labels = ", ".join(f"{name}={value}" for name, value in section.app_labels.items())
        words = f"no Deployment in {section.namespace} has the labels {labels}"
        mends = subject.key("kubernetes.app_labels", "the labels of the app's Deployments")
        return [Finding(_SYSTEM, region, Level.BAD, words, (mends,))]
    pods = [one for one in found.value.pods if one.ready][:1]
    wrong = [
        *_named(subject, region, section, target),
        *_of_pod(subject, region, section, pods),
        *_readable(subject, region, section, (_NODES, cluster_health.whole(clusters, region))),
        *_readable(subject, region, section, (_LOGS, release_logs.counted(clusters, region, pods))),
    ]
    count = len(found.value.deployments)
    words = f"can read and nothing else; {count} Deployments, {len(found.value.pods)} pods"
    return wrong or [Finding(_SYSTEM, region, Level.OK, words)]


def _named(
    subject: Subject, region: str, section: Kubernetes, target: probes.kubernetes.KubernetesTarget
) -> Iterator[Finding]:
    """Yield what is wrong with the Service and the ConfigMap that the environment names."""
    service = probes.kubernetes.traffic(
        target, section.namespace, section.service, deadline=subject.deadline()
    )
    config_map = probes.kubernetes.config_map(
        target, section.namespace, section.config_map, deadline=subject.deadline()
    )
    yield from _readable(subject, region, section, ("the Service", service))
    yield from _readable(subject, region, section, ("the ConfigMap", config_map))
    names = ((service, "service", section.service), (config_map, "config_map", section.config_map))
    for observed, key, name in names:
        if observed.value is not None and not observed.value.found:
            yield _absent(subject, region, key, f"“{name}” in {section.namespace}")


def _of_pod(
    subject: Subject, region: str, section: Kubernetes, pods: Sequence[Pod]
) -> Iterator[Finding]:
    """Yield what is wrong with the container and the image that the environment names."""
    for pod in pods:
        images = {one.name: running_images.image_name(one.image) for one in pod.containers}
        if section.container not in images:
            yield _absent(
                subject, region, "container", f"container “{section.container}” in its pods"
            )
        elif images[section.container] != section.image:
            what = (
                f"image “{section.image}” in its container, which is of {images[section.container]}"
            )
            yield _absent(subject, region, "image", what)


def _absent(subject: Subject, region: str, key: str, what: str) -> Finding:
    mends = subject.key(f"kubernetes.{key}", "the name of what is there")
    return Finding(_SYSTEM, region, Level.BAD, f"there is no {what}", (mends,))


def _readable(
    subject: Subject, region: str, section: Kubernetes, tried: tuple[str, Observation[Any]]
) -> Iterator[Finding]:
    """Yield what forbids to read something that a check reads."""
    what, observed = tried
    if observed.value is None:
        found = _unreadable(subject, region, section, failure_of(observed))
        yield dataclasses.replace(found, sentence=f"{what}: {found.sentence}")


def _unreadable(subject: Subject, region: str, section: Kubernetes, failure: Failure) -> Finding:
    here = f"regions.{region}.kubernetes"
    keys = Keys(f"{here}.server", f"{here}.ca_file", f"{here}.token")
    if failure.kind is FailureKind.FORBIDDEN:
        return Finding(_SYSTEM, region, Level.BAD, failure.detail, (_APPLY,))
    found = unreachable(subject, _SYSTEM, region, failure, keys)
    if failure.kind is FailureKind.CREDENTIAL_REFUSED:
        new = f"kubectl create token release-gate -n {section.namespace} --duration=12h"
        return Finding(_SYSTEM, region, Level.BAD, found.sentence, (new, *found.remedy))
    return found

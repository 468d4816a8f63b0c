"""The doctor on a region's cluster: the gate's account can read what the checks read, and nothing else."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import probes
from probes.kubernetes.objects import ClusterHealth, Pod, Traffic, Workload
from probes.observation import Failure, FailureKind, Observation
from settings.cluster import Kubernetes
from steps.cluster import pod_rules, release_logs, room_rules
from steps.cluster.clusters import Clusters, few
from steps.kit.failures import failure_of
from steps.kit.findings import Finding, Keys, Level, Subject, unreachable

_SYSTEM = "Kubernetes"
_NODES, _LOGS = "nodes and the pods of all namespaces", "logs of its pods"
_APPLY = "kubectl apply -f deploy/kubernetes/rbac.yaml"


def examine_kubernetes(subject: Subject, region: str, section: Kubernetes) -> list[Finding]:
    """Ask for the account's rights, then read all that the checks read."""
    clusters = Clusters(subject.platform)
    target = clusters.target(region)
    rights = probes.kubernetes.excess_rights(
        target, section.namespace, section.system_namespace, deadline=subject.deadline()
    )
    if rights.value is None:
        return [_unreadable(subject, region, section, failure_of(rights))]
    if rights.value.excess:
        could = few(rights.value.excess)
        words = f"its account could {could}; the gate refuses to run with it"
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
    strange = _not_run(subject, region, section, found.value)
    if strange is not None:
        return [strange]
    pods = [one for one in found.value.pods if one.workload and one.ready]
    whole = room_rules.whole(clusters, region)
    wrong = [
        *_named(subject, region, section, pods),
        *_of_pods(subject, region, section, pods),
        *_readable(subject, region, section, (_NODES, whole)),
        *_system(subject, region, section, whole),
        *_readable(
            subject, region, section, (_LOGS, release_logs.counted(clusters, region, pods[:1]))
        ),
    ]
    count = len(found.value.deployments)
    own = sum(bool(one.workload) for one in found.value.pods)
    words = f"can read and nothing else; {count} Deployments, {own} pods"
    return wrong or [Finding(_SYSTEM, region, Level.OK, words)]


def _not_run(subject: Subject, region: str, section: Kubernetes, found: Workload) -> Finding | None:
    """Return what keeps the checks from telling which pods are the app's, and of which version."""
    labels = ", ".join(f"{name}={value}" for name, value in section.app_labels.items())
    owners = {one.owner for one in found.pods if not one.workload and one.owner}
    if not found.deployments:
        by = f"; pods that have them are run by {min(owners)}" if owners else ""
        words = f"no Deployment or StatefulSet in {section.namespace} has the labels {labels}{by}"
        fixes = subject.key("kubernetes.app_labels", "the labels of the app's Deployments")
        return Finding(_SYSTEM, region, Level.BAD, words, (fixes,))
    if not any(one.version for one in found.deployments):
        words = f"no pod template with the labels {labels} has the label “{section.version_label}”"
        fixes = subject.key("kubernetes.version_label", "the label that tells the version")
        return Finding(_SYSTEM, region, Level.BAD, words, (fixes,))
    return None


def _system(
    subject: Subject, region: str, section: Kubernetes, whole: Observation[ClusterHealth]
) -> Iterator[Finding]:
    if whole.value is not None and not whole.value.system_pods:
        yield _absent(subject, region, "system_namespace", f"pod in “{section.system_namespace}”")


def _named(
    subject: Subject, region: str, section: Kubernetes, pods: Sequence[Pod]
) -> Iterator[Finding]:
    """Yield what is wrong with the Service and the ConfigMap that the environment names."""
    target = Clusters(subject.platform).target(region)
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
    if config_map.value is not None and config_map.value.found:
        yield from _read(subject, region, section, pods)
    if service.value is not None and service.value.found:
        yield from _selects(region, section, service.value)


def _selects(region: str, section: Kubernetes, led: Traffic) -> Iterator[Finding]:
    if section.version_label not in led.selector:
        words = (
            f"the Service {section.service} selects no {section.version_label}, so it leads to every "
            "version at once; the checks judge by the pods behind it"
        )
        fixes = (
            f"the label {section.version_label} in the selector of the Service {section.service}"
        )
        yield Finding(_SYSTEM, region, Level.WARN, words, (fixes,))


def _read(
    subject: Subject, region: str, section: Kubernetes, pods: Sequence[Pod]
) -> Iterator[Finding]:
    if pods and not any(section.config_map in pod.config_maps for pod in pods):
        what = f"pod of the app that reads the ConfigMap “{section.config_map}”"
        yield _absent(subject, region, "config_map", what)


def _of_pods(
    subject: Subject, region: str, section: Kubernetes, pods: Sequence[Pod]
) -> Iterator[Finding]:
    """Yield what is wrong with the container and the image that the environment names."""
    for pod in pods[:1]:
        images = {one.name: pod_rules.image_name(one.image) for one in pod.containers}
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
    fixes = subject.key(f"kubernetes.{key}", "the name of what is there")
    return Finding(_SYSTEM, region, Level.BAD, f"there is no {what}", (fixes,))


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

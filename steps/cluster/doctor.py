"""The doctor on a region's cluster: the gate's account can read what the checks read, and nothing else."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from probes.kubernetes.objects import ConfigMap, Pod, Traffic, Workload
from probes.observation import Failure, FailureKind, Observation
from settings.cluster import Kubernetes
from steps.cluster.clusters import Clusters
from steps.cluster.pod_rules import image_name
from steps.cluster.rules import few
from steps.kit.failures import failure_of
from steps.kit.findings import Finding, Keys, Subject, System, examination

_APPLY = "kubectl apply -f deploy/kubernetes/rbac.yaml"


@examination
def examine_kubernetes(subject: Subject, region: str, section: Kubernetes) -> Iterator[Finding]:
    """Ask for the account's rights, then read all that the checks read."""
    yield from Examined.of(subject, region, section).findings()


@dataclasses.dataclass(frozen=True, slots=True)
class Examined:
    """One region's cluster under examination."""

    cluster: System
    section: Kubernetes

    @classmethod
    def of(cls, subject: Subject, region: str, section: Kubernetes) -> Examined:
        """Return that of a region."""
        here = f"regions.{region}.kubernetes"
        keys = Keys(f"{here}.server", f"{here}.ca_file", f"{here}.token")
        return cls(System(subject, "Kubernetes", region, keys), section)

    def findings(self) -> Iterator[Finding]:
        """Yield what is wrong, or that nothing is; raises UnreadError."""
        clusters, region = Clusters(self.cluster.subject.platform), self.cluster.region or ""
        excess = self.cluster.read(clusters.rights(region), self._unread).excess
        if excess:
            words = f"its account could {few(excess)}; the gate refuses to run with it"
            more = "and remove every other binding of that account"
            yield self.cluster.bad(words, _APPLY, more)
            return
        found = self.cluster.read(clusters.workload(region), self._unread)
        own = [one for one in found.pods if one.workload]
        words = f"{len(found.deployments)} Deployments, {len(own)} pods"
        fine = self.cluster.ok(f"can read and nothing else; {words}")
        wrong = self.not_run(found)
        ready = [one for one in own if one.ready]
        yield from [wrong] if wrong else [*self._read(clusters, region, ready)] or [fine]

    def not_run(self, found: Workload) -> Finding | None:
        """Return what keeps the checks from telling which pods are the app's, and of which version."""
        labels = ", ".join(f"{name}={value}" for name, value in self.section.app_labels.items())
        owners = {one.owner for one in found.pods if not one.workload and one.owner}
        label = self.section.version_label
        if not found.deployments:
            by = f"; pods that have them are run by {min(owners)}" if owners else ""
            namespace = self.section.namespace
            words = f"no Deployment or StatefulSet in {namespace} has the labels {labels}{by}"
            return self.cluster.bad(
                words, self._key("app_labels", "the labels of the app's Deployments")
            )
        if not any(one.version for one in found.deployments):
            words = f"no pod template with the labels {labels} has the label “{label}”"
            return self.cluster.bad(
                words, self._key("version_label", "the label that holds the version")
            )
        return None

    def _read(self, clusters: Clusters, region: str, pods: Sequence[Pod]) -> Iterator[Finding]:
        """Yield what can't be read, and what is not as the environment says."""
        service, config_map = clusters.traffic(region), clusters.config_map(region)
        whole, logs = clusters.whole(region), clusters.log_levels(region, pods[:1])
        yield from self._readable("the Service", service)
        yield from self._readable("the ConfigMap", config_map)
        yield from self._named(service.value, config_map.value, pods)
        yield from self._of_pods(pods)
        yield from self._readable("nodes and the pods of all namespaces", whole)
        if whole.value is not None and not whole.value.system_pods:
            namespace = self.section.system_namespace
            yield self._absent("system_namespace", f"pod in “{namespace}”")
        yield from self._readable("logs of its pods", logs)

    def _named(
        self, service: Traffic | None, config_map: ConfigMap | None, pods: Sequence[Pod]
    ) -> Iterator[Finding]:
        """Yield what is wrong with the Service and the ConfigMap that the environment names."""
        for key, seen in (("service", service), ("config_map", config_map)):
            if seen is not None and not seen.found:
                where = f"“{getattr(self.section, key)}” in {self.section.namespace}"
                yield self._absent(key, where)
        if config_map is not None and config_map.found:
            yield from self.reads_config(pods)
        if service is not None and service.found:
            yield from self.selects_version(service)

    def reads_config(self, pods: Sequence[Pod]) -> Iterator[Finding]:
        """Yield that no pod reads the ConfigMap that the environment names."""
        name = self.section.config_map
        if pods and not any(name in pod.config_maps for pod in pods):
            yield self._absent("config_map", f"pod of the app that reads the ConfigMap “{name}”")

    def selects_version(self, led: Traffic) -> Iterator[Finding]:
        """Yield that the Service leads to whatever version there is."""
        service, label = self.section.service, self.section.version_label
        if label not in led.selector:
            words = (
                f"the Service {service} selects no {label}, so it leads to every version at once; "
                "the checks judge by the pods behind it"
            )
            fix = f"the label {label} in the selector of the Service {service}"
            yield self.cluster.warn(words, fix)

    def _of_pods(self, pods: Sequence[Pod]) -> Iterator[Finding]:
        """Yield what is wrong with the container and the image that the environment names."""
        container, image = self.section.container, self.section.image
        for pod in pods[:1]:
            images = {one.name: image_name(one.image) for one in pod.containers}
            if container not in images:
                yield self._absent("container", f"container “{container}” in its pods")
            elif images[container] != image:
                what = f"image “{image}” in its container, which is of {images[container]}"
                yield self._absent("image", what)

    def _absent(self, key: str, what: str) -> Finding:
        return self.cluster.bad(f"there is no {what}", self._key(key, "the name of what is there"))

    def _key(self, key: str, value: str) -> str:
        return self.cluster.subject.key(f"kubernetes.{key}", value)

    def _readable(self, what: str, observed: Observation[Any]) -> Iterator[Finding]:
        """Yield what forbids to read something that a check reads."""
        if observed.value is None:
            found = self._unread(failure_of(observed))
            yield dataclasses.replace(found, sentence=f"{what}: {found.sentence}")

    def _unread(self, failure: Failure) -> Finding:
        if failure.kind is FailureKind.FORBIDDEN:
            return self.cluster.bad(failure.detail, _APPLY)
        found = self.cluster.unread(failure)
        if failure.kind is FailureKind.CREDENTIAL_REFUSED:
            namespace = self.section.namespace
            new = f"kubectl create token release-gate -n {namespace} --duration=12h"
            return self.cluster.bad(found.sentence, new, *found.remedy)
        return found

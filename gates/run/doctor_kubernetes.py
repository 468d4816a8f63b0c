"""The doctor on a region's cluster: the gate's account can read what the checks read, and nothing else."""

from __future__ import annotations

import probes
from checks.clusters import Clusters
from checks.failures import failure_of
from environments.sections.kubernetes import Kubernetes
from gates.run.doctor_findings import Finding, Keys, Level, Subject, unreachable
from probes.observation import Failure, FailureKind

_SYSTEM = "Kubernetes"
_APPLY = "kubectl apply -f deploy/kubernetes/rbac.yaml"


def examine_kubernetes(subject: Subject, region: str, section: Kubernetes) -> list[Finding]:
    """Ask for the account's rights, then read what the checks read."""
    target = Clusters(subject.platform).target(region)
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
    count = len(found.value.deployments)
    words = f"can read and nothing else; {count} Deployments, {len(found.value.pods)} pods"
    return [Finding(_SYSTEM, region, Level.OK, words)]


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

"""The Kubernetes probe: what runs in a cluster and where its traffic goes.

It only ever lists and gets, with the rights of deploy/kubernetes/rbac.yaml, and asks the cluster itself what
else the account could do. Objects may hold anything (annotations, environment, log lines): the values
here name what is kept, and nothing else leaves this module.
"""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeVar

from probes.kubernetes import client as kubernetes_client
from probes.kubernetes import models, reading
from probes.kubernetes.client import KubernetesTarget, RefusedError, Session, path_of
from probes.kubernetes.objects import ClusterHealth, ConfigMap, LogLevels, Rights, Traffic, Workload
from probes.kubernetes.placing import UnknownRuleError, placed
from probes.kubernetes.reading import quotas
from probes.log_lines import LogRules, error_level, level_of
from probes.observation import Deadline, Failure, FailureKind, FoundError, Observation, V, observed

__all__ = ["KubernetesTarget"]

_SERVICE_OF_SLICE: Final = "kubernetes.io/service-name"
_LOG_BYTES: Final = 4 * 1_048_576
_BAD_REQUEST: Final = 400
_CALLS_AT_ONCE: Final = 8

# A kubelet sends 200 before it looks: what it says then of a log that is gone is the only line.
REFUSAL: Final = re.compile(
    rb"(unable to retrieve container logs for|failed to (try resolving symlinks in path|open log file|"
    rb"get container status)) [^\n]*\n?"
)

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class App:
    """Which pods of a cluster are meant, and how many there will be."""

    namespace: str
    labels: Mapping[str, str]
    most_pods: int


def workload(
    target: KubernetesTarget,
    namespace: str,
    labels: Mapping[str, str],
    version_label: str,
    *,
    deadline: Deadline,
) -> Observation[Workload]:
    """List an app's Deployments, StatefulSets and pods of every version, each pod with its owner."""

    def ask(opened: Session) -> Workload:
        # Pods come first: what made them was there before, so that none seems to be nobody's.
        path = path_of("v1", namespace, "pods")
        pods = opened.listed(models.Pod, path, selector_of(labels))
        return _owned(opened, namespace, labels, pods, version_label)

    return observe(target, f"deployments and pods of {namespace}", deadline, ask)


def traffic(
    target: KubernetesTarget, namespace: str, service: str, *, deadline: Deadline
) -> Observation[Traffic]:
    """Read a Service and all its EndpointSlices."""

    def ask(opened: Session) -> Traffic:
        found = opened.found(models.Service, path_of("v1", namespace, "services", service))
        slices = opened.listed(
            models.EndpointSlice,
            path_of("discovery.k8s.io/v1", namespace, "endpointslices"),
            f"{_SERVICE_OF_SLICE}={service}",
        )
        return Traffic(
            found=found is not None,
            selector=dict(found.selector) if found else {},
            endpoints=reading.endpoints(slices, has_ports=bool(found and found.ports)),
            publishes_unready=bool(found and found.publishes_unready),
        )

    return observe(target, f"service {namespace}/{service}", deadline, ask)


def _owned(
    opened: Session,
    namespace: str,
    labels: Mapping[str, str],
    pods: Iterable[models.Pod],
    version_label: str,
) -> Workload:
    """Read what runs the app's pods, and join them."""

    def listed(resource: str) -> list[models.Deployment]:
        path = path_of("apps/v1", namespace, resource)
        return opened.listed(models.Deployment, path, selector_of(labels))

    sets = listed("replicasets")
    runs = tuple(
        reading.workload(one, version_label, kind)
        for kind in ("StatefulSet", "Deployment")
        for one in listed(f"{kind.lower()}s")
    )
    return Workload(runs, reading.pods(pods, sets, runs, version_label))


def config_map(
    target: KubernetesTarget, namespace: str, name: str, *, deadline: Deadline
) -> Observation[ConfigMap]:
    """Read a ConfigMap, and when anybody changed it last."""

    def ask(opened: Session) -> ConfigMap:
        found = opened.found(models.ConfigMap, path_of("v1", namespace, "configmaps", name))
        if found is None:
            return ConfigMap(found=False, data={}, changed_at=None)
        return reading.config_map(found)

    return observe(target, f"configmap {namespace}/{name}", deadline, ask)


def health(
    target: KubernetesTarget, app: App, system_namespace: str, *, deadline: Deadline
) -> Observation[ClusterHealth]:
    """Read /readyz and /version, all nodes, and what the pods of all namespaces ask of them."""

    def ask(opened: Session) -> ClusterHealth:
        version = opened.one(kubernetes_client.Version, "/version/")
        nodes = opened.listed(models.Node, path_of("v1", "", "nodes"))
        pods = opened.listed(models.Pod, path_of("v1", "", "pods"))
        by_node = collections.defaultdict(list)
        for one in filter(reading.holds_room, pods):
            by_node[one.spec.node_name].append(one)
        own = _pods_of(opened, app, pods)
        read = tuple(reading.node(one, by_node[one.metadata.name], own) for one in nodes)
        found = ClusterHealth(
            version=version.git_version,
            api_ready=_is_ready(opened),
            nodes=read,
            system_pods=reading.system_pods(
                one for one in pods if one.metadata.namespace == system_namespace
            ),
            largest_ask=reading.largest(reading.asks(one) for one in own),
            app_pods=sum(bool(one.spec.node_name) for one in own),
        )
        if not own:
            return found
        like = max(own, key=lambda one: str(one.metadata.creation_timestamp))
        path = path_of("v1", app.namespace, "resourcequotas")
        limits = opened.listed(models.ResourceQuota, path)
        found = dataclasses.replace(found, quotas=tuple(quotas(limits, like)))
        beside = [one for one in pods if one.metadata.namespace == app.namespace]
        return _with_placed(found, like, nodes, filter(reading.holds_room, beside), app.most_pods)

    return observe(target, "nodes and the pods of all namespaces", deadline, ask)


def _pods_of(opened: Session, app: App, pods: Iterable[models.Pod]) -> list[models.Pod]:
    """Return the app's own pods that hold room."""
    beside = [one for one in pods if one.metadata.namespace == app.namespace]
    labelled = [one for one in beside if app.labels.items() <= one.metadata.labels.items()]
    workload = _owned(opened, app.namespace, app.labels, labelled, "")
    own = {one.uid for one in workload.pods if one.workload}
    return [one for one in labelled if one.metadata.uid in own and reading.holds_room(one)]


def _with_placed(
    found: ClusterHealth,
    like: models.Pod,
    nodes: Sequence[models.Node],
    pods: Iterable[models.Pod],
    most: int,
) -> ClusterHealth:
    room = {one.name: one.holds(found.largest_ask) for one in found.nodes}
    wanted = max(0, most - found.app_pods)
    try:
        return dataclasses.replace(found, placed=placed(like, nodes, pods, room, wanted))
    except UnknownRuleError as exc:
        return dataclasses.replace(found, unknown_rule=str(exc))


def log_levels(
    target: KubernetesTarget,
    namespace: str,
    pods: Sequence[tuple[str, str]],
    rules: LogRules,
    *,
    deadline: Deadline,
) -> Observation[LogLevels]:
    """Count the error lines in the newest lines of these (pod, container)s; no line is kept."""

    def ask(opened: Session) -> LogLevels:
        def read_log(pod: str, container: str) -> bytes | None:
            return _log(opened, namespace, pod, container, rules.tail_lines)

        names = [pod for pod, _ in pods]
        logs = dict(zip(names, at_once(read_log, pods), strict=True))
        read = {pod: log for pod, log in logs.items() if log is not None}
        # Whatever their encoding: the words and levels of errors are ASCII in all.
        texts = (log.decode("utf-8", "replace") for log in read.values())
        lines = [line for text in texts for line in text.splitlines() if line]
        levels = collections.Counter(filter(None, (error_level(line, rules) for line in lines)))
        told = [level_of(line, rules) is not None for line in lines if line.startswith("{")]
        return LogLevels(
            lines=len(lines),
            errors=levels.total(),
            by_level=dict(levels),
            pods_read=len(read),
            pods_without_log=tuple(pod for pod, log in logs.items() if log is None),
            pods_cut_off=tuple(pod for pod, log in read.items() if len(log) >= _LOG_BYTES),
            levelled=told.count(True),
            unlevelled=told.count(False),
        )

    return observe(target, f"logs of {len(pods)} containers of {namespace}", deadline, ask)


def excess_rights(
    target: KubernetesTarget, namespace: str, system_namespace: str, *, deadline: Deadline
) -> Observation[Rights]:
    """Ask the cluster what the gate's account could do beyond reading what its checks read."""

    def ask(opened: Session) -> Rights:
        reviews = {one: _rules(opened, one) for one in dict.fromkeys((namespace, system_namespace))}
        found = [
            words
            for one, status in reviews.items()
            for words in kubernetes_client.excess(status, one, is_the_apps=one == namespace)
        ]
        if complete := not any(status.incomplete for status in reviews.values()):
            return Rights(tuple(dict.fromkeys(found)), complete)

        def allowed(*asked: str) -> str:
            return _allowed(opened, namespace, *asked)

        asked = filter(None, at_once(allowed, kubernetes_client.EXAMPLES))
        return Rights(tuple(dict.fromkeys([*found, *asked])), complete)

    return observe(target, f"rights in {namespace}", deadline, ask)


def _rules(opened: Session, namespace: str) -> kubernetes_client.Rules:
    """Return what the cluster says that the account may do in a namespace."""
    spec = {"namespace": namespace}
    return opened.made(kubernetes_client.RulesReview, "SelfSubjectRulesReview", spec).status


def at_once(call: Callable[..., T], arguments: Iterable[Sequence[object]]) -> list[T]:
    """Return what several calls bring: one after the other they take too long where a cluster is far away."""
    with concurrent.futures.ThreadPoolExecutor(_CALLS_AT_ONCE) as pool:
        return list(pool.map(lambda one: call(*one), arguments))


def _allowed(
    opened: Session, namespace: str, verb: str, group: str, resource: str, subresource: str
) -> str:
    """Return what is asked for in words if the account may do it, else nothing."""
    attributes = {
        # A node belongs to no namespace.
        "namespace": "" if resource == "nodes" else namespace,
        "verb": verb,
        "group": group,
        "resource": resource,
        "subresource": subresource,
    }
    review = opened.made(
        kubernetes_client.AccessReview,
        "SelfSubjectAccessReview",
        {"resourceAttributes": attributes},
    )
    words = f"{verb} {resource}{subresource and '/'}{subresource}"
    return words if review.allowed else ""


def _is_ready(opened: Session) -> bool:
    try:
        opened.sent("GET", "/readyz")
    except FoundError as exc:
        if exc.failure.kind is FailureKind.SERVER_ERROR:
            return False
        raise
    return True


def _log(opened: Session, namespace: str, pod: str, container: str, tail: int) -> bytes | None:
    """Return a log's last lines; None where the container never started, or is gone."""
    path = path_of("v1", namespace, "pods", pod, "log")
    try:
        log = opened.sent("GET", path, container=container, tailLines=tail, limitBytes=_LOG_BYTES)
    except RefusedError as exc:
        if exc.status in (_BAD_REQUEST, 404):
            return None
        raise
    return None if REFUSAL.fullmatch(log) else log


def selector_of(labels: Mapping[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in labels.items())


def observe(
    target: KubernetesTarget, what: str, deadline: Deadline, ask: Callable[[Session], V]
) -> Observation[V]:
    def explain(exc: Exception) -> Failure | None:
        # Sending is the HTTP probe's; what pydantic refuses (a ValueError too) is not what the API promises.
        detail = f"{target.server} answers something that is not an answer of this API."
        wrong = isinstance(exc, ValueError)
        return Failure(FailureKind.UNUSABLE_ANSWER, detail) if wrong else None

    asked = f"{target.server} {what}"
    found = observed("kubernetes", asked, lambda _: ask(Session(target, deadline)), explain)
    return dataclasses.replace(found, phases={"calls": found.elapsed_seconds})

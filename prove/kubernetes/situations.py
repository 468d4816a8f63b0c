"""The situations that are recorded: what is done to a real cluster, and what it has to show then."""

from __future__ import annotations

import concurrent.futures
import functools
import json
import time
from collections.abc import Callable
from typing import Final

from prove.kubernetes.control_plane import Api, Json, wait_until
from prove.kubernetes.kubelets import Mode, all_ready
from prove.kubernetes.world import (
    APPS,
    CORE,
    NEW,
    OLD,
    World,
    asked,
    config_map,
    deleting,
    deployment,
    job,
    pod_spec,
    runs,
    service,
)
from sandbox.systems.cluster.state import (
    APP,
    CONFIG_MAP,
    CONFIG_WANTED,
    NAMESPACE,
    SERVICE,
    SERVICE_ACCOUNT,
)

_AT_ONCE = 16
_GONE, _TOO_MANY, _NOT_READY = 410, 429, 500
_TWO, _ALL, _QUOTA = 2, 3, 4


def _restarted(value: str) -> Json:
    """Return a patch that makes a new revision."""
    annotations = {"kubectl.kubernetes.io/restartedAt": value}
    return {"spec": {"template": {"metadata": {"annotations": annotations}}}}


def _patch(world: World, patch: Json, version: str = OLD) -> None:
    world.api.patch(f"{APPS}/deployments/{APP}-v{version}", patch)


def prepare(world: World, rbac: str) -> None:
    """Make the namespace, the gate's account, the cluster's own pods and what was deployed before."""
    world.api.post("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    world.kubectl("apply", "-f", "-", stdin=rbac)
    labels = {"k8s-app": "kube-dns"}
    dns = deployment("dns", 2, selector={"matchLabels": labels})
    dns["metadata"] = {"name": "coredns", "namespace": "kube-system", "labels": labels}
    container = {"name": "coredns", "image": "registry.example/coredns:1"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    dns["spec"]["template"] = template
    world.apply(config_map(), service(), deployment(OLD, 3))
    world.kubectl("-n", "kube-system", "apply", "-f", "-", stdin=json.dumps(dns))
    world.complete()


def gate(world: World) -> Api:
    """Return the server as the gate's account sees it, by a token of the usual kind."""
    token = world.kubectl("create", "token", SERVICE_ACCOUNT).strip()
    return Api(world.plane.url, world.plane.ca_file, token)


def healthy(world: World) -> None:
    """Record what is well, and what the gate's account is allowed and refused."""
    account = gate(world)
    reviews = "/apis/authorization.k8s.io/v1"
    rules = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview"}
    nobody = Api(world.plane.url, world.plane.ca_file, "nobody's")
    pod = world.pods()[0]["metadata"]["name"]
    attributes = {"namespace": NAMESPACE, "verb": "list", "resource": "secrets"}
    access = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
    world.record(
        "healthy",
        "three pods of v1.1.0 behind the Service, a rollout that is complete",
        asked(account, "GET", "/version/"),
        asked(account, "GET", "/readyz"),
        asked(
            account,
            "POST",
            f"{reviews}/selfsubjectrulesreviews",
            {**rules, "spec": {"namespace": NAMESPACE}},
        ),
        asked(
            account,
            "POST",
            f"{reviews}/selfsubjectrulesreviews",
            {**rules, "spec": {"namespace": "default"}},
        ),
        asked(
            account,
            "POST",
            f"{reviews}/selfsubjectaccessreviews",
            {**access, "spec": {"resourceAttributes": attributes}},
        ),
        asked(account, "GET", f"{CORE}/secrets"),
        asked(account, "GET", f"{CORE}/secrets/any"),
        asked(account, "DELETE", f"{CORE}/pods/{pod}"),
        asked(account, "GET", "/metrics"),
        asked(account, "GET", "/apis/apps/v1/namespaces/default/deployments"),
        asked(account, "GET", f"{CORE}/pods/{pod}/exec?command=id"),
        asked(account, "GET", "/api/v1/nobodys"),
        asked(account, "GET", f"{CORE}/configmaps/nobody"),
        asked(account, "GET", f"{CORE}/services/{SERVICE}"),
        asked(account, "GET", f"{CORE}/pods?labelSelector=a%3D%3D%3Db"),
        asked(account, "GET", f"{CORE}/pods/{pod}/log?container=nobody"),
        asked(nobody, "GET", f"{CORE}/pods"),
    )


def paging(world: World) -> None:
    """Record a first page, and a token that the server has forgotten."""
    account = gate(world)
    path = f"{CORE}/pods?limit=1"
    first = asked(account, "GET", path)
    token = first["body"]["metadata"]["continue"]
    answers = [first, asked(account, "GET", f"{path}&continue={token}")]
    again = f"{path}&continue={token}"
    wait_until(lambda: asked(account, "GET", again)["status"] == _GONE, "a compaction")
    world.record(
        "expired-continue", "a page's token is too old", *answers, asked(account, "GET", again)
    )


def throttling(world: World) -> None:
    """Record what priority and fairness answers where the gate's lists of pods get no seat."""
    flow = "/apis/flowcontrol.apiserver.k8s.io/v1"
    level, schema = _no_seat()
    world.api.post(f"{flow}/prioritylevelconfigurations", level)
    world.api.post(f"{flow}/flowschemas", schema)
    account, path = gate(world), f"{CORE}/pods"
    refused: dict[str, Json] = {}

    def two_waits() -> bool:
        """Ask many times at once: priority and fairness lets one in, however few seats there are."""
        with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
            answers = pool.map(lambda _: asked(account, "GET", path), range(_AT_ONCE))
            busy = [one for one in answers if one["status"] == _TOO_MANY]
        refused.update({one["headers"]["retry-after"]: one for one in busy})
        return len(refused) > 1

    wait_until(two_waits, "refusals with two different Retry-After")
    through = asked(account, "GET", f"{CORE}/services/{SERVICE}")
    means = "of many lists of pods at once some are refused with 429, and no other call is"
    world.record("throttled", means, *refused.values(), through)
    world.api.delete(f"{flow}/flowschemas/none")
    world.api.delete(f"{flow}/prioritylevelconfigurations/none")


def _no_seat() -> tuple[Json, Json]:
    """Return a priority level without seats, and the schema that sends the gate's lists of pods there."""
    limited = {
        "nominalConcurrencyShares": 0,
        "lendablePercent": 0,
        "borrowingLimitPercent": 0,
        "limitResponse": {"type": "Reject"},
    }
    account = {"namespace": NAMESPACE, "name": SERVICE_ACCOUNT}
    resource = {
        "verbs": ["list"],
        "apiGroups": [""],
        "resources": ["pods"],
        "namespaces": ["*"],
        "clusterScope": True,
    }
    rule = {
        "subjects": [{"kind": "ServiceAccount", "serviceAccount": account}],
        "resourceRules": [resource],
    }
    spec = {
        "priorityLevelConfiguration": {"name": "none"},
        "matchingPrecedence": 2,
        "rules": [rule],
    }
    level = {"metadata": {"name": "none"}, "spec": {"type": "Limited", "limited": limited}}
    return level, {"metadata": {"name": "none"}, "spec": spec}


def rolling(world: World) -> None:
    """Record a rolling update step by step: surge, pause, resume, undo."""
    ready = world.newcomers("running")
    _patch(world, _restarted("2026-01-01T00:00:00Z"))
    wait_until(lambda: world.status().get("updatedReplicas") == 1, "one new pod")
    world.four_run()
    world.record(
        "surge", "a rolling update: one new pod beside three old ones, Running and not ready"
    )
    new = [one["metadata"]["uid"] for one in world.pods() if one["metadata"]["uid"] not in ready]
    ready.update(new)
    wait_until(lambda: world.status().get("updatedReplicas") == _TWO, "the second new pod")
    world.four_run()
    world.record(
        "half-way", "one new pod is ready and one old pod gone, the next new one is not ready"
    )
    world.kubectl("rollout", "pause", f"deployment/{APP}-v{OLD}")
    world.record("paused", "kubectl rollout pause in the middle of it")
    world.kubectl("rollout", "resume", f"deployment/{APP}-v{OLD}")
    world.record("resumed", "kubectl rollout resume, and nothing has come of it yet")
    world.kubectl("rollout", "undo", f"deployment/{APP}-v{OLD}")
    time.sleep(1.5)
    world.record(
        "undo", "kubectl rollout undo in the middle of it: the first template is wanted again"
    )
    world.kubelets.mode = all_ready
    world.complete()
    world.record("undone", "the undo is complete, and is the third revision")
    world.kubectl("rollout", "pause", f"deployment/{APP}-v{OLD}")
    world.record("paused-complete", "paused, while everything that was wanted is there")
    world.kubectl("rollout", "resume", f"deployment/{APP}-v{OLD}")


def beside(world: World) -> None:
    """Record the release beside the version before, and the Service switched to it."""
    world.apply(deployment(NEW, 3))
    world.complete(NEW)
    world.record("beside", "three ready pods of v1.2.0 that the Service does not select yet")
    world.apply(service(NEW))
    world.record("switched", "the Service selects v1.2.0, both versions run")
    world.apply(service(NEW, selector={"app": APP}))
    world.record(
        "selects-app-alone", "the Service selects the app, so both versions' pods are behind it"
    )
    world.apply(service(NEW))
    world.kubectl("scale", f"deployment/{APP}-v{OLD}", "--replicas=0")
    world.complete(OLD)
    world.record("scaled-to-zero", "v1.1.0 is scaled to 0, v1.2.0 has the traffic")


def troubled_pods(world: World) -> None:
    """Record pods that never start, crash, find no node, are evicted, end slowly; v1.2.0 is live."""
    for mode, name, means in (
        ("pull", "image-pull-back-off", "a new pod can't pull its image"),
        ("crash", "crash-loop", "a new pod crashes again and again"),
    ):
        world.newcomers(mode)
        world.kubectl("scale", f"deployment/{APP}-v{NEW}", "--replicas=4")
        world.four_run()
        world.record(name, means)
        world.kubectl("scale", f"deployment/{APP}-v{NEW}", "--replicas=3")
        world.kubelets.mode = all_ready
        world.complete(NEW)
    victim = world.pods()[0]["metadata"]["uid"]
    world.kubelets.mode = lambda pod: "evicted" if pod["metadata"]["uid"] == victim else "ready"
    # A pod that is ready stays so until its kubelet says otherwise.
    wait_until(lambda: any(one["status"]["phase"] == "Failed" for one in world.pods()), "eviction")
    world.kubelets.mode = all_ready
    world.kubectl("rollout", "status", f"deployment/{APP}-v{NEW}", "--timeout=60s")
    time.sleep(1.5)
    world.record(
        "evicted", "a node evicted one pod for its memory; it stays Failed beside its replacement"
    )
    failed = [one for one in world.pods() if one["status"]["phase"] == "Failed"]
    for one in failed:
        world.api.delete(f"{CORE}/pods/{one['metadata']['name']}")


def terminating(world: World) -> None:
    """Record a pod that ends slowly, and one that kubectl drain's eviction ends."""
    world.kubelets.keeps_terminating = True
    pods = [one["metadata"]["name"] for one in world.pods()]
    world.api.delete(f"{CORE}/pods/{pods[0]}")
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pods[1]}}
    world.api.post(f"{CORE}/pods/{pods[1]}/eviction", eviction)
    wait_until(lambda: world.status(NEW).get("readyReplicas") == _ALL, "replacements")
    world.record(
        "terminating",
        "two pods end slowly, one deleted and one evicted by the API; both still answer",
    )
    world.kubelets.keeps_terminating = False
    world.complete(NEW)


def jobs(world: World) -> None:
    """Record Jobs' pods with the app's labels: behind the Service while they run, then over."""
    world.apply(job("migrate", NEW))
    wait_until(lambda: any(runs(one) and _of_job(one) for one in world.pods()), "its pod runs")
    world.record("job-pod", "a Job's pod carries the app's labels and is behind the Service")
    _end(world, "succeeded")
    world.apply(job("nightly", NEW))
    _end(world, "failed")
    world.kubelets.mode = all_ready
    world.record("jobs-over", "one Job's pod has Succeeded, another's has Failed")
    world.kubectl("delete", "job", "migrate", "nightly")
    world.complete(NEW)


def _of_job(pod: Json) -> bool:
    return any(one["kind"] == "Job" for one in pod["metadata"].get("ownerReferences", ()))


def _end(world: World, mode: Mode) -> None:
    """Let the Jobs' pods that run end so."""
    world.kubelets.mode = lambda pod: mode if _of_job(pod) else "ready"
    phase = mode.capitalize()
    wait_until(
        lambda: any(one["status"]["phase"] == phase and _of_job(one) for one in world.pods()), phase
    )


def quotas(world: World) -> None:
    """Record a quota that lets no more pods in, and what it answers."""
    hard = {"pods": "4", "requests.cpu": "10"}
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "team"},
        "spec": {"hard": hard},
    }
    world.apply(quota)
    wait_until(
        lambda: world.api.get(f"{CORE}/resourcequotas/team").get("status", {}).get("used"), "use"
    )
    world.kubectl("scale", f"deployment/{APP}-v{NEW}", "--replicas=6")
    wait_until(lambda: world.status(NEW).get("readyReplicas") == _QUOTA, "four pods")
    wait_until(lambda: "FailedCreate" in json.dumps(world.status(NEW)), "the refusal")
    pod = {"metadata": {"name": "one-more"}, "spec": pod_spec(NEW)}
    world.record(
        "quota",
        "six pods are wanted, a quota lets four in",
        asked(world.api, "POST", f"{CORE}/pods", pod),
    )
    world.kubectl("delete", "resourcequota", "team")
    world.kubectl("scale", f"deployment/{APP}-v{NEW}", "--replicas=3")
    world.complete(NEW)


def unschedulable(world: World) -> None:
    """Record a pod that finds no node, and the deadline that passes over it."""
    spec = pod_spec(NEW)
    spec["containers"][0]["resources"]["requests"]["cpu"] = "100"
    template = {**_restarted("2026-01-01T00:00:00Z")["spec"]["template"], "spec": spec}
    _patch(world, {"spec": {"progressDeadlineSeconds": 4, "template": template}}, NEW)
    wait_until(lambda: "ProgressDeadlineExceeded" in json.dumps(world.status(NEW)), "the deadline")
    world.record(
        "deadline-exceeded", "the new revision's pod finds no node, and the deadline has passed"
    )
    world.kubectl("rollout", "undo", f"deployment/{APP}-v{NEW}")
    world.complete(NEW)
    _patch(world, {"spec": {"progressDeadlineSeconds": 300}}, NEW)


def endpoints(world: World) -> None:
    """Record what EndpointSlices become of Services that do not fit their pods."""
    for name, spec, means in (
        (
            "port-missing",
            {"ports": [{"name": "http", "port": 80, "targetPort": "web"}]},
            "the targetPort is a name that no pod has",
        ),
        ("selects-nothing", {"selector": {"app": "nobody"}}, "the Service selects no pod"),
    ):
        world.kubectl("delete", "service", SERVICE)
        world.apply(service(NEW, **spec))
        time.sleep(1.5)
        world.record(name, means)
    world.kubectl("delete", "service", SERVICE)
    time.sleep(1.5)
    world.record("no-service", "the Service is gone")
    world.apply(service(NEW, publishNotReadyAddresses=True))
    world.newcomers("running")
    world.kubectl("scale", f"deployment/{APP}-v{NEW}", "--replicas=4")
    world.four_run()
    world.record(
        "publish-not-ready",
        "publishNotReadyAddresses: a pod that is not ready is behind the Service",
    )
    world.kubectl("delete", "service", SERVICE)
    world.apply(service(NEW))
    world.record("not-ready", "the fourth pod is Running and not ready")
    world.kubelets.mode = all_ready
    world.kubectl("scale", f"deployment/{APP}-v{NEW}", "--replicas=3")
    world.complete(NEW)


_PATCH = ("patch", "configmap", CONFIG_MAP)
_LABELLED = config_map(CONFIG_WANTED, labels={"team": "clinic"})
_REMOVAL = '[{"op":"remove","path":"/data/SESSION_MINUTES"}]'
_CHANGES: Final[tuple[tuple[str, str, tuple[str, ...], Json], ...]] = (
    ("applied", "kubectl apply of other values", ("apply",), config_map(CONFIG_WANTED)),
    ("labelled", "kubectl apply that changes a label alone", ("apply",), _LABELLED),
    ("annotated", "kubectl annotate", ("annotate", "configmap", CONFIG_MAP, "note=seen"), {}),
    ("patched", "a patch of one value", (*_PATCH, "-p", '{"data":{"LOG_LEVEL":"debug"}}'), {}),
    (
        "patched-back",
        "the same value patched back",
        (*_PATCH, "-p", '{"data":{"LOG_LEVEL":"info"}}'),
        {},
    ),
    ("key-removed", "a JSON patch removes a key", (*_PATCH, "--type=json", "-p", _REMOVAL), {}),
    (
        "server-side",
        "kubectl apply --server-side of the values before",
        ("apply", "--server-side", "--force-conflicts"),
        config_map(),
    ),
)


def config_maps(world: World) -> None:
    """Record one ConfigMap after each of the ways in which people change one."""
    for name, means, command, applied in _CHANGES:
        time.sleep(2.1)
        files = ("-f", "-") if applied else ()
        world.kubectl(*command, *files, stdin=json.dumps(applied))
        found = world.api.get(f"{CORE}/configmaps/{CONFIG_MAP}")
        head = {"kind": f"{found.pop('kind')}List", "apiVersion": found.pop("apiVersion")}
        lists = {"configmaps": {**head, "metadata": {}, "items": [found]}}
        world.recordings[f"config-{name}"] = {"means": means, "lists": lists, "answers": []}
    world.kubectl("delete", "configmap", CONFIG_MAP)
    world.apply(config_map())


def stateful(world: World) -> None:
    """Record an app that a StatefulSet runs, and its update."""
    name, labels = f"{APP}-set", {"app": APP, "version": "v1.3.0"}
    spec = deployment("1.3.0", 2)["spec"]
    del spec["progressDeadlineSeconds"]
    world.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
            "spec": {**spec, "serviceName": SERVICE},
        }
    )
    path = f"{APPS}/statefulsets/{name}"
    world.kubectl("rollout", "status", f"statefulset/{name}", "--timeout=60s")
    world.record("stateful-set", "two pods of v1.3.0 are a StatefulSet's")
    world.newcomers("running")
    world.api.patch(path, _restarted("2026-01-01T00:00:00Z"))
    wait_until(lambda: world.api.get(path)["status"].get("updatedReplicas") == 1, "its update")
    world.record(
        "stateful-set-updating", "a StatefulSet's rolling update: its last pod is new and not ready"
    )
    world.kubelets.mode = all_ready
    world.kubectl("rollout", "status", f"statefulset/{name}", "--timeout=60s")
    world.record("stateful-set-updated", "the same update, complete")
    world.kubectl("delete", "statefulset", name)
    world.complete(NEW)


def orphans(world: World) -> None:
    """Record pods whose Deployment is gone."""
    world.kubectl("delete", "deployment", f"{APP}-v{NEW}", "--cascade=orphan")
    time.sleep(1.0)
    world.record(
        "orphaned", "the Deployment was deleted with --cascade=orphan; its ReplicaSet runs on"
    )
    world.apply(deployment(NEW, 3))
    world.complete(NEW)


def nodes(world: World) -> None:
    """Record a node that is full, one that is cordoned, and one whose kubelet is lost."""
    world.kubelets.full = {"node-a"}
    wait_until(
        lambda: "disk-pressure" in json.dumps(world.api.get("/api/v1/nodes/node-a")), "its taint"
    )
    world.record("disk-pressure", "a node's disk is nearly full")
    world.kubelets.full = set()
    world.kubectl("cordon", "node-b")
    world.record("cordoned", "kubectl cordon of a node")
    world.kubectl("uncordon", "node-b")
    lost = world.pods()[0]["spec"]["nodeName"]
    world.kubelets.silent = {lost}
    wait_until(
        lambda: "NoExecute" in json.dumps(world.api.get(f"/api/v1/nodes/{lost}")), "its taints"
    )
    time.sleep(3)
    world.record("lost-node", "a node's kubelet has stopped posting; its pods are not ready")
    soon = [
        {
            "key": f"node.kubernetes.io/{key}",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": 3,
        }
        for key in ("not-ready", "unreachable")
    ]
    world.kubelets.silent = set()
    time.sleep(3)
    _patch(world, {"spec": {"template": {"spec": {"tolerations": soon}}}}, NEW)
    world.complete(NEW)
    lost = next(one["spec"]["nodeName"] for one in world.pods())
    world.kubelets.silent = {lost}
    wait_until(lambda: any(deleting(one) for one in world.pods()), "the eviction by taint")
    wait_until(lambda: world.status(NEW).get("readyReplicas") == _ALL, "its replacement")
    world.record(
        "lost-node-evicted",
        "the lost node's pods are to end (tolerationSeconds 3), and were replaced",
    )
    world.kubelets.silent = set()
    world.complete(NEW)


def blind(world: World) -> None:
    """Record what /readyz says without etcd; nothing can be recorded after that."""
    world.kubelets.stop()
    world.plane.process("etcd").kill()
    asks = functools.partial(asked, world.api, "GET", "/readyz")
    wait_until(lambda: asks()["status"] == _NOT_READY, "not ready")
    world.recordings["without-etcd"] = {"means": "etcd is gone", "lists": {}, "answers": [asks()]}


STEPS: Final[tuple[Callable[[World], None], ...]] = (
    healthy,
    paging,
    throttling,
    rolling,
    beside,
    troubled_pods,
    terminating,
    jobs,
    quotas,
    unschedulable,
    endpoints,
    config_maps,
    stateful,
    orphans,
    nodes,
    blind,
)

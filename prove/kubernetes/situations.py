"""The situations that are recorded: what is done to a real cluster, and what it has to show then."""

from __future__ import annotations

import concurrent.futures
import functools
import json
import time
from collections.abc import Callable
from typing import Final

from prove.kubernetes.control_plane import Api, Json
from prove.kubernetes.kubelets import Mode, all_ready
from prove.kubernetes.world import (
    APPS,
    CORE,
    MEANS,
    NEW,
    OLD,
    World,
    asked,
    config_map,
    deleting,
    deployment,
    manifest,
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
from tests.probes.servers import wait_until

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
    world.apply(config_map(), service(), deployment(OLD, 3))
    world.kubectl("-n", "kube-system", "apply", "-f", "-", stdin=json.dumps(manifest("dns")))
    world.complete()


def gate(world: World) -> Api:
    """Return the server as the gate's account sees it, by a token of the usual kind."""
    token = world.kubectl("create", "token", SERVICE_ACCOUNT).strip()
    return Api(world.plane.url, world.plane.ca_file, token)


def healthy(world: World) -> None:
    """Record what is well, and what the gate's account is allowed and refused."""
    account, nobody = gate(world), Api(world.plane.url, world.plane.ca_file, "nobody's")
    pod = world.pods()[0]["metadata"]["name"]
    attributes = {"namespace": NAMESPACE, "verb": "list", "resource": "secrets"}
    world.record(
        "healthy",
        *(asked(account, "GET", path) for path in ("/version/", "/readyz")),
        *(_reviewed(account, "Rules", {"namespace": name}) for name in (NAMESPACE, "default")),
        _reviewed(account, "Access", {"resourceAttributes": attributes}),
        *(asked(account, "GET", f"{CORE}/secrets{name}") for name in ("", "/any")),
        asked(account, "DELETE", f"{CORE}/pods/{pod}"),
        *(
            asked(account, "GET", path)
            for path in (
                "/metrics",
                "/apis/apps/v1/namespaces/default/deployments",
                f"{CORE}/pods/{pod}/exec?command=id",
                "/api/v1/nobodys",
                f"{CORE}/configmaps/nobody",
                f"{CORE}/services/{SERVICE}",
                f"{CORE}/pods?labelSelector=a%3D%3D%3Db",
                f"{CORE}/pods/{pod}/log?container=nobody",
            )
        ),
        asked(nobody, "GET", f"{CORE}/pods"),
    )


def _reviewed(account: Api, what: str, spec: Json) -> Json:
    """Ask which rights the account itself has."""
    kind, group = f"SelfSubject{what}Review", "authorization.k8s.io/v1"
    body = {"apiVersion": group, "kind": kind, "spec": spec}
    return asked(account, "POST", f"/apis/{group}/{kind.lower()}s", body)


def paging(world: World) -> None:
    """Record a first page, and a token that the server has forgotten."""
    account = gate(world)
    path = f"{CORE}/pods?limit=1"
    first = asked(account, "GET", path)
    token = first["body"]["metadata"]["continue"]
    answers = [first, asked(account, "GET", f"{path}&continue={token}")]
    again = f"{path}&continue={token}"
    wait_until(lambda: asked(account, "GET", again)["status"] == _GONE, "a compaction")
    world.record("expired-continue", *answers, asked(account, "GET", again))


def throttling(world: World) -> None:
    """Record what priority and fairness answers where the gate's lists of pods get no seat."""
    flow = "/apis/flowcontrol.apiserver.k8s.io/v1"
    world.api.post(f"{flow}/prioritylevelconfigurations", manifest("priority-level"))
    world.api.post(f"{flow}/flowschemas", manifest("flow-schema"))
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
    world.record("throttled", *refused.values(), through)
    world.api.delete(f"{flow}/flowschemas/none")
    world.api.delete(f"{flow}/prioritylevelconfigurations/none")


def rolling(world: World) -> None:
    """Record a rolling update step by step: surge, pause, resume, undo."""
    ready = world.newcomers("running")
    _patch(world, _restarted("2026-01-01T00:00:00Z"))
    wait_until(lambda: world.status().get("updatedReplicas") == 1, "one new pod")
    world.four_run()
    world.record("surge")
    new = [one["metadata"]["uid"] for one in world.pods() if one["metadata"]["uid"] not in ready]
    ready.update(new)
    wait_until(lambda: world.status().get("updatedReplicas") == _TWO, "the second new pod")
    world.four_run()
    world.record("half-way")
    world.kubectl("rollout", "pause", f"deployment/{APP}-v{OLD}")
    world.record("paused")
    world.kubectl("rollout", "resume", f"deployment/{APP}-v{OLD}")
    world.record("resumed")
    world.kubectl("rollout", "undo", f"deployment/{APP}-v{OLD}")
    time.sleep(1.5)
    world.record("undo")
    world.kubelets.mode = all_ready
    world.complete()
    world.record("undone")
    world.kubectl("rollout", "pause", f"deployment/{APP}-v{OLD}")
    world.record("paused-complete")
    world.kubectl("rollout", "resume", f"deployment/{APP}-v{OLD}")


def beside(world: World) -> None:
    """Record the release beside the version before, and the Service switched to it."""
    world.apply(deployment(NEW, 3))
    world.complete(NEW)
    world.record("beside")
    world.apply(service(NEW))
    world.record("switched")
    world.apply(service(NEW, selector={"app": APP}))
    world.record("selects-app-alone")
    world.apply(service(NEW))
    world.kubectl("scale", f"deployment/{APP}-v{OLD}", "--replicas=0")
    world.complete(OLD)
    world.record("scaled-to-zero")


def troubled_pods(world: World) -> None:
    """Record pods that never start, crash, find no node, are evicted, end slowly; v1.2.0 is live."""
    for mode, name in (("pull", "image-pull-back-off"), ("crash", "crash-loop")):
        world.newcomers(mode)
        world.kubectl("scale", f"deployment/{APP}-v{NEW}", "--replicas=4")
        world.four_run()
        world.record(name)
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
    world.record("evicted")
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
    world.record("terminating")
    world.kubelets.keeps_terminating = False
    world.complete(NEW)


def jobs(world: World) -> None:
    """Record Jobs' pods with the app's labels: behind the Service while they run, then over."""
    world.apply(manifest("job", NEW, name="migrate"))
    wait_until(lambda: any(runs(one) and _of_job(one) for one in world.pods()), "its pod runs")
    world.record("job-pod")
    _end(world, "succeeded")
    world.apply(manifest("job", NEW, name="nightly"))
    _end(world, "failed")
    world.kubelets.mode = all_ready
    world.record("jobs-over")
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
    world.apply(manifest("quota"))
    wait_until(
        lambda: world.api.get(f"{CORE}/resourcequotas/team").get("status", {}).get("used"), "use"
    )
    world.kubectl("scale", f"deployment/{APP}-v{NEW}", "--replicas=6")
    wait_until(lambda: world.status(NEW).get("readyReplicas") == _QUOTA, "four pods")
    wait_until(lambda: "FailedCreate" in json.dumps(world.status(NEW)), "the refusal")
    pod = {"metadata": {"name": "one-more"}, "spec": manifest("pod", NEW)}
    world.record("quota", asked(world.api, "POST", f"{CORE}/pods", pod))
    world.kubectl("delete", "resourcequota", "team")
    world.kubectl("scale", f"deployment/{APP}-v{NEW}", "--replicas=3")
    world.complete(NEW)


def unschedulable(world: World) -> None:
    """Record a pod that finds no node, and the deadline that passes over it."""
    spec = manifest("pod", NEW)
    spec["containers"][0]["resources"]["requests"]["cpu"] = "100"
    template = {**_restarted("2026-01-01T00:00:00Z")["spec"]["template"], "spec": spec}
    _patch(world, {"spec": {"progressDeadlineSeconds": 4, "template": template}}, NEW)
    wait_until(lambda: "ProgressDeadlineExceeded" in json.dumps(world.status(NEW)), "the deadline")
    world.record("deadline-exceeded")
    world.kubectl("rollout", "undo", f"deployment/{APP}-v{NEW}")
    world.complete(NEW)
    _patch(world, {"spec": {"progressDeadlineSeconds": 300}}, NEW)


def endpoints(world: World) -> None:
    """Record what EndpointSlices become of Services that do not fit their pods."""
    ports = [{"name": "http", "port": 80, "targetPort": "web"}]
    for name, spec in (
        ("port-missing", {"ports": ports}),
        ("selects-nothing", {"selector": {"app": "nobody"}}),
    ):
        world.kubectl("delete", "service", SERVICE)
        world.apply(service(NEW, **spec))
        time.sleep(1.5)
        world.record(name)
    world.kubectl("delete", "service", SERVICE)
    time.sleep(1.5)
    world.record("no-service")
    world.apply(service(NEW, publishNotReadyAddresses=True))
    world.newcomers("running")
    world.kubectl("scale", f"deployment/{APP}-v{NEW}", "--replicas=4")
    world.four_run()
    world.record("publish-not-ready")
    world.kubectl("delete", "service", SERVICE)
    world.apply(service(NEW))
    world.record("not-ready")
    world.kubelets.mode = all_ready
    world.kubectl("scale", f"deployment/{APP}-v{NEW}", "--replicas=3")
    world.complete(NEW)


_PATCH = ("patch", "configmap", CONFIG_MAP)
_LABELLED = config_map(CONFIG_WANTED, labels={"team": "clinic"})
_REMOVAL = '[{"op":"remove","path":"/data/SESSION_MINUTES"}]'
_CHANGES: Final[tuple[tuple[str, tuple[str, ...], Json], ...]] = (
    ("applied", ("apply",), config_map(CONFIG_WANTED)),
    ("labelled", ("apply",), _LABELLED),
    ("annotated", ("annotate", "configmap", CONFIG_MAP, "note=seen"), {}),
    ("patched", (*_PATCH, "-p", '{"data":{"LOG_LEVEL":"debug"}}'), {}),
    (
        "patched-back",
        (*_PATCH, "-p", '{"data":{"LOG_LEVEL":"info"}}'),
        {},
    ),
    ("key-removed", (*_PATCH, "--type=json", "-p", _REMOVAL), {}),
    (
        "server-side",
        ("apply", "--server-side", "--force-conflicts"),
        config_map(),
    ),
)


def config_maps(world: World) -> None:
    """Record one ConfigMap after each of the ways in which people change one."""
    for name, command, applied in _CHANGES:
        time.sleep(2.1)
        files = ("-f", "-") if applied else ()
        world.kubectl(*command, *files, stdin=json.dumps(applied))
        found = world.api.get(f"{CORE}/configmaps/{CONFIG_MAP}")
        head = {"kind": f"{found.pop('kind')}List", "apiVersion": found.pop("apiVersion")}
        lists = {"configmaps": {**head, "metadata": {}, "items": [found]}}
        means = MEANS[f"config-{name}"]
        world.recordings[f"config-{name}"] = {"means": means, "lists": lists, "answers": []}
    world.kubectl("delete", "configmap", CONFIG_MAP)
    world.apply(config_map())


def stateful(world: World) -> None:
    """Record an app that a StatefulSet runs, and its update."""
    name = f"{APP}-set"
    world.apply(manifest("stateful-set", "1.3.0"))
    path = f"{APPS}/statefulsets/{name}"
    world.kubectl("rollout", "status", f"statefulset/{name}", "--timeout=60s")
    world.record("stateful-set")
    world.newcomers("running")
    world.api.patch(path, _restarted("2026-01-01T00:00:00Z"))
    wait_until(lambda: world.api.get(path)["status"].get("updatedReplicas") == 1, "its update")
    world.record("stateful-set-updating")
    world.kubelets.mode = all_ready
    world.kubectl("rollout", "status", f"statefulset/{name}", "--timeout=60s")
    world.record("stateful-set-updated")
    world.kubectl("delete", "statefulset", name)
    world.complete(NEW)


def orphans(world: World) -> None:
    """Record pods whose Deployment is gone."""
    world.kubectl("delete", "deployment", f"{APP}-v{NEW}", "--cascade=orphan")
    time.sleep(1.0)
    world.record("orphaned")
    world.apply(deployment(NEW, 3))
    world.complete(NEW)


def nodes(world: World) -> None:
    """Record a node that is full, one that is cordoned, and one whose kubelet is lost."""
    world.kubelets.full = {"node-a"}
    wait_until(
        lambda: "disk-pressure" in json.dumps(world.api.get("/api/v1/nodes/node-a")), "its taint"
    )
    world.record("disk-pressure")
    world.kubelets.full = set()
    world.kubectl("cordon", "node-b")
    world.record("cordoned")
    world.kubectl("uncordon", "node-b")
    lost = world.pods()[0]["spec"]["nodeName"]
    world.kubelets.silent = {lost}
    wait_until(
        lambda: "NoExecute" in json.dumps(world.api.get(f"/api/v1/nodes/{lost}")), "its taints"
    )
    time.sleep(3)
    world.record("lost-node")
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
    world.record("lost-node-evicted")
    world.kubelets.silent = set()
    world.complete(NEW)


def blind(world: World) -> None:
    """Record what /readyz says without etcd; nothing can be recorded after that."""
    world.kubelets.stop()
    world.plane.process("etcd").kill()
    asks = functools.partial(asked, world.api, "GET", "/readyz")
    wait_until(lambda: asks()["status"] == _NOT_READY, "not ready")
    world.recordings["without-etcd"] = {
        "means": MEANS["without-etcd"],
        "lists": {},
        "answers": [asks()],
    }


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

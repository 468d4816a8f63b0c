"""What is said of an app as an API server tells of it: its answers, through the reading and the rules."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from gates.decide.judgement import Judgement, outcome_of
from gates.decide.outcome import Meaning, Outcome
from probes.kubernetes import models as kubernetes_models
from probes.kubernetes import reading
from probes.kubernetes.objects import LogLevels, Pod, Traffic, Workload
from settings.cluster import Kubernetes
from steps.cluster import cluster_rules, pod_rules, rules
from steps.cluster.clusters import Clusters
from steps.cluster.rules import Look
from steps.kit.expect import expect, unable
from steps.kit.settling import Ended, Progress, Settled
from tests.golden import Said
from tests.steps.cluster_platform import a_cluster_platform, section
from tests.tables import cases

Json = dict[str, Any]
NEW, OLD = "v1.2.0", "v1.1.0"
SECTION = Kubernetes.model_validate(section())
APP, API = SECTION.image, SECTION.container
DIGEST, OTHER = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
RELEASED: pod_rules.Digests = {APP: frozenset({DIGEST})}


def model(kind: str, document: Json) -> Any:
    return getattr(kubernetes_models, kind).model_validate_json(json.dumps(document))


def owned(name: str, owner: str = "", **more: Any) -> Json:
    """Return metadata; an owner is written `Kind name`, and its uid is the same."""
    metadata: Json = {"name": name, "uid": name, "labels": {"app": "api"}, **more}
    kind, _, named = owner.partition(" ")
    reference = {"apiVersion": "apps/v1", "kind": kind, "name": named, "uid": named}
    metadata["ownerReferences"] = [{**reference, "controller": True}] if owner else []
    return metadata


def template(version: str | None) -> Json:
    labels = {"app": "api", **({"version": version} if version else {})}
    containers = [{"name": API, "image": f"r.example/{APP}:{version}"}]
    return {"metadata": {"labels": labels}, "spec": {"containers": containers}}


def a_deployment(
    version: str | None = NEW, updated: int = 3, available: int = 3, **spec: Any
) -> Json:
    counts = {"replicas": 3, "updatedReplicas": updated, "availableReplicas": available}
    return {
        "metadata": owned("api", generation=2),
        "spec": {"replicas": 3, "selector": {}, "template": template(version), **spec},
        "status": {"observedGeneration": 2, **counts},
    }


def a_set(name: str = "api-7d9", owner: str = "Deployment api", version: str = NEW) -> Json:
    spec = {"replicas": 3, "selector": {}, "template": template(version)}
    return {"metadata": owned(name, owner), "spec": spec, "status": {"replicas": 3}}


def a_stateful_set(updated: int = 3) -> Json:
    told = a_deployment(updated=updated, serviceName="api")
    return {**told, "metadata": owned("api-set", generation=2)}


def a_pod(name: str, owner: str = "ReplicaSet api-7d9", **status: Any) -> Json:
    """Return a pod; beside its status: labelled version, deleted, ready, image and init container."""
    metadata = owned(name, owner)
    metadata["labels"]["version"] = status.pop("version", NEW)
    metadata["deletionTimestamp"] = status.pop("deleted", None)
    spec, ready = template(NEW)["spec"], status.pop("ready", True)
    container = {
        "name": API,
        "image": "x",
        "imageID": status.pop("image", f"r.example/api@{DIGEST}"),
        "ready": ready,
        "restartCount": 0,
        "state": {"running": {"startedAt": "2026-01-31T22:00:00Z"}},
    }
    if "initContainerStatuses" in status:
        spec = {**spec, "initContainers": [{"name": "wait-for-db", "image": "busybox"}]}
    conditions = [{"type": "Ready", "status": str(ready)}]
    told = {"phase": "Running", "conditions": conditions, "containerStatuses": [container]}
    return {"metadata": metadata, "spec": spec, "status": {**told, **status}}


def with_init(restarts: int, **state: Json) -> Json:
    """Return a pod whose init container has restarted so often."""
    status = {"name": "wait-for-db", "image": "busybox", "imageID": "x", "ready": True}
    waits: Json = {"phase": "Pending", "ready": False} if "waiting" in state else {}
    told = [{**status, "restartCount": restarts, "state": state}]
    return a_pod("api-7d9-2", initContainerStatuses=told, **waits)


THREE = [a_pod(f"api-7d9-{number}") for number in range(3)]
BEFORE = [a_pod(f"api-6c8-{n}", "ReplicaSet api-6c8", version=OLD) for n in range(3)]
RELABELLED = [a_pod(f"x{n}", "ReplicaSet api-6c8", version=NEW) for n in range(3)]
A_JOBS = a_pod("migrate-x", "Job migrate")
BOTH_SETS = [a_set(), a_set("api-6c8", version=OLD)]
OF_A_SET = [a_pod(f"api-{number}", "StatefulSet api-set") for number in range(3)]
OVER: Json = {"phase": "Failed", "ready": False, "containerStatuses": []}


def behind(*pods: Json) -> Json:
    endpoints = [
        {
            "addresses": [f"10.0.0.{number}"],
            "conditions": {"ready": True, "serving": True, "terminating": False},
            "targetRef": {"kind": "Pod", **{key: one["metadata"][key] for key in ("name", "uid")}},
        }
        for number, one in enumerate(pods)
    ]
    return {"addressType": "IPv4", "ports": [{"port": 8080}], "endpoints": endpoints or None}


def a_look(
    *pods: Json,
    served: Sequence[Json] | None = None,
    runs: Sequence[Json] | None = None,
    sets: Sequence[Json] | None = None,
    stateful: Sequence[Json] = (),
    **traffic: Any,
) -> Look:
    """Return a look at these pods, or at three that are well; all are behind the Service, if not told."""
    shown = pods or THREE
    label = SECTION.version_label
    workloads = (
        *(reading.workload(model("Deployment", one), label) for one in runs or ()),
        *(reading.workload(model("Deployment", one), label, "StatefulSet") for one in stateful),
    )
    if runs is None and not stateful:
        workloads = (reading.workload(model("Deployment", a_deployment()), label),)
    models = [model("Pod", one) for one in shown]
    replica_sets = [model("Deployment", one) for one in (sets or [a_set()])]
    slices = [model("EndpointSlice", behind(*(shown if served is None else served)))]
    endpoints = reading.endpoints(slices, has_ports=True)
    told = {"found": True, "selector": {"app": "api", label: NEW}, **traffic}
    joined = reading.pods(models, replica_sets, workloads, label)
    return Look(Workload(workloads, joined), Traffic(endpoints=endpoints, **told), SECTION, NEW)


def settled(look: Look) -> Settled[Look]:
    return Settled(look, Ended.DONE, 0.0)


ASPECTS: dict[str, Callable[[Look], Iterable[Judgement]]] = {
    "rollout": lambda look: [rules.rolled_out(settled(look), (NEW,), 3)],
    "pods": lambda look: [rules.running(settled(look), (NEW,), 3)],
    "restarts": lambda look: [rules.restarts(look, (NEW,), {})],
    "failed": lambda look: [rules.unfailed(look)],
    "images": lambda look: pod_rules.images_judged(look.pods((NEW,)), API, APP, RELEASED),
    "way": lambda look: cluster_rules.switched(settled(look)),
    "kept": lambda look: [cluster_rules.kept(settled(look), 3)],
}


def not_passed(look: Look) -> Json:
    """Return what each aspect finds where not all is good, and how far the rollout is unless it is done."""
    noted = {name: tuple(judge(look)) for name, judge in ASPECTS.items()}
    said = {name: found for name, found in noted.items() if outcome_of(found) is not Outcome.PASS}
    state = rules.progress(look, (NEW,), 3)
    return said if state is Progress.DONE else {**said, "progress": state.name}


def with_one(**pod: Any) -> Look:
    """Return a look at three pods, the third of which is otherwise."""
    return a_look(*THREE[:2], a_pod("x", **pod))


def beside(*others: Json) -> Look:
    """Return a look at three pods that are well and have the traffic, and others."""
    return a_look(*THREE, *others, served=THREE)


UNSCHEDULED = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
NO_NODE: Json = {"phase": "Pending", "containerStatuses": None, "conditions": [UNSCHEDULED]}
ENDED_WELL = {"exitCode": 0, "reason": "Completed"}
WELL = {
    "three pods": a_look(),
    "a job's pod with the app's labels": beside(A_JOBS),
    "a failed job": beside(a_pod("x", "Job x", **OVER)),
    "a job that waits for a node": beside(a_pod("x", "Job x", **{**OVER, "phase": "Pending"})),
    "a pod of nobody": beside(a_pod("debug", "")),
    "a pod that ended with its node": beside(a_pod("x", **{**OVER, "phase": "Succeeded"})),
    **{
        reason: beside(a_pod("x", **OVER, reason=reason))
        for reason in ("Terminated", "NodeShutdown", "Preempting", "OutOfcpu")
    },
    "a Service that selects no version": a_look(selector={"app": "api"}),
    "paused after it was complete": a_look(runs=[a_deployment(paused=True)]),
    "a StatefulSet": a_look(*OF_A_SET, stateful=[a_stateful_set()]),
    "an init container that tried again and ended well": a_look(
        *THREE[:2], with_init(1, terminated=ENDED_WELL)
    ),
}


@cases("look", WELL)
def test_what_is_well_passes(look: Look) -> None:
    assert not_passed(look) == {}


@cases(
    "look",
    {
        "a job's pod behind the Service": a_look(*THREE, A_JOBS),
        "a job's pod does not make up for one that is missing": a_look(*THREE[:2], A_JOBS),
        "pods that are not listed yet are waited for; traffic needs as many as run normally": a_look(
            THREE[0]
        ),
        "who relabels a pod does not change what runs in it": a_look(*RELABELLED, sets=BOTH_SETS),
        "kubectl delete deployment --cascade=orphan leaves pods of nobody": a_look(
            runs=[], sets=[a_set(owner="")]
        ),
        "an evicted pod was replaced and holds nothing up": beside(
            a_pod("api-7d9-9", **OVER, reason="Evicted")
        ),
        "a StatefulSet whose partition holds pods back": a_look(
            *OF_A_SET, stateful=[a_stateful_set(updated=1)]
        ),
        "an old pod behind a Service that selects no version": a_look(
            *THREE, BEFORE[0], sets=BOTH_SETS, selector={"app": "api"}
        ),
        "slices that outlive their Service": a_look(found=False, selector={}),
        "a Service that publishes pods which are not ready": a_look(
            *THREE, a_pod("api-7d9-9", ready=False), publishes_unready=True
        ),
        "a pod that ends": a_look(*THREE, a_pod("api-7d9-9", deleted="2026-01-31T22:10:00Z")),
        "a sidecar that restarted": a_look(
            *THREE[:2], with_init(1, running={"startedAt": "2026-01-31T22:00:00Z"})
        ),
        "an init container that waits by failing gets its time": a_look(
            *THREE[:2], with_init(3, waiting={"reason": "CrashLoopBackOff"})
        ),
        "a pod that found no node has started nothing": with_one(**NO_NODE),
        "paused before it was complete": a_look(runs=[a_deployment(updated=1, paused=True)]),
        "one of three is not available": a_look(runs=[a_deployment(available=2)]),
        "another digest": with_one(image=f"r.example/api@{OTHER}"),
        "a runtime that tells no digest decides nothing": with_one(image="x"),
        "a container that does not run": with_one(image="", ready=False),
    },
)
def test_what_is_not_well_is_said(look: Look, said: Said) -> None:
    said(not_passed(look))


@cases(
    "served selected means",
    {
        "the version before: nothing is live": (BEFORE, OLD, Meaning.HOLD),
        "nobody": ([], OLD, None),
        "too few": (BEFORE[:1], OLD, None),
        "the release beside": ([*BEFORE, THREE[0]], OLD, None),
        "the version before, although the release is selected": (BEFORE, NEW, None),
        "whatever there is": ([*BEFORE, *THREE], None, None),
        "pods of another version than the selected one": (THREE, "v9", None),
    },
)
def test_whether_a_missed_switch_rolls_back_depends_on_who_answers(
    served: list[Json], selected: str | None, means: Meaning | None
) -> None:
    selector = {} if selected is None else {SECTION.version_label: selected}
    look = a_look(*THREE, *BEFORE, served=served, sets=BOTH_SETS, selector=selector)
    found = cluster_rules.switched(settled(look))
    assert {one.means for one in found if one.outcome is Outcome.FAIL} == {means}


OTHERS = [a_pod(f"web-{n}", "ReplicaSet web-1") for n in range(4)]


@cases(
    "look",
    {
        "another app's": a_look(*THREE, served=OTHERS, selector={"app": "web"}),
        "of no Service": a_look(found=False, selector={}),
        "nobody's": a_look(served=[]),
        "of the version that its owner has, whoever relabels a pod": a_look(
            *RELABELLED, sets=BOTH_SETS
        ),
    },
)
def test_what_has_the_traffic(look: Look, said: Said) -> None:
    state, words = rules.states(look, look.live_versions, 3)[0]
    said([look.live_versions, state.name, words])


@cases(
    "look",
    {
        "run by another kind alone": a_look(runs=[], sets=[a_set(owner="Rollout api-canary")]),
        "run by another kind, by workloadRef": a_look(
            runs=[a_deployment(replicas=0)], sets=[a_set(owner="Rollout api-canary")]
        ),
        "a template without the label": a_look(runs=[a_deployment(None)]),
        "pods of nobody are judged": a_look(runs=[], sets=[a_set(owner="")]),
    },
)
def test_an_app_that_is_run_or_labelled_otherwise_is_undecided(look: Look, said: Said) -> None:
    said(look.undecided)


def test_while_an_undo_runs_the_configuration_is_not_in_force() -> None:
    look = a_look(runs=[a_deployment(OLD, updated=1)])
    assert "only of v1.1.0" in str(pod_rules.unsettled(settled(look)))


def test_two_hundred_pods_are_counted_and_not_listed() -> None:
    pods = [a_pod(f"api-7d9-{number:03}", ready=False) for number in range(200)]
    look = a_look(*pods, runs=[a_deployment(replicas=200)])
    sentence = rules.running(settled(look), (NEW,), 3).sentence
    assert len(sentence) < 400
    assert "and 196 more" in sentence


def test_a_pod_whose_container_does_not_run_has_not_read_its_configuration() -> None:
    one, other, absent = a_look(*THREE).own_pods
    idle = other.containers[0].model_copy(update={"started_at": None})
    pods = (
        one,
        other.model_copy(update={"containers": (idle,)}),
        absent.model_copy(update={"containers": ()}),
    )
    assert list(pod_rules.started(pods, API)) == [one.name]


def pods_with(*containers: Json) -> list[Pod]:
    """Return two pods of the release, the second with these containers: the app's but for the changes."""
    first, second, _ = a_look().own_pods
    (own,) = first.containers
    changed = tuple(own.model_copy(update=one) for one in containers)
    return [first, second.model_copy(update={"containers": changed})]


A_WORKER = {"name": "worker", "image": "r.example:5000/worker:v1.2.0"}
BUILT = {APP: DIGEST, "worker@linux/amd64": DIGEST, "worker@linux/arm64": OTHER}


@cases(
    "pods",
    {
        "each the app's": pods_with({}),
        "another image in its place": pods_with({"image": "r.example/web:v1.2.0"}),
        "another image in two pods": pods_with({"image": "r.example/web:v1.2.0"})[1:] * 2,
        "no container of its name in one pod": pods_with({"name": "web"}),
        "no container of its name at all": pods_with({"name": "web"})[1:],
        "a worker of the release": pods_with({}, {**A_WORKER, "image_id": f"worker@{OTHER}"}),
        "a worker of another build": pods_with({}, {**A_WORKER, "image_id": f"x@sha256:{3:064}"}),
        "a worker that runs nothing yet": pods_with({}, {**A_WORKER, "image_id": ""}),
        "a sidecar of somebody else": pods_with({}, {"name": "mesh", "image": "mesh:1"}),
        "an app that is not ready and tells no digest": pods_with({"image_id": "", "ready": False}),
        "no pod": [],
    },
)
def test_the_images_that_run_are_those_of_the_build(pods: list[Pod], said: Said) -> None:
    said([*pod_rules.images_judged(pods, API, APP, pod_rules.by_image(BUILT))])


def test_a_build_that_is_not_believed_leaves_unknown_what_was_released(said: Said) -> None:
    good, old = expect(True, "its kind", "it is"), expect(None, "its age", "it is old", "a new one")
    damaged = unable("it", "it can't be read", "another")
    said([pod_rules.not_believed(found) for found in ([good, old], [good, old, damaged])])


@cases(
    "counts",
    {
        "two levels of errors": LogLevels(40, 3, {"error": 2, "50": 1}, 2, ()),
        "no pod has one": LogLevels(0, 0, {}, 0, ("one", "two")),
        "half of them without a level": LogLevels(40, 0, {}, 2, (), (), 0, 20),
        "one more than half": LogLevels(40, 0, {}, 2, (), (), 0, 21),
        "all tell something": LogLevels(40, 0, {}, 2, ()),
        "one has no log": LogLevels(20, 0, {}, 1, ("two",)),
        "none says anything": LogLevels(0, 0, {}, 2, ()),
        "longer than what is read": LogLevels(40, 0, {}, 2, (), ("two",)),
        "no line has a level": LogLevels(40, 0, {}, 2, (), (), 0, 38),
        "plain lines and some JSON": LogLevels(40, 0, {}, 2, (), (), 0, 2),
        "some lines have one": LogLevels(40, 0, {}, 2, (), (), 1, 38),
    },
)
def test_a_log_that_is_not_there_or_empty_shows_nothing(counts: LogLevels, said: Said) -> None:
    said([*pod_rules.logs_judged("logs", counts)])


def test_a_large_cluster_has_more_time_than_one_call(tmp_path: pathlib.Path) -> None:
    """Reading the pods of all namespaces takes many calls, and a millisecond for each pod."""
    platform = a_cluster_platform(tmp_path, "http://nowhere.invalid")
    left = Clusters(platform).long_deadline().remaining_seconds()
    assert left > 4 * platform.policy.deadlines.call

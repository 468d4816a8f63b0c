"""Whose pod is it? Answers as an API server gives them, through the reading and the checks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from gates.decide.outcome import Outcome, worst_outcome
from probes.kubernetes import models as kubernetes_models
from probes.kubernetes import reading
from probes.kubernetes.objects import Traffic, Workload
from steps.cluster import pod_rules, rollout
from steps.cluster.clusters import Look
from steps.cluster.configuration import _unsettled
from steps.cluster.traffic_rules import _not_served, _switch_progress, switched
from steps.kit.settling import Ended, Progress, Settled
from tests.steps.cluster.test_deployed import NEW, OLD, SECTION

Json = dict[str, Any]
APP = "api"
DIGEST = f"sha256:{'1' * 64}"
RELEASED: pod_rules.Digests = {SECTION.image: frozenset({DIGEST})}


def model(kind: str, document: Json) -> Any:
    return getattr(kubernetes_models, kind).model_validate_json(json.dumps(document))


def owned(name: str, owner: str = "", **more: Any) -> Json:
    """Return metadata; an owner is written `Kind name`, and its uid is the same."""
    metadata: Json = {"name": name, "uid": name, "labels": {"app": APP}, **more}
    kind, _, named = owner.partition(" ")
    reference = {"apiVersion": "apps/v1", "kind": kind, "name": named, "uid": named}
    metadata["ownerReferences"] = [{**reference, "controller": True}] if owner else []
    return metadata


def template(version: str | None) -> Json:
    labels = {"app": APP, **({"version": version} if version else {})}
    containers = [{"name": SECTION.container, "image": f"r.example/{SECTION.image}:{version}"}]
    return {"metadata": {"labels": labels}, "spec": {"containers": containers}}


def a_deployment(version: str | None = NEW, name: str = "api", **spec: Any) -> Json:
    return {
        "metadata": owned(name, generation=2),
        "spec": {"replicas": 3, "selector": {}, "template": template(version), **spec},
        "status": {
            "observedGeneration": 2,
            **dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), 3),
        },
    }


def a_set(name: str = "api-7d9", owner: str = "Deployment api", version: str = NEW) -> Json:
    spec = {"replicas": 3, "selector": {}, "template": template(version)}
    return {"metadata": owned(name, owner), "spec": spec, "status": {"replicas": 3}}


def a_stateful_set(**status: Any) -> Json:
    counts = ("replicas", "updatedReplicas", "availableReplicas", "readyReplicas")
    return {
        "metadata": owned("api-set", generation=2),
        "spec": {"replicas": 3, "serviceName": "api", "selector": {}, "template": template(NEW)},
        "status": {"observedGeneration": 2, **dict.fromkeys(counts, 3), **status},
    }


def a_pod(name: str, owner: str = "ReplicaSet api-7d9", **status: Any) -> Json:
    metadata = owned(name, owner)
    metadata["labels"]["version"] = status.pop("version", NEW)
    metadata["deletionTimestamp"] = status.pop("deleted", None)
    ready = status.pop("ready", True)
    state = {"running": {"startedAt": "2026-01-31T22:00:00Z"}}
    container = {
        "name": SECTION.container,
        "image": "x",
        "imageID": f"r.example/api@{DIGEST}",
        "ready": ready,
        "restartCount": 0,
        "state": state,
    }
    return {
        "metadata": metadata,
        "spec": template(NEW)["spec"],
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [container],
            **status,
        },
    }


THREE = [a_pod(f"api-7d9-{number}") for number in range(3)]
A_JOBS = a_pod("migrate-x", "Job migrate")


def behind(*pods: Json) -> Json:
    endpoints = [
        {
            "addresses": [f"10.0.0.{number}"],
            "conditions": {"ready": True, "serving": True, "terminating": False},
            "targetRef": {
                "kind": "Pod",
                "name": one["metadata"]["name"],
                "uid": one["metadata"]["uid"],
            },
        }
        for number, one in enumerate(pods)
    ]
    return {"addressType": "IPv4", "ports": [{"port": 8080}], "endpoints": endpoints or None}


def a_look(
    pods: Sequence[Json] = tuple(THREE),
    served: Sequence[Json] = tuple(THREE),
    *,
    runs: Sequence[Json] | None = None,
    sets: Sequence[Json] | None = None,
    stateful: Sequence[Json] = (),
    **traffic: Any,
) -> Look:
    deployments = [a_deployment()] if runs is None else runs
    label = SECTION.version_label
    workloads = (
        *(reading.deployment(model("Workload", one), label) for one in deployments),
        *(reading.stateful_set(model("Workload", one), label) for one in stateful),
    )
    models = [model("Pod", one) for one in pods]
    replica_sets = [model("Workload", one) for one in ([a_set()] if sets is None else sets)]
    endpoints = reading.endpoints([model("EndpointSlice", behind(*served))], has_ports=True)
    told = {"found": True, "selector": {"app": APP, label: NEW}, "endpoints": endpoints, **traffic}
    joined = reading.pods(models, replica_sets, workloads, label)
    return Look(Workload(workloads, joined), Traffic(**told), SECTION, NEW)


def settled(look: Look) -> Settled[Look]:
    return Settled(look, Ended.DONE, 0.0)


def of_release(look: Look) -> Outcome:
    """Return the worst of what is said of the release's rollout, pods, restarts, failures and images."""
    return worst_outcome(
        one.outcome
        for one in (
            rollout._rolled_out(settled(look), (NEW,), 3),
            rollout._running(settled(look), (NEW,), 3),
            rollout._restarts(look, (NEW,), {}),
            rollout._unfailed(look, NEW),
            *pod_rules.judged(look.pods((NEW,)), SECTION.container, SECTION.image, RELEASED),
        )
    )


def way(look: Look) -> tuple[Outcome, str]:
    found = switched(settled(look))
    return worst_outcome(one.outcome for one in found), found[-1].sentence


class TestJobs:
    @pytest.mark.parametrize(
        "other",
        [
            pytest.param(A_JOBS, id="still runs"),
            pytest.param(a_pod("nightly", "Job nightly", phase="Failed", ready=False), id="failed"),
            pytest.param(
                a_pod("nightly", "Job nightly", phase="Pending", ready=False, containerStatuses=[]),
                id="waits for a node",
            ),
            pytest.param(a_pod("debug", ""), id="nobody's"),
        ],
    )
    def test_a_pod_with_the_apps_labels_that_a_job_runs_is_no_pod_of_the_app(
        self, other: Json
    ) -> None:
        look = a_look([*THREE, other])
        assert of_release(look) is Outcome.PASS
        assert rollout._progress(look, (NEW,), 3) is Progress.DONE
        assert way(look)[0] is Outcome.PASS

    def test_behind_the_service_it_is_a_stranger(self) -> None:
        look = a_look([*THREE, A_JOBS], [*THREE, A_JOBS])
        outcome, sentence = way(look)
        assert outcome is Outcome.FAIL
        assert "1 ready endpoint is run by Job migrate" in sentence
        assert "run by Job migrate" in str(_not_served(look, 3))

    def test_it_does_not_make_up_for_a_pod_that_is_missing(self) -> None:
        look = a_look([*THREE[:2], A_JOBS], [*THREE[:2], A_JOBS])
        assert of_release(look) is Outcome.FAIL
        assert "2 ready, wanted at least 3" in str(_not_served(look, 3))


class TestOwners:
    def test_who_relabels_a_pod_does_not_change_what_runs_in_it(self) -> None:
        old = [a_pod(f"api-6c8-{n}", "ReplicaSet api-6c8", version=NEW) for n in range(3)]
        sets = [a_set("api-6c8", version=OLD)]
        look = a_look(old, old, sets=sets)
        assert look.pods((NEW,)) == ()
        assert look.live_versions == (OLD,)
        assert way(look)[0] is Outcome.FAIL

    def test_pods_whose_deployment_is_gone_are_nobodys(self) -> None:
        """`kubectl delete deployment --cascade=orphan` leaves ReplicaSet and pods behind."""
        look = a_look(runs=[], sets=[a_set(owner="")])
        assert look.undecided is None
        assert of_release(look) is Outcome.FAIL
        assert "there is no Deployment of v1.2.0" in str(_unsettled(settled(look)))

    def test_while_an_undo_runs_the_configuration_is_not_in_force(self) -> None:
        undone = a_deployment(OLD)
        undone["status"]["updatedReplicas"] = 1
        look = a_look(runs=[undone])
        assert "only of v1.1.0" in str(_unsettled(settled(look)))

    @pytest.mark.parametrize(
        "scaled", [[], [a_deployment(replicas=0)]], ids=["alone", "workloadRef"]
    )
    def test_what_another_controller_runs_is_undecided(self, scaled: list[Json]) -> None:
        look = a_look(runs=scaled, sets=[a_set(owner="Rollout api-canary")])
        assert look.undecided is not None
        assert look.undecided.outcome is Outcome.INCONCLUSIVE
        assert (
            "not run by a Deployment or StatefulSet but by Rollout api-canary"
            in look.undecided.sentence
        )

    def test_a_label_that_no_template_has_decides_nothing(self) -> None:
        look = a_look(runs=[a_deployment(None)])
        assert look.undecided is not None
        assert "has the label version" in look.undecided.sentence


class TestStatefulSets:
    pods = tuple(a_pod(f"api-{number}", "StatefulSet api-set") for number in range(3))

    def test_one_that_is_rolled_out_passes(self) -> None:
        look = a_look(self.pods, self.pods, runs=[], sets=[], stateful=[a_stateful_set()])
        assert of_release(look) is Outcome.PASS
        assert way(look)[0] is Outcome.PASS

    def test_one_whose_partition_holds_pods_back_does_not(self) -> None:
        held = a_stateful_set(updatedReplicas=1)
        look = a_look(self.pods, self.pods, runs=[], sets=[], stateful=[held])
        assert rollout._progress(look, (NEW,), 3) is Progress.MOVING
        assert of_release(look) is Outcome.FAIL


class TestTheService:
    def test_one_that_selects_no_version_is_decided_by_the_pods_behind_it(self) -> None:
        look = a_look(selector={"app": APP})
        assert _switch_progress(look) is Progress.DONE
        assert way(look)[0] is Outcome.PASS

    def test_and_red_where_one_of_them_is_old(self) -> None:
        old = a_pod("api-6c8-0", "ReplicaSet api-6c8", version=OLD)
        sets = [a_set(), a_set("api-6c8", version=OLD)]
        look = a_look([*THREE, old], [*THREE, old], sets=sets, selector={"app": APP})
        outcome, sentence = way(look)
        assert outcome is Outcome.FAIL
        assert "1 ready endpoint is of v1.1.0" in sentence

    def test_of_another_app_it_carries_nothing_of_this_one(self) -> None:
        others = [a_pod(f"web-{number}", "ReplicaSet web-1") for number in range(4)]
        look = a_look(THREE, others, selector={"app": "web"})
        assert look.live_versions == ()
        state, words = rollout.states(look, look.live_versions, 3)[0]
        assert state is Progress.BROKEN
        assert "leads to no pod of the app, but to others such as web-0" in words
        assert "4 ready endpoints are no pod of the app" in str(_not_served(look, 3))

    def test_slices_that_outlive_their_service_carry_nothing(self) -> None:
        look = a_look(found=False, selector={})
        assert look.live_versions == ()
        assert "there is no Service" in str(_not_served(look, 3))
        assert way(look)[0] is Outcome.FAIL

    def test_one_that_publishes_pods_which_are_not_ready_is_told(self) -> None:
        starting = a_pod("api-7d9-9", ready=False)
        pods = [*THREE, starting]
        outcome, sentence = way(a_look(pods, pods, publishes_unready=True))
        assert outcome is Outcome.FAIL
        assert "not Ready, though the Service says so (it has publishNotReadyAddresses)" in sentence

    def test_a_pod_that_ends_is_told(self) -> None:
        ending = a_pod("api-7d9-9", deleted="2026-01-31T22:10:00Z")
        outcome, sentence = way(a_look([*THREE, ending], [*THREE, ending]))
        assert outcome is Outcome.FAIL
        assert "of v1.2.0 and ending" in sentence


class TestInitContainers:
    def with_init(self, restarts: int, **state: Json) -> Look:
        status = {
            "name": "wait-for-db",
            "image": "busybox",
            "imageID": "x",
            "ready": True,
            "restartCount": restarts,
            "state": state,
        }
        waits = "waiting" in state
        phase = "Pending" if waits else "Running"
        waited = a_pod("api-7d9-2", phase=phase, ready=not waits, initContainerStatuses=[status])
        waited["spec"] = {
            **waited["spec"],
            "initContainers": [{"name": "wait-for-db", "image": "busybox"}],
        }
        return a_look([*THREE[:2], waited])

    def test_one_that_tried_again_and_ended_well_is_no_finding(self) -> None:
        look = self.with_init(1, terminated={"exitCode": 0, "reason": "Completed"})
        assert rollout._restarts(look, (NEW,), {}).outcome is Outcome.PASS

    def test_a_sidecar_that_restarted_is_one(self) -> None:
        look = self.with_init(1, running={"startedAt": "2026-01-31T22:00:00Z"})
        assert rollout._restarts(look, (NEW,), {}).outcome is Outcome.FAIL

    def test_one_that_waits_by_failing_gets_its_time(self) -> None:
        look = self.with_init(3, waiting={"reason": "CrashLoopBackOff"})
        assert rollout._progress(look, (NEW,), 3) is Progress.MOVING


class TestWords:
    def test_two_hundred_pods_are_counted_and_not_listed(self) -> None:
        pods = [a_pod(f"api-7d9-{number:03}", ready=False) for number in range(200)]
        look = a_look(pods, pods, runs=[a_deployment(replicas=200)])
        sentence = rollout._running(settled(look), (NEW,), 3).sentence
        assert len(sentence) < 400
        assert "and 196 more" in sentence

    def test_a_pod_that_found_no_node_has_started_nothing(self) -> None:
        scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
        waits = a_pod("api-7d9-2", phase="Pending", containerStatuses=None, conditions=[scheduled])
        look = a_look([*THREE[:2], waits])
        images = [
            one.sentence
            for one in pod_rules.judged(
                look.pods((NEW,)), SECTION.container, SECTION.image, RELEASED
            )
        ]
        assert "runs nothing yet" in str(images)
        assert "there is no container" not in str(images)
        sentence = rollout._running(settled(look), (NEW,), 3).sentence
        assert "api-7d9-2 is Pending (Unschedulable)" in sentence


def test_a_rollout_that_is_paused_after_it_was_complete_is_complete() -> None:
    look = a_look(runs=[a_deployment(paused=True)])
    assert of_release(look) is Outcome.PASS


def test_one_that_is_paused_before_is_not() -> None:
    paused = a_deployment(paused=True)
    paused["status"]["updatedReplicas"] = 1
    look = a_look(runs=[paused])
    assert rollout._progress(look, (NEW,), 3) is Progress.BROKEN
    assert (
        "is paused before it is complete" in rollout._rolled_out(settled(look), (NEW,), 3).sentence
    )

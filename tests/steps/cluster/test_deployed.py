"""What real clusters keep beside the pods that run, and what decides although it is there."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

import pytest

from gates.decide.outcome import Meaning, Outcome, worst_outcome
from probes.kubernetes.objects import Container, Deployment, Endpoint, Pod, Traffic, Workload
from sandbox.systems.cluster import state as cluster
from settings.cluster import Kubernetes
from steps.cluster import pod_rules, rollout, room_rules, traffic_rules
from steps.cluster.clusters import Look
from steps.kit.settling import Ended, Progress, Settled
from tests.steps.cluster_platform import a_cluster_platform

NEW, OLD = "v1.2.0", "v1.1.0"
DIGEST = f"sha256:{'1' * 64}"
SECTION = Kubernetes.model_validate(
    {
        "namespace": cluster.NAMESPACE,
        "app_labels": {"app": cluster.APP},
        "service": cluster.SERVICE,
        "container": cluster.CONTAINER,
        "image": cluster.APP,
        "replicas": {"normal": 3, "temporary": 6},
        "most_pods": 12,
        "config_map": cluster.CONFIG_MAP,
        "config": cluster.CONFIG_WANTED,
    }
)
CONTAINER = Container(
    name=cluster.CONTAINER,
    image=f"registry.example/{cluster.APP}:v1.2.0",
    digest=DIGEST,
    ready=True,
    restarts=0,
    waiting="",
    terminated="",
    started_at=None,
)

RELEASED: pod_rules.Digests = {cluster.APP: frozenset({DIGEST})}


def a_pod(name: str, **changes: Any) -> Pod:
    values: dict[str, Any] = {
        "name": name,
        "uid": name,
        "version": NEW,
        "phase": "Running",
        "ready": True,
        "deleting": False,
        "created_at": None,
        "owner": "Deployment api",
        "workload": "api",
        "containers": (CONTAINER,),
        "config_maps": frozenset(),
        **changes,
    }
    return Pod(**values)


def a_deployment(version: str, count: int) -> Deployment:
    return Deployment(
        name=f"api-{version}",
        version=version,
        generation=1,
        observed_generation=1,
        paused=False,
        wanted=count,
        total=count,
        updated=count,
        ready=count,
        available=count,
        revision="1",
        progress_deadline_seconds=600,
        restarted_at=None,
    )


def an_endpoint(pod: Pod) -> Endpoint:
    return Endpoint(pod.name, pod.uid, pod.name, ready=pod.ready, terminating=pod.deleting)


def a_look(*pods: Pod, wanted: int = 3, found: bool = True) -> Look:
    running = tuple(one for one in pods if one.phase == "Running")
    selector = {SECTION.version_label: NEW} if found else {}
    traffic = Traffic(found, selector, tuple(map(an_endpoint, running)))
    return Look(Workload((a_deployment(NEW, wanted),), pods), traffic, SECTION, NEW)


THREE = tuple(a_pod(f"api-{number}") for number in range(3))


def settled(look: Look) -> Settled[Look]:
    return Settled(look, Ended.DONE, 0.0)


class TestPodsThatAreOver:
    @pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
    def test_they_were_replaced_and_hold_nothing_up(self, phase: str) -> None:
        """A node under pressure, or one that shut down, leaves its pods behind until they are swept up."""
        look = a_look(*THREE, a_pod("evicted", phase=phase, ready=False, containers=()))
        assert rollout._progress(look, (NEW,), 3) is Progress.DONE
        assert rollout._running(settled(look), (NEW,), 3).outcome is Outcome.PASS

    def test_one_of_the_release_that_failed_is_told_as_a_restart_is(self) -> None:
        over = a_pod("api-9", phase="Failed", ready=False, containers=(), reason="Evicted")
        found = rollout._unfailed(a_look(*THREE, over), NEW)
        assert found.outcome is Outcome.FAIL
        assert "api-9 has failed (Evicted) and was replaced" in found.sentence

    @pytest.mark.parametrize("reason", ["Terminated", "NodeShutdown", "Preempting", "OutOfcpu"])
    def test_what_its_node_did_to_it_is_no_failure_of_the_release(self, reason: str) -> None:
        over = a_pod("api-9", phase="Failed", ready=False, containers=(), reason=reason)
        assert rollout._unfailed(a_look(*THREE, over), NEW).outcome is Outcome.PASS

    def test_one_that_ended_with_its_node_is_no_failure(self) -> None:
        look = a_look(*THREE, a_pod("completed", phase="Succeeded", ready=False))
        assert rollout._unfailed(look, NEW).outcome is Outcome.PASS


class TestTraffic:
    def test_it_needs_as_many_pods_as_run_normally(self) -> None:
        look = a_look(*THREE[:1])
        assert traffic_rules._switch_progress(look) is Progress.MOVING
        assert traffic_rules._strangers(look) == ["1 ready, wanted at least 3"]
        assert traffic_rules._switch_progress(a_look(*THREE)) is Progress.DONE

    def test_an_endpoint_of_a_pod_that_is_not_ready_does_not_count(self) -> None:
        """A Service with publishNotReadyAddresses calls every endpoint ready."""
        look = a_look(*THREE[:2], a_pod("starting", ready=False))
        ready = tuple(dataclasses.replace(one, ready=True) for one in look.traffic.endpoints)
        published = dataclasses.replace(
            look, traffic=dataclasses.replace(look.traffic, endpoints=ready)
        )
        assert traffic_rules._serving(published) == {"api-0", "api-1"}

    def test_without_the_service_nobody_knows_what_carries_it(self) -> None:
        look = a_look(*THREE, found=False)
        assert look.live_versions == ()
        found = rollout._rolled_out(settled(look), look.live_versions, 3)
        assert found.outcome is Outcome.FAIL
        assert f"there is no Service {cluster.SERVICE}" in found.sentence


class TestNotSwitched:
    """The Service still selects the version before: whether that rolls back depends on who answers."""

    before = tuple(a_pod(f"before-{number}", version=OLD) for number in range(3))

    def judged(self, *serving: Pod, selected: str | None = OLD) -> set[Meaning | None]:
        look = a_look(*THREE, *self.before)
        selector = {} if selected is None else {SECTION.version_label: selected}
        traffic = dataclasses.replace(
            look.traffic, selector=selector, endpoints=tuple(map(an_endpoint, serving))
        )
        found = traffic_rules.switched(settled(dataclasses.replace(look, traffic=traffic)))
        assert worst_outcome(one.outcome for one in found) is Outcome.FAIL
        return {one.means for one in found if one.outcome is Outcome.FAIL}

    def test_while_the_version_before_has_all_the_traffic_nothing_is_live_to_roll_back(
        self,
    ) -> None:
        assert self.judged(*self.before) == {Meaning.HOLD}

    @pytest.mark.parametrize(
        ("serving", "selected"),
        [
            pytest.param((), OLD, id="nobody"),
            pytest.param(before[:1], OLD, id="too few"),
            pytest.param((*before, THREE[0]), OLD, id="the release beside"),
            pytest.param(before, NEW, id="the version before, although the release is selected"),
            pytest.param((*before, *THREE), None, id="whatever there is"),
            pytest.param(THREE, "v9", id="pods of another version than the selected one"),
        ],
    )
    def test_else_it_is_as_the_catalogue_says(
        self, serving: tuple[Pod, ...], selected: str | None
    ) -> None:
        assert self.judged(*serving, selected=selected) == {None}


class TestImages:
    def judged(self, **changes: Any) -> Outcome:
        container = dataclasses.replace(CONTAINER, **changes)
        pods = (*THREE, a_pod("other", containers=(container,)))
        found = pod_rules.judged(pods, cluster.CONTAINER, cluster.APP, RELEASED)
        return worst_outcome(one.outcome for one in found)

    def test_the_released_digest_in_every_pod_passes(self) -> None:
        assert self.judged() is Outcome.PASS

    def test_another_digest_fails(self) -> None:
        assert self.judged(digest=f"sha256:{'2' * 64}") is Outcome.FAIL

    def test_a_runtime_that_tells_no_digest_decides_nothing(self) -> None:
        assert self.judged(digest="") is Outcome.INCONCLUSIVE

    def test_a_container_that_does_not_run_fails(self) -> None:
        assert self.judged(digest="", ready=False) is Outcome.FAIL


def test_a_large_cluster_has_more_time_than_one_call(tmp_path: pathlib.Path) -> None:
    """Reading the pods of all namespaces takes many calls, and a millisecond for each pod."""
    platform = a_cluster_platform(tmp_path, "http://nowhere.invalid")
    left = room_rules.long_deadline(platform).remaining_seconds()
    assert left > 4 * platform.policy.deadlines.call

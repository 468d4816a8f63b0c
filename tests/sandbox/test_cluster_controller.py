"""Rolling updates step by step, as recorded of a real one: prove/kubernetes/recordings/half-way.json."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.systems.cluster.controller import Cluster, Pod, Workload
from sandbox.systems.cluster.state import ClusterState

RESTARTED = {"1.1.0": "2026-01-01T00:00:00Z"}


class Told:
    """A cluster, its clock, and what it has been told."""

    def __init__(self, **facts: Any) -> None:
        self.now = 1_800_000_000.0
        self._facts = facts
        self.cluster = Cluster(ClusterState(**facts), 1, lambda: self.now)

    def tell(self, **facts: Any) -> None:
        self._facts |= facts
        self.cluster.follow(ClusterState(**self._facts))

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.cluster.advance()

    @property
    def live(self) -> Workload:
        return self.cluster.workloads["1.1.0"]

    @property
    def alive(self) -> list[Pod]:
        return [pod for pod in self.live.pods if pod.ends_at is None]


@pytest.mark.parametrize(("wanted", "most", "least"), [(3, 4, 3), (6, 8, 5), (1, 2, 1)])
def test_a_rolling_update_keeps_surge_and_availability(wanted: int, most: int, least: int) -> None:
    told = Told(replicas={"1.1.0": wanted})
    told.tell(restarted_at=RESTARTED)
    mixed = 0
    for _ in range(100):
        told.wait(0.05)
        assert len(told.alive) <= most
        assert sum(pod.ready_at <= told.now for pod in told.alive) >= least
        mixed += len({pod.template for pod in told.alive}) > 1
    assert mixed > 5
    assert [pod.template for pod in told.live.pods] == [told.live.template] * wanted


def test_a_paused_rollout_goes_no_further_and_an_undo_is_a_new_revision_of_the_old_set() -> None:
    told = Told(replicas={"1.1.0": 3})
    first = told.live.template
    told.tell(restarted_at=RESTARTED)
    told.wait(0.5)
    told.tell(paused=True)
    before = {pod.template for pod in told.alive}
    told.wait(60)
    assert {pod.template for pod in told.alive} == before
    assert len(before) == 2
    told.tell(paused=False, restarted_at={})
    told.wait(60)
    assert {pod.template for pod in told.live.pods} == {first}
    assert told.live.revisions[first] == [1, 3]


def test_a_quota_refuses_pods_until_it_is_gone() -> None:
    told = Told(replicas={"1.1.0": 3})
    told.tell(quota_pods_left=1)
    told.tell(replicas={"1.1.0": 6})
    told.wait(60)
    assert len(told.live.pods) == 4
    assert told.cluster.refuses(told.live)
    told.tell(quota_pods_left=None)
    told.wait(60)
    assert len(told.live.pods) == 6
    assert not told.cluster.refuses(told.live)


def test_a_pod_that_was_deleted_is_there_until_it_has_ended() -> None:
    told = Told(replicas={"1.1.0": 3})
    told.tell(replicas={"1.1.0": 1})
    told.wait(0.1)
    assert sum(pod.ends_at is not None for pod in told.live.pods) == 2
    told.wait(1)
    assert len(told.live.pods) == 1

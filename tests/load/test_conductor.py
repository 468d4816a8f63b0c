from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Collection
from typing import Any, Literal

import gevent
import pytest

from load import _conductor
from load._conductor import Conductor
from load._engine._tally import Tally
from load._run import BEGIN, STAGE, STOP, Moment, Part, Plan, Run, Setting, Stage
from load._scenario import Target

STAGES = (
    Stage(0, 100, 0.05, measured=False, title="warm-up"),
    Stage(1, 100, 0.15, title="steady"),
    Stage(2, 200, 0.1, title="more"),
)
BOUND_SECONDS = 10.0


def plan(*stages: Stage, profile: str = "steady") -> Plan:
    return Plan(
        environment="local", release=None, profile=profile, model="open", arrivals="uniform", seed=1,
        regions={"eu": "http://127.0.0.1:1"}, stages=stages, command="locust",
    )  # fmt: skip


def setting() -> Setting:
    return Setting(
        run="run", model="open", arrivals="uniform", seed=1, headers={}, calibrate_seconds=0,
        targets=(Target(region="eu", address="http://127.0.0.1:1", tag="t"),),
        calibrate_amount=0, connections=1, deadline_seconds=0.1,
    )  # fmt: skip


class Workers:
    """Workers that do as they are told, unless a test makes one behave otherwise."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.conductor: Conductor | None = None
        self.dead: set[str] = set()
        self.mute: set[str] = set()
        self.unready: set[str] = set()
        self.finals: set[str] = set()
        self.error = ""
        self.clock_ahead = 0.0
        self.first_sequence = 0
        self.users = 10
        self.others = 0

    def send(self, kind: str, data: dict[str, Any]) -> None:
        self.told.append((kind, data))
        for name in self.names:
            if name not in self.dead:
                gevent.spawn(self._answer, name, kind)

    def alive(self) -> set[str]:
        return {name.partition("#")[0] for name in self.names if name not in self.dead}

    def tokens(self) -> int:
        return self.users

    def others_rps(self, ours: Collection[str]) -> int:
        assert all(" " in name for name in ours)
        return self.others

    def _answer(self, name: str, kind: str) -> None:
        conductor = self.conductor
        if conductor is None:
            return
        clock = time.time() + self.clock_ahead
        if kind == BEGIN and name not in self.unready:
            conductor.ready(
                {"worker": name, "error": self.error, "calibration": None, "clock": clock}
            )
        if kind == STOP and name not in self.mute:
            self.finals.add(name)
            conductor.part(part(name, self.first_sequence, clock=clock, final=True).data())


def part(name: str, sequence: int = 0, *, clock: float = 0.0, **more: Any) -> Part:
    tally = Tally(due=5, sent=5)
    tally.endpoint("GET /").response.record(0.01)
    fields: dict[str, Any] = {
        "tallies": (((1, "eu"), tally),), "moments": (Moment(1, 0.5, 3, 0.0),), "peak_rss_bytes": 1,
        "throttled_periods": 0, **more,
    }  # fmt: skip
    return Part(worker=name, sequence=sequence, clock=clock, **fields)


def led(workers: Workers, made: Plan, **options: Any) -> Conductor:
    conductor = Conductor(made, setting(), workers, expected_workers=2, **options)
    workers.conductor = conductor
    conductor.spawned()
    conductor.start()
    return conductor


def wait_for(what: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + BOUND_SECONDS
    while not what():
        assert time.monotonic() < give_up_at
        gevent.sleep(0.01)


def carried_out(workers: Workers, made: Plan, **options: Any) -> Run:
    conductor = led(workers, made, **options)
    wait_for(lambda: conductor.done)
    return conductor.finish()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_conductor, "READY_SECONDS", 0.3)
    monkeypatch.setattr(_conductor, "FINAL_SPARE_SECONDS", 0.2)
    monkeypatch.setattr(_conductor, "_SETTLE_SECONDS", 0.01)
    monkeypatch.setattr(_conductor, "_STEADY_SECONDS", 0.1)


def stages_told(workers: Workers) -> list[dict[str, Any]]:
    return [data for kind, data in workers.told if kind == STAGE]


def test_a_plan_is_carried_out_stage_by_stage() -> None:
    workers = Workers("a#0", "b#1")
    run = carried_out(workers, plan(*STAGES))
    assert [one["number"] for one in stages_told(workers)] == [0, 1, 2, 3]
    # Ten users share the rate; after the last stage nothing is sent.
    assert [one["per_token"] for one in stages_told(workers)] == [10, 10, 20, 0]
    assert run.interrupted == ""
    assert [worker.lost for worker in run.workers] == [False, False]
    assert sorted(run.begun) == [0, 1, 2]
    began, ended = run.begun[1]
    assert 0.15 <= ended - began < 10
    assert run.begun[2][0] >= ended


def test_what_workers_counted_is_one_sum() -> None:
    run = carried_out(Workers("a#0", "b#1"), plan(*STAGES))
    tally = run.tallies[1, "eu"]
    assert (tally.due, tally.endpoints["GET /"].response.count) == (10, 2)
    assert [len(worker.moments) for worker in run.workers] == [1, 1]


def test_a_worker_that_cannot_prepare_ends_the_run_before_anything_is_sent() -> None:
    workers = Workers("a#0", "b#1")
    workers.error = "the server refused"
    run = carried_out(workers, plan(*STAGES))
    assert "could not prepare: the server refused" in run.interrupted
    assert not stages_told(workers)


def test_a_worker_that_never_comes_ends_the_run() -> None:
    workers = Workers("a#0", "b#1")
    workers.unready.add("b#1")
    run = carried_out(workers, plan(*STAGES))
    assert run.interrupted.startswith("1 of 2 workers were ready")
    assert run.expected_workers == 2


def test_a_worker_that_is_lost_ends_the_run_at_once() -> None:
    workers = Workers("a#0", "b#1")
    conductor = led(workers, plan(Stage(0, 1, 60)))
    wait_for(lambda: bool(stages_told(workers)))
    workers.dead.add("b#1")
    wait_for(lambda: conductor.done)
    run = conductor.finish()
    assert run.interrupted == "worker b#1 was lost"
    assert {worker.name: worker.lost for worker in run.workers} == {"a#0": False, "b#1": True}


def test_a_worker_that_leaves_in_good_order_ends_the_run_too() -> None:
    workers = Workers("a#0", "b#1")
    conductor = led(workers, plan(Stage(0, 1, 60)))
    wait_for(lambda: bool(stages_told(workers)))
    conductor.part(part("b#1", final=True).data())
    wait_for(lambda: conductor.done)
    assert conductor.finish().interrupted == "worker b#1 left before the end"


def test_a_worker_that_joins_too_late_ends_the_run() -> None:
    workers = Workers("a#0", "b#1")
    conductor = led(workers, plan(Stage(0, 1, 60)))
    wait_for(lambda: bool(stages_told(workers)))
    workers.names = (*workers.names, "late#2")
    wait_for(lambda: conductor.done)
    assert conductor.finish().interrupted.startswith("worker late joined after the run had begun")


def test_a_worker_that_is_lost_while_it_prepares_ends_the_run_at_once() -> None:
    workers = Workers("a#0", "b#1")
    workers.unready.add("b#1")
    conductor = led(workers, plan(*STAGES))
    workers.dead.add("b#1")
    wait_for(lambda: conductor.done)
    assert conductor.finish().interrupted == "worker b was lost before it was ready"


def test_the_end_waits_for_a_worker_that_still_prepares() -> None:
    # Until it ends it may still register somebody, whose records would then stay.
    workers = Workers("a#0", "b#1")
    workers.unready.add("b#1")
    conductor = led(workers, plan(*STAGES))
    conductor.finish("interrupted")
    assert "b#1" in workers.finals


def test_a_wall_clock_that_is_set_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    workers = Workers("a#0", "b#1")
    conductor = led(workers, plan(Stage(0, 1, 60)))
    wait_for(lambda: bool(stages_told(workers)))
    far = time.time() + 10**9
    monkeypatch.setattr(time, "time", lambda: far)
    run = conductor.finish()
    began, ended = run.begun[0]
    assert 0 <= ended - began < BOUND_SECONDS
    assert 0 <= run.ended_at - run.started_at < BOUND_SECONDS


@pytest.mark.parametrize("model", ["open", "closed"])
def test_a_rate_that_only_shows_in_the_run_keeps_to_what_the_environment_allows(
    model: Literal["open", "closed"],
) -> None:
    workers = Workers("a#0", "b#1")
    stages = () if model == "open" else (Stage(0, 1, 60),)
    conductor = Conductor(
        dataclasses.replace(plan(*stages), most_rps=9), dataclasses.replace(setting(), model=model),
        workers, expected_workers=2, per_user=1.0 if model == "open" else None,
    )  # fmt: skip
    workers.conductor = conductor
    conductor.spawned()
    conductor.start()
    if model == "closed":
        wait_for(lambda: bool(stages_told(workers)))
        busy = Tally()
        for after in range(-5, 5):
            busy.second(time.time() + after).sent = 10
        conductor.part(part("a#0", tallies=(((0, "eu"), busy),)).data())
    wait_for(lambda: conductor.done)
    assert (
        "it came to 10 requests/s, and the environment allows 9" in conductor.finish().interrupted
    )


def test_users_beside_the_engine_count_towards_what_the_environment_allows() -> None:
    workers = Workers("a#0", "b#1")
    workers.others = 3
    run = carried_out(workers, dataclasses.replace(plan(Stage(0, 7, 60)), most_rps=9))
    assert "it came to 10 requests/s, and the environment allows 9" in run.interrupted


def test_a_worker_that_does_not_tell_the_rest_is_lost() -> None:
    workers = Workers("a#0", "b#1")
    workers.mute.add("a#0")
    run = carried_out(workers, plan(*STAGES))
    assert {worker.name: worker.lost for worker in run.workers} == {"a#0": True, "b#1": False}


def test_a_message_that_was_lost_is_a_lost_worker() -> None:
    workers = Workers("a#0", "b#1")
    workers.first_sequence = 1
    assert all(worker.lost for worker in carried_out(workers, plan(*STAGES)).workers)


def test_a_worker_whose_engine_broke_ends_the_run() -> None:
    workers = Workers("a#0", "b#1")
    conductor = led(workers, plan(Stage(0, 1, 60)))
    wait_for(lambda: bool(stages_told(workers)))
    conductor.part(part("a#0", broke="ValueError").data())
    wait_for(lambda: conductor.done)
    assert conductor.finish().interrupted == "worker a#0 broke: ValueError"


def test_a_run_that_is_stopped_says_so_and_keeps_what_it_has() -> None:
    workers = Workers("a#0", "b#1")
    conductor = led(workers, plan(Stage(0, 1, 60)))
    wait_for(lambda: bool(stages_told(workers)))
    run = conductor.finish("interrupted")
    assert run.interrupted == "interrupted"
    assert run.tallies[1, "eu"].due == 10


def test_parts_of_an_earlier_run_or_a_stranger_do_not_count() -> None:
    workers = Workers("a#0", "b#1")
    conductor = led(workers, plan(*STAGES))
    conductor.part(part("stranger#9").data())
    wait_for(lambda: conductor.done)
    assert conductor.finish().tallies[1, "eu"].due == 10


def test_a_clock_that_is_ahead_is_seen() -> None:
    workers = Workers("a#0", "b#1")
    workers.clock_ahead = 5.0
    run = carried_out(workers, plan(*STAGES))
    assert all(4.5 < worker.clock_skew_seconds < 5.5 for worker in run.workers)


def test_a_ramp_ends_where_it_broke() -> None:
    workers = Workers("a#0", "b#1")
    run = carried_out(
        workers, plan(*STAGES, profile="ramp"), goes_on=lambda _run, stage: stage.number != 1
    )
    assert sorted(run.begun) == [0, 1]
    assert run.interrupted == ""


def test_users_say_the_rate_where_no_plan_does() -> None:
    workers = Workers("a#0", "b#1")
    conductor = Conductor(
        plan(profile="manual"), setting(), workers, expected_workers=2, per_user=3.0
    )
    workers.conductor = conductor
    conductor.start()
    wait_for(lambda: len(stages_told(workers)) == 1)
    conductor.spawned()
    wait_for(lambda: len(stages_told(workers)) == 2)
    run = conductor.finish()
    assert run.interrupted == ""
    assert [(stage.rps, stage.measured) for stage in run.plan.stages] == [(30, False), (30, True)]


def test_a_run_by_users_lasts_as_long_as_was_asked_and_says_so_if_not() -> None:
    manual = dataclasses.replace(plan(profile="manual"), run_seconds=0.3)
    run = carried_out(Workers("a#0", "b#1"), manual, per_user=3.0)
    [measured] = [stage.number for stage in run.measured()]
    began, ended = run.begun[measured]
    assert 0.3 <= ended - began < BOUND_SECONDS
    assert run.interrupted == ""
    cut = led(Workers("a#0", "b#1"), dataclasses.replace(manual, run_seconds=60), per_user=3.0)
    assert cut.finish().interrupted == "stopped before its plan was carried out"


def test_users_that_change_begin_another_stage() -> None:
    workers = Workers("a#0", "b#1")
    made = plan(profile="manual")
    conductor = Conductor(made, setting(), workers, expected_workers=2, per_user=3.0)
    workers.conductor = conductor
    conductor.start()
    conductor.spawned()
    wait_for(lambda: len(stages_told(workers)) == 2)
    workers.users = 20
    wait_for(lambda: len(stages_told(workers)) == 4)
    run = conductor.finish()
    assert [(stage.rps, stage.measured) for stage in run.plan.stages] == [
        (30, False), (30, True), (60, False), (60, True),
    ]  # fmt: skip

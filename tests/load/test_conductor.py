from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Collection
from typing import Any, Literal

import gevent
import pytest

from load import _conductor
from load._conductor import Conductor
from load._engine._tally import Tally
from load._run import BEGIN, STAGE, STOP, Moment, Part, Run, Stage
from tests.load.runs import a_setting, wait_for
from tests.tables import cases

STAGES = (
    Stage(0, 100, 0.05, measured=False, title="warm-up"),
    Stage(1, 100, 0.15, title="steady"),
    Stage(2, 200, 0.1, title="more"),
)
BOUND_SECONDS = 10.0


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
            conductor.part(part(name, self.first_sequence, clock=clock, final=True).record())


def part(name: str, sequence: int = 0, *, clock: float = 0.0, **more: Any) -> Part:
    tally = Tally(due=5, sent=5)
    tally.endpoint("GET /").response.record(0.01)
    fields: dict[str, Any] = {
        "tallies": (((1, "eu"), tally),), "moments": (Moment(1, 0.5, 3, 0.0),), "peak_rss_bytes": 1,
        "throttled_periods": 0, **more,
    }  # fmt: skip
    return Part(worker=name, sequence=sequence, clock=clock, **fields)


def led(
    workers: Workers, *stages: Stage, profile: str = "steady", most_rps: float = math.inf,
    run_seconds: float | None = None, model: Literal["open", "closed"] = "open", **options: Any,
) -> Conductor:  # fmt: skip
    setting = a_setting(
        stages=stages, profile=profile, most_rps=most_rps, run_seconds=run_seconds, model=model
    )
    setting = dataclasses.replace(setting, deadline_seconds=0.1)
    conductor = Conductor(setting, workers, expected_workers=2, **options)
    workers.conductor = conductor
    conductor.spawned()
    conductor.start()
    return conductor


def carried_out(workers: Workers, *stages: Stage, **options: Any) -> Run:
    return ended(workers, led(workers, *stages, **options))


def ended(workers: Workers, conductor: Conductor, act: Act | None = None) -> Run:
    """Return the run when its conductor is done, after something has happened."""
    if act is not None:
        act(workers, conductor)
    wait_for(lambda: conductor.done)
    return conductor.finish()


Act = Callable[[Workers, Conductor], None]


@pytest.fixture
def workers() -> Workers:
    """Return two of them."""
    return Workers("a#0", "b#1")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_conductor, "READY_SECONDS", 0.3)
    monkeypatch.setattr(_conductor, "FINAL_SPARE_SECONDS", 0.2)
    monkeypatch.setattr(_conductor, "_SETTLE_SECONDS", 0.01)
    monkeypatch.setattr(_conductor, "_STEADY_SECONDS", 0.1)


def stages_told(workers: Workers) -> list[dict[str, Any]]:
    return [data for kind, data in workers.told if kind == STAGE]


def sending(workers: Workers) -> Conductor:
    """Return a conductor whose workers send, for a minute."""
    conductor = led(workers, Stage(0, 1, 60))
    wait_for(lambda: bool(stages_told(workers)))
    return conductor


def test_a_plan_is_carried_out_stage_by_stage(workers: Workers) -> None:
    workers.clock_ahead = 5.0
    run = carried_out(workers, *STAGES)
    assert [one["number"] for one in stages_told(workers)] == [0, 1, 2, 3]
    # Ten users share the rate; after the last stage nothing is sent.
    assert [one["per_token"] for one in stages_told(workers)] == [10, 10, 20, 0]
    assert run.interrupted == ""
    assert [worker.lost for worker in run.workers] == [False, False]
    assert all(4.5 < worker.clock_skew_seconds < 5.5 for worker in run.workers)
    assert sorted(run.begun) == [0, 1, 2]
    began, ended = run.begun[1]
    assert 0.15 <= ended - began < 10
    assert run.begun[2][0] >= ended

    # What workers counted is one sum.
    tally = run.tallies[1, "eu"]
    assert (tally.due, tally.endpoints["GET /"].response.count) == (10, 2)
    assert [len(worker.moments) for worker in run.workers] == [1, 1]


def dies(workers: Workers, _: Conductor) -> None:
    workers.dead.add("b#1")


@cases(
    "error act why",
    {
        "one cannot prepare": ("full", None, "worker a#0 could not prepare: full"),
        "one never comes": ("", None, "1 of 2 workers were ready after 0 s"),
        "one is lost meanwhile": ("", dies, "worker b was lost before it was ready"),
    },
)
def test_a_run_whose_workers_do_not_get_ready_ends_before_anything_is_sent(
    workers: Workers, error: str, act: Act | None, why: str
) -> None:
    workers.error = error
    workers.unready.add("b#1")
    run = ended(workers, led(workers, *STAGES), act)
    assert (run.interrupted, run.expected_workers) == (why, 2)
    assert not stages_told(workers)


def joins(workers: Workers, _: Conductor) -> None:
    workers.names = (*workers.names, "late#2")


JOINED = "worker late joined after the run had begun, and takes users away"


def tells(name: str, **more: Any) -> Act:
    return lambda _, conductor: conductor.part(part(name, **more).record())


@cases(
    "act why lost",
    {
        "one is lost": (dies, "worker b#1 was lost", ["b#1"]),
        "one leaves in good order": (
            tells("b#1", final=True),
            "worker b#1 left before the end",
            [],
        ),
        "one joins": (joins, JOINED, []),
        "an engine broke": (tells("a#0", broke="OSError"), "worker a#0 broke: OSError", ["a#0"]),
    },
)
def test_a_run_whose_workers_change_ends_at_once(
    workers: Workers, act: Act, why: str, lost: list[str]
) -> None:
    run = ended(workers, sending(workers), act)
    assert run.interrupted == why
    # A part that a test makes up leaves a gap in what its worker told: that, too, loses it.
    assert {*lost} <= {worker.name for worker in run.workers if worker.lost}


@cases(
    "changes lost",
    {
        "it does not tell the rest": ({"mute": {"a#0"}}, ["a#0"]),
        "a message of each was lost": ({"first_sequence": 1}, ["a#0", "b#1"]),
    },
)
def test_a_worker_that_has_not_told_everything_is_lost(
    workers: Workers, changes: dict[str, Any], lost: list[str]
) -> None:
    vars(workers).update(changes)
    run = carried_out(workers, *STAGES)
    assert sorted(worker.name for worker in run.workers if worker.lost) == lost


def test_the_end_waits_for_a_worker_that_still_prepares(workers: Workers) -> None:
    # Until it ends it may still register somebody, whose records would then stay.
    workers.unready.add("b#1")
    conductor = led(workers, *STAGES)
    conductor.finish("interrupted")
    assert "b#1" in workers.finals


def test_a_run_that_is_stopped_says_so_and_keeps_what_its_own_workers_told_by_any_clock(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    conductor = sending(workers)
    conductor.part(part("stranger#9").record())
    far = time.time() + 10**9
    monkeypatch.setattr(time, "time", lambda: far)
    run = conductor.finish("interrupted")
    assert (run.interrupted, run.tallies[1, "eu"].due) == ("interrupted", 10)
    began, ended = run.begun[0]
    assert 0 <= ended - began < BOUND_SECONDS
    assert 0 <= run.ended_at - run.started_at < BOUND_SECONDS


TOO_MUCH = "it came to 10 requests/s, and the environment allows 9"


@pytest.mark.parametrize("model", ["open", "closed"])
def test_a_rate_that_only_shows_in_the_run_keeps_to_what_the_environment_allows(
    workers: Workers, model: Literal["open", "closed"]
) -> None:
    stages, per_user = ((), 1.0) if model == "open" else ((Stage(0, 1, 60),), None)
    conductor = led(workers, *stages, most_rps=9, model=model, per_user=per_user)
    if model == "closed":
        wait_for(lambda: bool(stages_told(workers)))
        busy = Tally()
        for after in range(-5, 5):
            busy.second(time.time() + after).sent = 10
        conductor.part(part("a#0", tallies=(((0, "eu"), busy),)).record())
    assert TOO_MUCH in ended(workers, conductor).interrupted


def test_users_beside_the_engine_count_towards_it_too(workers: Workers) -> None:
    workers.others = 3
    assert TOO_MUCH in carried_out(workers, Stage(0, 7, 60), most_rps=9).interrupted


def test_a_ramp_ends_where_it_broke(workers: Workers) -> None:
    run = carried_out(
        workers, *STAGES, profile="ramp", goes_on=lambda _run, stage: stage.number != 1
    )
    assert sorted(run.begun) == [0, 1]
    assert run.interrupted == ""


def test_a_run_by_users_lasts_as_long_as_was_asked_and_says_so_if_not() -> None:
    manual: dict[str, Any] = {"profile": "manual", "per_user": 3.0}
    run = carried_out(Workers("a#0", "b#1"), run_seconds=0.3, **manual)
    [measured] = [stage.number for stage in run.measured()]
    began, ended = run.begun[measured]
    assert 0.3 <= ended - began < BOUND_SECONDS
    assert run.interrupted == ""
    cut = led(Workers("a#0", "b#1"), run_seconds=60, **manual)
    assert cut.finish().interrupted == "stopped before its plan was carried out"


def test_users_that_change_begin_another_stage(workers: Workers) -> None:
    conductor = led(workers, profile="manual", per_user=3.0)
    wait_for(lambda: len(stages_told(workers)) == 2)
    workers.users = 20
    wait_for(lambda: len(stages_told(workers)) == 4)
    run = conductor.finish()
    assert [(stage.rps, stage.measured) for stage in run.plan.stages] == [
        (30, False), (30, True), (60, False), (60, True),
    ]  # fmt: skip

"""The master's side of one load run: begins it, leads it through its stages, and gathers what was counted."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Protocol

import gevent
from gevent.event import Event

from gates.decide.plain_text import one_line
from load._engine._engine import unix_offset_seconds
from load._engine._tally import Tally
from load._run import BEGIN, STAGE, STOP, Moment, Part, Place, Plan, Run, Setting, Stage, Worker

READY_SECONDS = 120.0
"""Registering a scenario's accounts takes a while; longer than that it does not work."""
FINAL_SPARE_SECONDS = 10.0
_POLL_SECONDS = 0.05
_TOLD_AFTER_SECONDS = 3
"""Behind a second everybody has told what was sent in it."""
_STEADY_SECONDS = 1.0
"""Users of Locust's own options are all there once their number has not changed for so long."""
_SETTLE_SECONDS = 2.0
"""After a stage its last part is still on its way."""
_LOG = logging.getLogger(__name__)


class Nodes(Protocol):
    """What Locust knows of the processes of a run."""

    def send(self, kind: str, data: dict[str, Any]) -> None:
        """Tell every worker."""

    def alive(self) -> set[str]:
        """Return the workers that Locust hears."""

    def tokens(self) -> int:
        """Return how many users of the engine's there are over all workers."""

    def others_rps(self, ours: Collection[str]) -> int:
        """Return the requests a second of users that are not the engine's, over all workers."""


class _Known:
    """One worker, as far as it has told."""

    def __init__(self, name: str, clock: float, heard_at: float) -> None:
        self.name = name
        self.skews = [clock - heard_at]
        self.sequence = 0
        self.final = self.gap = False
        self.broke = ""
        self.moments: list[Moment] = []
        self.peak_rss_bytes = self.throttled_periods = 0

    def take(self, part: Part, heard_at: float) -> None:
        self.gap |= part.sequence != self.sequence
        self.sequence = part.sequence + 1
        self.skews.append(part.clock - heard_at)
        self.moments += part.moments
        self.final |= part.final
        self.broke = self.broke or part.broke
        self.peak_rss_bytes = max(self.peak_rss_bytes, part.peak_rss_bytes)
        self.throttled_periods = max(self.throttled_periods, part.throttled_periods)

    def told(self) -> Worker:
        return Worker(
            name=self.name,
            lost=self.gap or not self.final or bool(self.broke),
            # The way of a message only makes a clock look slow: the largest difference is the true one.
            clock_skew_seconds=max(self.skews),
            peak_rss_bytes=self.peak_rss_bytes,
            throttled_periods=self.throttled_periods,
            moments=tuple(self.moments),
        )


class Conductor:
    """One run. Its own greenlet leads; Locust's calls bring messages and the end."""

    def __init__(
        self,
        setting: Setting,
        nodes: Nodes,
        *,
        expected_workers: int,
        per_user: float | None = None,
        goes_on: Callable[[Run, Stage], bool] = lambda _run, _stage: True,
    ) -> None:
        """Take what is meant. With `per_user` the users that Locust runs say the rate (manual).

        `goes_on` looks at a run after each measured stage and may end it there.
        """
        self._plan, self._setting, self._nodes = setting.plan, setting, nodes
        self._expected_workers, self._per_user, self._goes_on = expected_workers, per_user, goes_on
        self._measured_seconds = 0.0
        """Of the stages that are over."""
        self._known: dict[str, _Known] = {}
        self._tallies: dict[Place, Tally] = {}
        self._calibration: Tally | None = None
        self._offset_seconds = unix_offset_seconds()
        """Kept for the whole run, as the engines keep theirs: a wall clock that is set changes nothing."""
        self._told: set[str] = set()
        """The processes that were told to begin, as Locust calls them."""
        self._ended: set[str] = set()
        """Those of them that have told everything."""
        self._stages: list[Stage] = []
        self._begun: dict[int, tuple[float, float]] = {}
        self._open_stage: int | None = None
        self._spawned = Event()
        self._steady = 0.0, 0.0
        """The rate that Locust's users last said, and since when (monotonic)."""
        self._started_at = self._ended_at = self._now()
        self._leader: Any = None
        self._stopped = False
        self._why = ""
        self.done = False
        """Whether the plan has been carried out, or cannot be."""

    def start(self) -> None:
        """Tell the workers to prepare, and lead on from there."""
        self._started_at = self._now()
        self._told = self._nodes.alive()
        self._nodes.send(BEGIN, self._setting.record())
        self._leader = gevent.spawn(self._lead)

    def ready(self, data: Mapping[str, Any]) -> None:
        """Note that a worker can send, or why it cannot (a worker's message)."""
        name, now = str(data["worker"]), self._now()
        if data["error"]:
            self._break_off(f"worker {name} could not prepare: {data['error']}")
            return
        self._known[name] = _Known(name, float(data["clock"]), now)
        if data["calibration"] is not None:
            tally = Tally.from_record(data["calibration"])
            self._calibration = Tally.whole(filter(None, (self._calibration, tally)))

    def part(self, data: Mapping[str, Any]) -> None:
        """Add what a worker has counted (a worker's message)."""
        now = self._now()
        part = Part.from_record(data)
        if part.final:
            self._ended.add(_node(part.worker))
            if not self._stopped:
                self._break_off(f"worker {part.worker} left before the end")
        known = self._known.get(part.worker)
        if known is None:
            # It ends without having been ready: nothing of it counts, and it is missed.
            return
        known.take(part, now)
        for place, tally in part.tallies:
            self._tallies.setdefault(place, Tally()).merge(tally)
        if part.broke:
            self._break_off(f"worker {part.worker} broke: {part.broke}")

    def spawned(self) -> None:
        """Note that every user that was asked for is there."""
        self._spawned.set()

    def interrupt(self) -> None:
        """Note that somebody ends the run."""
        self._break_off("interrupted")

    def wind_down(self) -> None:
        """End the stage and tell the workers to stop, before Locust takes their users away; once."""
        if self._stopped:
            return
        self._stopped = True
        if self._leader is not None and self._leader is not gevent.getcurrent():
            self._leader.kill()
        if not self.done and (self._per_user is None or self._plan.run_seconds is not None):
            self._why = self._why or "stopped before its plan was carried out"
        self._close_stage()
        self._ended_at = self._now()
        self._nodes.send(STOP, {})

    def finish(self, why: str = "") -> Run:
        """Stop if that has not happened yet, wait for what workers still have to tell, return the run."""
        if not self._stopped:
            self._why = self._why or why
        self.wind_down()
        give_up_at = time.monotonic() + self._setting.deadline_seconds + FINAL_SPARE_SECONDS
        while not self._all_told() and time.monotonic() < give_up_at:
            gevent.sleep(_POLL_SECONDS)
        return self.run()

    def run(self) -> Run:
        """Return the run as far as it is known."""
        return Run(
            plan=self._planned(),
            started_at=self._started_at,
            ended_at=self._ended_at if self._stopped else self._now(),
            tallies=dict(self._tallies),
            begun=dict(self._begun),
            workers=tuple(one.told() for one in self._known.values()),
            expected_workers=self._expected_workers,
            calibration=self._calibration,
            interrupted=self._why,
        )

    def names(self) -> set[str]:
        """Return every kind of request that the engine has sent."""
        return {name for tally in self._tallies.values() for name in tally.endpoints}

    def _planned(self) -> Plan:
        if self._per_user is None:
            return self._plan
        return dataclasses.replace(self._plan, stages=tuple(self._stages))

    def _now(self) -> float:
        return time.monotonic() + self._offset_seconds

    def _all_told(self) -> bool:
        # Also those who were not ready yet: until they end they may still register somebody.
        return not (self._told & self._nodes.alive()) - self._ended

    def _lost(self) -> list[str]:
        """Return the workers that have not told everything and are not heard any more."""
        alive = self._nodes.alive()
        return [
            name for name, one in self._known.items() if not one.final and _node(name) not in alive
        ]

    def _watch(self) -> None:
        """Break off where the workers are not those any more that were told to begin."""
        alive = self._nodes.alive()
        if lost := self._lost():
            self._break_off(f"worker {lost[0]} was lost")
        elif gone := self._told - alive - {_node(name) for name in self._known}:
            self._break_off(f"worker {min(gone)} was lost before it was ready")
        elif late := alive - self._told:
            self._break_off(
                f"worker {min(late)} joined after the run had begun, and takes users away"
            )

    def _lead(self) -> None:
        if self._wait_until_ready():
            for stage in self._planned_stages():
                self._open(stage)
                if not self._hold(stage):
                    break
            # Until Locust has stopped its users nothing more is sent: it would belong to no stage.
            self._nodes.send(STAGE, {"number": len(self._stages), "per_token": 0.0})
        self.done = True

    def _wait_until_ready(self) -> bool:
        give_up_at = time.monotonic() + READY_SECONDS
        while len(self._known) < self._expected_workers and not self._why:
            if time.monotonic() > give_up_at:
                self._break_off(
                    f"{len(self._known)} of {self._expected_workers} workers were ready "
                    f"after {READY_SECONDS:.0f} s"
                )
            gevent.sleep(_POLL_SECONDS)
            self._watch()
        while self._per_user is None and not self._spawned.is_set() and not self._why:
            gevent.sleep(_POLL_SECONDS)
            self._watch()
        return not self._why

    def _planned_stages(self) -> Iterator[Stage]:
        if self._per_user is None:
            yield from self._plan.stages
            return
        number = 0
        while True:
            # Until the users are there the rate rises; then it is held, until somebody changes it.
            yield Stage(number, self._rate(), 0, measured=False, title="users start")
            rate = self._rate()
            yield Stage(number + 1, rate, 0, title=f"{rate:,.0f} requests/s")
            number += 2

    def _rate(self) -> float:
        return self._nodes.tokens() * (self._per_user or 0.0)

    def _open(self, stage: Stage) -> None:
        self._close_stage()
        self._stages.append(stage)
        tokens = self._nodes.tokens()
        per_token = self._per_user or (stage.rps / tokens if tokens else 0.0)
        self._nodes.send(STAGE, {"number": stage.number, "per_token": per_token})
        now = self._now()
        self._open_stage, self._begun[stage.number] = stage.number, (now, now)
        _LOG.info("Load: %s, %s requests/s", stage.title or stage.number, f"{stage.rps:,.0f}")

    def _close_stage(self) -> None:
        if self._open_stage is not None:
            began, _ = self._begun[self._open_stage]
            self._begun[self._open_stage] = (began, self._now())
            self._open_stage = None

    def _hold(self, stage: Stage) -> bool:
        """Wait for the end of a stage; return whether another one may follow."""
        ends_at = time.monotonic() + stage.seconds
        while not self._why and not self._is_over(stage, ends_at):
            gevent.sleep(_POLL_SECONDS)
            self._watch()
            self._keep_to_the_limit(stage)
        self._close_stage()
        if self._why:
            return False
        if self._per_user is None:
            return not stage.measured or self._may_go_on(stage)
        if stage.measured:
            began, ended = self._begun[stage.number]
            self._measured_seconds += ended - began
        return not self._time_is_up(0.0)

    def _time_is_up(self, seconds: float) -> bool:
        """Tell whether so much of an open stage completes what is to be measured."""
        return (
            self._plan.run_seconds is not None
            and self._measured_seconds + seconds >= self._plan.run_seconds
        )

    def _is_over(self, stage: Stage, ends_at: float) -> bool:
        if self._per_user is None:
            return time.monotonic() >= ends_at
        rate, now = self._rate(), time.monotonic()
        if stage.measured:
            # Somebody changes the number of users: what follows is another rate.
            lasted = self._now() - self._begun[stage.number][0]
            return rate != stage.rps or self._time_is_up(lasted)
        if rate != self._steady[0]:
            self._steady = rate, now
        return bool(self._spawned.is_set()) and now - self._steady[1] >= _STEADY_SECONDS

    def _may_go_on(self, stage: Stage) -> bool:
        if stage is self._plan.stages[-1]:
            return True
        if self._plan.profile == "ramp":
            gevent.sleep(_SETTLE_SECONDS)
            return self._goes_on(self.run(), stage)
        return True

    def _keep_to_the_limit(self, stage: Stage) -> None:
        """End a run that comes to more than the environment allows, all of its users together."""
        rate = stage.rps if self._per_user is None else self._rate()
        if self._plan.model == "closed":
            rate = self._sent_in(int(self._now()) - _TOLD_AFTER_SECONDS)
        rate += self._nodes.others_rps(self.names())
        if rate > self._plan.most_rps:
            self._break_off(
                f"it came to {rate:,.0f} requests/s, and the environment allows {self._plan.most_rps:,.0f} "
                "(load.max_rps)"
            )

    def _sent_in(self, second: int) -> int:
        seconds = (tally.seconds.get(second) for tally in self._tallies.values())
        return sum(one.sent for one in seconds if one is not None)

    def _break_off(self, why: str) -> None:
        if self._why:
            return
        self._why = one_line(why)
        _LOG.error("Load: %s", self._why)


def _node(worker: str) -> str:
    """Return what Locust calls a worker's process: its name without the index."""
    return worker.rpartition("#")[0]

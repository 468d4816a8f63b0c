"""Watches every trigger in every region at once, until one fires or the time is up.

Evaluations stand on a schedule that does not drift. One that got no answer, or was missed while the process
was stopped, is asked again for as long as its data are kept. Each evaluation is a line of the run's events
before the next one is made: the state is folded from these lines, also when a watch is resumed.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import math
import pathlib
import time
from collections.abc import Iterable, Sequence
from typing import Any

from gates.decide.trigger import Clock, State, step
from probes.observation import pause
from reports.events import EVALUATED, WAITING, WATCH_BEGAN, event_of
from settings.triggers import Trigger
from steps.kit.asked import Asked
from steps.kit.platform import NotDescribedError
from steps.kit.run import Run
from steps.kit.sentence import then, when
from steps.objectives import objectives
from steps.watch import rules
from steps.watch.asking import Condition, Seen, conditions
from steps.watch.comparison import comparisons
from steps.watch.confounders import Confounders
from steps.watch.standing import Words, standing

SHORTEST_EVERY_SECONDS = 1.0
LEAST_GAP = 3
"""Evaluations: one alone is missed easily."""
MOST_OPEN = 240
"""So many evaluations are kept that wait for an answer; older ones stay without."""
AT_ONCE = 8
Look = concurrent.futures.Future[tuple[Seen, ...]]
Key = tuple[str, str, str]
"""Check, region and subject of a condition."""


class Track:
    """One condition in one region, evaluation by evaluation."""

    def __init__(self, key: Key, clock: Clock, condition: Condition) -> None:
        self.key = key
        self.clock = clock
        self.condition = condition
        self.state = State()
        self.seen_until = 0.0
        """The last time that was evaluated."""
        self._settled = State()
        self._open: tuple[Seen, ...] = ()
        self._evaluations = self._unanswered = 0
        self._last = self._first_bad = self._why = ""
        self._worst: float | None = None

    def look(self, times: Iterable[float]) -> tuple[Seen, ...]:
        """Evaluate now, at what was missed, and again where there was no answer; return what is new."""
        asked = sorted({*(one.at for one in self._open if _is_open(one)), *times})
        known = set(self._open)
        found = self._proved(self.condition.ask(asked, asked[-1]), asked[-1])
        seen = tuple(one for one in found if one not in known)
        self.take(seen)
        return seen

    def _proved(self, seen: Sequence[Seen], now: float) -> list[Seen]:
        """Return evaluations of which none fires by too few events: such a one decides nothing."""
        found = {one.at: one for one in seen}
        while True:
            state = _folded(self.clock, self._settled, self._with(found.values()))
            since, fired_at = state.pending_since, state.fired_at
            if fired_at not in found or self.condition.proves(since or fired_at, fired_at, now):
                return list(found.values())
            words = f"{found[fired_at].words}, bad for long enough, but too few events prove it"
            found[fired_at] = Seen(fired_at, words, asks_again=False)

    def take(self, seen: Iterable[Seen]) -> None:
        """Add evaluations; one of a time that is there already takes its place."""
        before_them = len(self._open)
        self._open = self._with(seen)
        self._evaluations += len(self._open) - before_them
        before, self.state = self.state, _folded(self.clock, self._settled, self._open)
        self._keep_figures(before.pending_since)
        missing = any(_is_open(one) for one in self._open)
        passed = self._open[:-MOST_OPEN] if missing else self._open
        self._unanswered += sum(1 for one in passed if one.holds is None)
        self._settled = _folded(self.clock, self._settled, passed)
        self._open = self._open[len(passed) :]

    def watched(self) -> rules.Watched:
        """Return what it came to."""
        waiting = sum(1 for one in self._open if one.holds is None)
        return rules.Watched(
            subject=self.condition.subject,
            clock=self.clock,
            limit=self.condition.limit,
            twice=self.condition.twice,
            state=self.state,
            evaluations=self._evaluations,
            unanswered=self._unanswered + waiting,
            last=self._last,
            unanswered_why=self._why,
            first_bad=self._first_bad,
            worst=self._worst,
        )

    @property
    def described(self) -> dict[str, Any]:
        """Return what a view of the watch says of it before its first evaluation."""
        check, region, subject = self.key
        where = {"check": check, "region": region, "subject": subject}
        limit, lasts = self.condition.limit, self.clock.for_seconds
        return {
            **where,
            "limit": limit,
            "limit_words": rules.limit_words(limit),
            "for_seconds": lasts,
        }

    @property
    def is_open(self) -> bool:
        """Whether it was never evaluated, or the last time without a good answer."""
        state = self.state
        return state.at is None or not (state.pending_since is state.unanswered_since is None)

    def since(self, at: float) -> dict[str, float | None]:
        """Return since when it is pending and, where that was not later than an evaluation, when it fired."""
        fired_at = self.state.fired_at
        fired = fired_at is not None and fired_at <= at
        return {
            "pending_since": self.state.pending_since,
            "fired_at": fired_at if fired else None,
        }

    def _with(self, seen: Iterable[Seen]) -> tuple[Seen, ...]:
        known = {one.at: one for one in self._open} | {one.at: one for one in seen}
        return tuple(known[at] for at in sorted(known))

    def _keep_figures(self, pending_before: float | None) -> None:
        for one in self._open:
            if one.value is not None:
                self._worst = one.value if self._worst is None else max(self._worst, one.value)
            if one.at == self.state.pending_since != pending_before:
                self._first_bad = one.words
            if one.holds is None and not (self._why and self.state.undecided_since):
                self._why = one.words
        self._last, self.seen_until = self._open[-1].words, self._open[-1].at


def _is_open(seen: Seen) -> bool:
    return seen.holds is None and seen.asks_again


def _folded(clock: Clock, state: State, seen: Iterable[Seen]) -> State:
    """Return the state after evaluations; the first at which it fires is the last that counts."""
    for one in seen:
        if state.fired_at is not None:
            break
        state, _ = step(clock, state, one.observation)
    return state


class Watch:
    """All triggers of a run, in all its regions."""

    def __init__(self, run: Run) -> None:
        platform, policy = run.platform, run.platform.policy.triggers
        self._run = run
        self._every = platform.scaled(policy.every, SHORTEST_EVERY_SECONDS)
        self._gap = platform.scaled(policy.gap, LEAST_GAP * self._every)
        self._lacking: dict[str, NotDescribedError] = {}
        self._tracks: dict[Key, Track] = {}
        self.comparisons = comparisons(platform)
        """By region."""
        self._words = Words(platform)
        for trigger in policy.watched:
            self._add(trigger)
        longest = max((one.clock.for_seconds for one in self._tracks.values()), default=0.0)
        self._wanted = platform.watch_seconds or 2 * longest + self._every
        self._confounders = Confounders(platform)
        self._began, self._done = time.time(), 0
        self._reading: dict[Key, Look] = {}
        """Readings that take their time, and hold up no evaluation."""
        self._readers = concurrent.futures.ThreadPoolExecutor(max(1, len(self._tracks)))
        self.ended = rules.Ended(self._wanted, 0.0)

    @classmethod
    def of(cls, run: Run) -> Watch:
        """Watch until a trigger fires or the time is up, and return what was seen."""
        watch = cls(run)
        if run.platform.resumed is not None:
            watch.resume(run.platform.resumed)
        else:
            watch.wait_until_ready()
        began = {"began": watch._began, "wanted_seconds": watch._wanted}
        watched = [track.described for track in watch._tracks.values()]
        run.events.write(WATCH_BEGAN, **began, watched=watched, before=watch._confounders.before)
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool, watch._readers:
            watch.evaluate(pool)  # once at least: what an earlier watch saw is no answer of today
            while watch.goes_on():
                watch.evaluate(pool)
        return watch

    def _add(self, trigger: Trigger) -> None:
        platform = self._run.platform
        try:
            shared = tuple(standing(platform, trigger, self._words))
            for region in platform.regions:
                for one in (*conditions(platform, region, trigger), *shared):
                    key = (trigger.check, region, one.subject)
                    # Of two readings the second one is an evaluation later.
                    lasts = self._every / 2 if one.twice else one.for_seconds
                    self._tracks[key] = Track(key, Clock(lasts, self._gap), one)
        except NotDescribedError as exc:
            self._lacking[trigger.check] = exc

    def resume(self, events: pathlib.Path) -> None:
        """Take over what an earlier watch saw, line by line, and when it began."""
        for line in events.read_bytes().splitlines():
            event = event_of(line) or {}
            if event.get("event") == WATCH_BEGAN:
                self._began, self._wanted = event["began"], event["wanted_seconds"]
                self._confounders.before.update(event["before"])
            elif event.get("event") == EVALUATED:
                track = self._tracks.get((event["check"], event["region"], event["subject"]))
                seen = Seen(**{name: event[name] for name in Seen.__slots__})
                if track is not None:
                    track.take([seen])
        self._done = max(map(self._evaluated, self._tracks.values()), default=0)
        self.ended = rules.Ended(self._wanted, self._done * self._every)

    def wait_until_ready(self) -> None:
        """Begin when every condition can be evaluated: just after the switch there are too few scrapes."""
        waits = max(
            (one.condition.ready_in_seconds() for one in self._tracks.values()), default=0.0
        )
        if waits > 0:
            words = f"the release's first {waits:.0f} s of samples"
            for check, region, _ in self._tracks:
                self._run.events.write(WAITING, check=check, region=region, awaited=words)
            self._run.lease.renew()
            pause(waits)
        self._confounders.look(last=False)
        self._began = time.time()

    def goes_on(self) -> bool:
        """Return whether there is more to see: nothing has fired, and time is left."""
        left = self._run.platform.deadline.remaining_seconds() > 0
        return left and not self.ended.by and self.ended.seconds < self._wanted

    def evaluate(self, pool: concurrent.futures.Executor) -> None:
        """Evaluate everything at the next time of the schedule, and at those that were missed meanwhile."""
        began, every = self._began, self._every
        due = max(self._done + 1, math.floor((time.time() - began) / every))
        pause(began + due * every - time.time())
        self._run.lease.renew()
        looks, last = [], due * every >= self._wanted
        compared = [pool.submit(one.look) for own in self.comparisons.values() for one in own]
        for key, track in self._tracks.items():
            if track.condition.every_seconds:
                self._read(key, due, last=last)
                continue
            # A watch that was killed between two lines left some conditions behind the others.
            times = [
                began + number * every for number in range(self._evaluated(track) + 1, due + 1)
            ]
            looks.append((track, pool.submit(track.look, times)))
        for track, look in looks:
            self._note(track, look.result())
        if last:
            for key, reading in self._reading.items():
                self._note(self._tracks[key], reading.result())
        for comparison in compared:
            comparison.result()
        self._done = due
        self._confounders.look(last=last)
        fired = [key[0] for key, track in self._tracks.items() if track.state.fired_at is not None]
        self.ended = rules.Ended(self._wanted, due * every, fired[0] if fired else "")

    def _read(self, key: Key, due: int, *, last: bool) -> None:
        """Note what a reading brought, and begin the next one when it is due; the last one is of the end."""
        track, reading = self._tracks[key], self._reading.get(key)
        if reading is not None:
            if not reading.done() and not last:
                return
            self._note(track, self._reading.pop(key).result())
        apart = max(1, round(track.condition.every_seconds / self._every))
        if last or track.is_open or due - self._evaluated(track) >= apart:
            self._reading[key] = self._readers.submit(track.look, [self._began + due * self._every])

    def _evaluated(self, track: Track) -> int:
        """Return how many times of the schedule a condition has behind it."""
        return max(0, round((track.seen_until - self._began) / self._every))

    def _note(self, track: Track, seen: Iterable[Seen]) -> None:
        """Write each evaluation down before the next is made."""
        check, region, subject = track.key
        for one in seen:
            known = {**dataclasses.asdict(one), **track.since(one.at)}
            self._run.events.write(EVALUATED, check=check, region=region, subject=subject, **known)

    def judge(self, asked: Asked) -> None:
        """Judge a check's trigger in each region; raises NotDescribedError where it can't be watched."""
        lacking = self._lacking.get(asked.check.id)
        if lacking is not None:
            raise lacking
        for region in asked.regions:
            seen = [
                track.watched()
                for (check, where, _), track in self._tracks.items()
                if (check, where) == (asked.check.id, region)
            ]
            if not seen:
                where = asked.platform.policy_folder
                raise NotDescribedError(f"{where} lacks a trigger for {asked.check.id}; add it")
            fired = [one for one in seen if one.state.fired_at is not None]
            asked.check.judge(region, *(rules.judge(one, self.ended) for one in fired or seen))
            asked.check.judge(region, *self._confounders.judged(region))


@when("the platform is watched", target_fixture="watch")
def watch_the_platform(run: Run) -> Watch:
    """Return the run's one watch: all triggers together, whichever check asks first."""
    return run.shared(Watch.of)


@then("what this trigger watches never lasts long enough to ask for a rollback")
def never_asks_for_a_rollback(watch: Watch, asked: Asked) -> None:
    watch.judge(asked)


@then("no compared objective is proved to be worse than the previous version's")
def no_worse_than_before(watch: Watch, asked: Asked) -> None:
    for region in asked.regions:
        asked.check.judge(region, *(one.judged() for one in watch.comparisons[region]))


@then("each objective of the first hour meets its target then")
def meets_its_targets(run: Run, watch: Watch, asked: Asked) -> None:
    """Judge the targets alone: a rollback limit is a trigger's business, over time."""
    policy, waiting = asked.platform.policy, run.shared(objectives.Waiting.of)
    if not policy.triggers.objectives:
        raise NotDescribedError(
            f"{asked.platform.policy_folder} lacks triggers.objectives; add them"
        )
    if watch.ended.by or watch.ended.seconds < watch.ended.wanted_seconds:
        asked.judge(rules.not_asked(watch.ended))
        return
    for check in policy.triggers.objectives:
        target = policy.objective(check).model_copy(update={"rollback": None})
        objectives.judge(asked, waiting, target)

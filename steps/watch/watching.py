"""Watches every trigger in every region at once, until one fires or the time is up.

Evaluations stand on a schedule that does not drift. One that got no answer, or was missed while the process
was stopped, is asked again for as long as its data are kept. Each evaluation is a line of the run's events
before the next one is made: the state is folded from these lines, also when a watch is resumed.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import datetime as dt
import math
import pathlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import probes
from environments.store import digest_of
from gates.decide.judgement import Judgement
from gates.decide.trigger import Clock
from probes.observation import pause, utc_now
from reports.events import EVALUATED, WAITING, WATCH_BEGAN, event_of
from settings.rollback import Trigger
from steps.cluster import clusters
from steps.flags import reading as flags
from steps.kit.asked import Asked
from steps.kit.baseline import SHARED, CannotCollectError
from steps.kit.expect import expect
from steps.kit.platform import NotDescribedError, Platform
from steps.kit.run import Run
from steps.kit.sentence import then, when
from steps.objectives import objectives
from steps.watch.asking import Seen, conditions
from steps.watch.comparison import comparisons
from steps.watch.rules import Ended, Key, Track, judge, not_asked
from steps.watch.standing import Words, standing

SHORTEST_EVERY_SECONDS = 1.0
LEAST_GAP = 3
"""Evaluations: one alone is missed easily."""
AT_ONCE = 8
Look = concurrent.futures.Future[tuple[Seen, ...]]

_LOOK_EVERY_SECONDS = 60.0
"""Between two looks at what else was changed; what was changed back in between stays unseen."""
_PROMETHEUS = "Prometheus"
_READ: tuple[tuple[str, Callable[[Platform], Mapping[str, Any]]], ...] = (
    ("flags", flags.snapshot),
    ("kubernetes", clusters.deployments),
)


class Confounders:
    """Flags, rollouts, scaling, configuration and Prometheus: how they were, and what differs since.

    What was changed while the release was watched may alone be what is seen then.
    """

    def __init__(self, platform: Platform) -> None:
        self.before: dict[str, str] = {}
        """Digests by region and name, as they were when the watch began."""
        self._platform = platform
        self._changes: dict[tuple[str, str], str] = {}
        self._unread: dict[str, str] = {}
        self._looked_at = 0.0
        self._began: dict[str, dt.datetime] = {}
        """When the watch began, by region and by its Prometheus' own clock."""

    def look(self, *, last: bool) -> None:
        """Compare with how it was; at the beginning, once a minute and at the end."""
        first = not self.before
        if not first and not last and time.monotonic() - self._looked_at < _LOOK_EVERY_SECONDS:
            return
        self._looked_at = time.monotonic()
        if "prometheus" in self._platform.environment.sections:
            self._platform.each_region(self._look_at_prometheus)
        for section, read in _READ:
            if section in self._platform.environment.sections:
                try:
                    self._compare(read(self._platform))
                except (CannotCollectError, NotDescribedError) as exc:
                    if first or last:
                        self._unread[section] = str(exc)

    def _look_at_prometheus(self, region: str) -> None:
        """Note a restart; that it does not answer, every evaluation says that asks it."""
        target, deadline = self._platform.prometheus(region), self._platform.call_deadline()
        found = probes.prometheus.instrument(target, deadline=deadline).value
        if found is not None:
            began = self._began.setdefault(region, found.server_time)
            if found.started_at > began:
                self._changes.setdefault((region, _PROMETHEUS), f"{utc_now():%H:%M:%S}")

    def _compare(self, found: Mapping[str, Any]) -> None:
        for region, facts in found.items():
            for name, value in _flat(facts).items():
                digest = digest_of({"value": value})
                if self.before.setdefault(f"{region}/{name}", digest) != digest:
                    self._changes.setdefault((region, name), f"{utc_now():%H:%M:%S}")

    def judged(self, region: str) -> Iterator[Judgement]:
        """Yield what was changed in a region; by policy it leaves the watch undecided, or is shown alone."""
        good = None if self._platform.policy.triggers.confounders == "hold" else True
        clears = "a watch in which nothing is changed"
        watched, found = "while the release was watched", list[tuple[str, str]]()
        for (where, what), at in self._changes.items():
            done = "restarted" if what == _PROMETHEUS else "changed"
            more = f"(seen at {at} UTC), so what was measured is of more than the release"
            if where in (region, SHARED):
                found.append((what, f"{what} was {done} {watched} {more}"))
        for section, why in self._unread.items():
            found.append((section, f"whether {section} were changed {watched} is not known: {why}"))
        for what, sentence in found:
            yield expect(good, what, sentence, clears, rule="nothing changed")


def _flat(facts: Mapping[str, Any]) -> dict[str, Any]:
    if "deployments" not in facts:
        return {f"flag {name}": value for name, value in facts.items()}
    # Restarts of a pod are the release's own doing.
    deployments = {f"Deployment {name}": value for name, value in facts["deployments"].items()}
    rest = {"the ConfigMap": facts["config"], "the Service's selector": facts["selector"]}
    return {**deployments, **rest}


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
        self.ended = Ended(self._wanted, 0.0)

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
        self.ended = Ended(self._wanted, self._done * self._every)

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
        self.ended = Ended(self._wanted, due * every, fired[0] if fired else "")

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
                track
                for (check, where, _), track in self._tracks.items()
                if (check, where) == (asked.check.id, region)
            ]
            if not seen:
                where = asked.platform.policy_folder
                raise NotDescribedError(f"{where} lacks a trigger for {asked.check.id}; add it")
            fired = [one for one in seen if one.state.fired_at is not None]
            asked.check.judge(region, *(judge(one, self.ended) for one in fired or seen))
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
        asked.judge(not_asked(watch.ended))
        return
    for check in policy.triggers.objectives:
        target = policy.objective(check).model_copy(update={"rollback": None})
        objectives.judge(asked, waiting, target)

"""Scenarios of `prove objectives`: platforms with everything that a count of events can trip over."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable

from prove.streams import OWN_PATH, Event, Platform, Pod, Process, traffic

RELEASE, BEFORE = "1.2.0", "1.1.9"
SCRAPES = (1.0, 2.0)


@dataclasses.dataclass(frozen=True, slots=True)
class Frame:
    """The time that a scenario fills, in seconds since 1970."""

    began: float
    begin: float
    """The look-back's begin, about."""
    end: float

    def inside(self, chance: random.Random) -> float:
        """Return a moment well inside of the look-back."""
        return chance.uniform(self.begin + 8, self.end - 12)


Flaw = Callable[[random.Random, Frame, Pod], Pod]


def scenario(chance: random.Random, frame: Frame) -> tuple[Platform, str]:
    """Return a platform, and whether its errors or its latency are asked for."""
    kind = chance.choice(("errors", "latency"))
    scrape = chance.choice(SCRAPES)
    flaws = tuple(sorted(chance.sample(sorted(FLAWS), chance.choice((0, 0, 1, 1, 1, 2, 3)))))
    rate = chance.choice((5, 20, 40))
    bad = chance.choice((0.0, 0.0, 0.0005, 0.003, 0.03, 0.25))
    burst = chance.choice((1, 1, 1, 5, 20))

    def pod(number: int, version: str, share: float) -> Pod:
        events = traffic(chance, frame.began, frame.end, rate, share, burst)
        process = Process(frame.began - chance.uniform(1, 500), frame.end + 100, events)
        first = frame.began + chance.uniform(0, scrape)
        return Pod(f"10.0.0.{number}:80", version, (process,), first)

    pods = [pod(number, RELEASE, bad) for number in range(chance.randint(1, 4))]
    for flaw in flaws:
        place = chance.randrange(len(pods))
        if pods[place].processes:
            pods[place] = FLAWS[flaw](chance, frame, pods[place])
    if chance.random() < 0.3:  # noqa: PLR2004 - a third of the platforms still has pods of before
        pods += [pod(100 + number, BEFORE, 0.3) for number in range(2)]
    return Platform(tuple(pods), scrape, flaws, frame.end), kind


def _newborn(_: random.Random, __: Frame, pod: Pod) -> Pod:
    return dataclasses.replace(pod, born_at_zero=False)


def _restart(chance: random.Random, frame: Frame, pod: Pod) -> Pod:
    one, down = pod.processes[-1], chance.choice((0.0, 0.3, 4.0))
    at = frame.inside(chance)
    before = dataclasses.replace(
        one, ended=at, events=tuple(event for event in one.events if event.at < at)
    )
    after = dataclasses.replace(
        one, began=at + down, events=tuple(event for event in one.events if event.at >= at + down)
    )
    return dataclasses.replace(pod, processes=(*pod.processes[:-1], before, after))


def _silent_restart(chance: random.Random, frame: Frame, pod: Pod) -> Pod:
    return dataclasses.replace(_restart(chance, frame, pod), tells_start=False)


def _restored(chance: random.Random, frame: Frame, pod: Pod) -> Pod:
    pod = _restart(chance, frame, pod)
    # By less would look like its events: a counter has to begin at zero with its process.
    last = dataclasses.replace(pod.processes[-1], restored=chance.choice((1_000.0, 20_000.0)))
    return dataclasses.replace(pod, processes=(*pod.processes[:-1], last))


def _late(chance: random.Random, frame: Frame, pod: Pod) -> Pod:
    """Start in the range; sometimes Prometheus finds the pod only a while later."""
    began = frame.inside(chance)
    found = began + chance.choice((0.1, 1.0, 5.0))
    processes = tuple(
        dataclasses.replace(
            one,
            began=max(one.began, began),
            events=tuple(event for event in one.events if event.at >= began),
        )
        for one in pod.processes
        if one.ended > began
    )
    return dataclasses.replace(pod, processes=processes, first_scrape=max(pod.first_scrape, found))


def _leaves(chance: random.Random, frame: Frame, pod: Pod) -> Pod:
    at = frame.inside(chance)
    processes = tuple(
        dataclasses.replace(
            one,
            ended=min(one.ended, at),
            events=tuple(event for event in one.events if event.at < at),
        )
        for one in pod.processes
        if one.began < at
    )
    return dataclasses.replace(pod, processes=processes)


def _gap(chance: random.Random, frame: Frame, pod: Pod) -> Pod:
    begin = chance.uniform(frame.began, frame.end)
    return dataclasses.replace(pod, gaps=(*pod.gaps, (begin, begin + chance.uniform(1, 15))))


def _hidden(_: random.Random, __: Frame, pod: Pod) -> Pod:
    return dataclasses.replace(pod, hidden=True)


def _twin(chance: random.Random, _: Frame, pod: Pod) -> Pod:
    """Scrape it twice, under labels that differ."""
    name = chance.choice(("service", "prometheus_replica", "container"))
    return dataclasses.replace(pod, extra=(((name, "one"),), ((name, "other"),)))


def _workers(chance: random.Random, _: Frame, pod: Pod) -> Pod:
    return dataclasses.replace(
        pod,
        workers=chance.choice((2, 3)),
        tells_start=chance.random() < 0.5,  # noqa: PLR2004 - half of them
    )


def _stops(chance: random.Random, frame: Frame, pod: Pod) -> Pod:
    at = chance.uniform(frame.begin, frame.end)
    processes = tuple(
        dataclasses.replace(one, events=tuple(event for event in one.events if event.at < at))
        for one in pod.processes
    )
    return dataclasses.replace(pod, processes=processes)


def _odd_status(chance: random.Random, _: Frame, pod: Pod) -> Pod:
    return dataclasses.replace(pod, status_prefix=chance.choice(("HTTP_", "status ")))


def _lacks(chance: random.Random, _: Frame, pod: Pod) -> Pod:
    return dataclasses.replace(pod, lacks=chance.choice(("count", "0.2", "0.5", "+Inf")))


def _own_requests(_: random.Random, __: Frame, pod: Pod) -> Pod:
    """Serve nobody but the scrapes."""
    processes = tuple(
        dataclasses.replace(
            one, events=tuple(Event(event.at, "200", 0.01, OWN_PATH) for event in one.events)
        )
        for one in pod.processes
    )
    return dataclasses.replace(pod, processes=processes)


FLAWS: dict[str, Flaw] = {
    "newborn": _newborn,
    "restart": _restart,
    "silent restart": _silent_restart,
    "restored": _restored,
    "late": _late,
    "leaves": _leaves,
    "gap": _gap,
    "hidden": _hidden,
    "twin": _twin,
    "workers": _workers,
    "stops": _stops,
    "odd status": _odd_status,
    "lacks": _lacks,
    "own requests": _own_requests,
}

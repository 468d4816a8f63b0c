"""A small, honest platform: pods that serve events, what a Prometheus would scrape of them, and its flaws.

What really happened is known to the event, so that a count made from the scrapes can be held against it.
"""

from __future__ import annotations

import bisect
import dataclasses
import itertools
import random
import struct
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

Labels = tuple[tuple[str, str], ...]
BOUNDS = (0.1, 0.2, 0.5)
OWN_PATH = "/metrics"
STALE = struct.unpack("<d", bytes.fromhex("020000000000f07f"))[0]
"""The NaN by which Prometheus marks that a series ended."""


@dataclasses.dataclass(frozen=True, slots=True)
class Event:
    """One request."""

    at: float
    status: str
    seconds: float
    route: str


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Process:
    """A run of a pod's program: its counters begin with it."""

    began: float
    ended: float
    events: tuple[Event, ...]
    restored: float = 0.0
    """Its counters go on from here instead of zero."""

    def cut(self, began: float, ended: float) -> Process:
        """Return it as it would be had it begun and ended then, with the events of that time."""
        events = tuple(one for one in self.events if began <= one.at < ended)
        return dataclasses.replace(self, began=began, ended=ended, events=events)


@dataclasses.dataclass(frozen=True, slots=True)
class Pod:
    """A scraped pod, and what is odd about it or its scrapes."""

    name: str
    version: str
    processes: tuple[Process, ...]
    first_scrape: float
    gaps: tuple[tuple[float, float], ...] = ()
    """From when to when its scrapes fail."""
    hidden: bool = False
    """It is up and exposes none of the metrics."""
    tells_start: bool = True
    born_at_zero: bool = True
    """Its series exist from the start; else from their first event on."""
    workers: int = 1
    """So many processes behind the port, whose counters answer in turn."""
    extra: tuple[Labels, ...] = ((),)
    """Labels under which it is scraped; twice means two targets of one pod."""
    status_prefix: str = ""
    lacks: str = ""
    """A part of its histograms that is not exposed: `count` or a bound."""

    def running(self, at: float) -> Process | None:
        """Return the process that answers at a time."""
        return next((one for one in self.processes if one.began <= at < one.ended), None)

    def answers(self, at: float) -> bool:
        """Return whether a scrape at that time goes well."""
        failing = any(begin <= at < end for begin, end in self.gaps)
        return not failing and self.running(at) is not None


@dataclasses.dataclass(frozen=True, slots=True)
class Platform:
    """Pods, old and new, and how they are scraped."""

    pods: tuple[Pod, ...]
    scrape_seconds: float
    flaws: tuple[str, ...]
    ends: float = float("inf")
    """Nothing is scraped any more after that, however late it is asked for."""

    def scrapes(self, pod: Pod, until: float) -> Iterator[float]:
        """Yield when a pod is scraped, from the first process to the end of the last one."""
        last = min(until, self.ends, max((one.ended for one in pod.processes), default=0.0))
        for number in itertools.count():
            at = round(pod.first_scrape + number * self.scrape_seconds, 3)
            if at > last:
                return
            yield at


def scraped(platform: Platform, kind: str, until: float) -> dict[Labels, list[tuple[float, float]]]:
    """Return the samples that a Prometheus has by then, by series; STALE marks where a series ended."""
    found: dict[Labels, list[tuple[float, float]]] = defaultdict(list)
    for pod, extra in [(one, labels) for one in platform.pods for labels in one.extra]:
        own = (("instance", pod.name), ("pod", pod.name), ("version", pod.version), *extra)
        shown = {process: _workers(pod, process, kind) for process in pod.processes}
        before: set[Labels] = set()
        at = until
        for turn, at in enumerate(platform.scrapes(pod, until)):
            values = _exposed(pod, shown, at, turn) if pod.answers(at) else {}
            for labels in before - values.keys():
                found[(*labels, *own)].append((at, STALE))
            for labels, value in values.items():
                found[(*labels, *own)].append((at, value))
            before = set(values)
            found[(("__name__", "up"), *own)].append((at, float(pod.answers(at))))
        if at + platform.scrape_seconds <= until:
            for labels in (*before, (("__name__", "up"),)):
                found[(*labels, *own)].append((at + platform.scrape_seconds, STALE))
    return found


Shown = Mapping[Labels, list[float]]
"""The times at which each series of a worker grows by one."""


def _exposed(
    pod: Pod, shown: Mapping[Process, Sequence[Shown]], at: float, turn: int
) -> dict[Labels, float]:
    process = pod.running(at)
    if process is None:
        return {}
    values: dict[Labels, float] = {}
    if pod.tells_start:
        values[(("__name__", "process_start_time_seconds"),)] = process.began
    for labels, times in shown[process][turn % pod.workers].items():
        value = bisect.bisect_right(times, at)
        if value or pod.born_at_zero:
            values[labels] = value + process.restored
    return values


def _workers(pod: Pod, process: Process, kind: str) -> list[Shown]:
    if pod.hidden:
        return [{}] * pod.workers
    series = _counters if kind == "errors" else _histograms
    return [series(pod, process.events[turn :: pod.workers]) for turn in range(pod.workers)]


def _counters(pod: Pod, events: Sequence[Event]) -> Shown:
    found: dict[Labels, list[float]] = {
        _counter(pod, route, status): [] for route in _routes(pod) for status in ("200", "500")
    }
    for event in events:
        found[_counter(pod, event.route, event.status)].append(event.at)
    return found


def _counter(pod: Pod, route: str, status: str) -> Labels:
    name = ("__name__", "http_requests_total")
    return (name, ("route", route), ("status", f"{pod.status_prefix}{status}"))


def _histograms(pod: Pod, events: Sequence[Event]) -> Shown:
    name = "http_request_duration_seconds"
    found: dict[Labels, list[float]] = {}
    for route in _routes(pod):
        mine = [event for event in events if event.route == route]
        for bound in (*(f"{one:g}" for one in BOUNDS), "+Inf"):
            if bound != pod.lacks:
                key = (("__name__", f"{name}_bucket"), ("le", bound), ("route", route))
                found[key] = [event.at for event in mine if event.seconds <= float(bound)]
        if pod.lacks != "count":
            found[(("__name__", f"{name}_count"), ("route", route))] = [one.at for one in mine]
    return found


def _routes(pod: Pod) -> list[str]:
    return sorted({event.route for process in pod.processes for event in process.events})


@dataclasses.dataclass(frozen=True, slots=True)
class Truth:
    """How many events a count of a range may show at least and at most: scrapes cut its ends."""

    least: Mapping[str, int]
    most: Mapping[str, int]
    newest: float
    """When the last event was that a scrape has seen."""


def truth(platform: Platform, version: str, kind: str, begin: float, end: float) -> Truth:
    """Return what really happened on the pods of a version."""
    least: dict[str, int] = {"all": 0, "bad": 0}
    most: dict[str, int] = {"all": 0, "bad": 0}
    newest = float("-inf")
    for pod in platform.pods:
        if pod.version != version:
            continue
        scrapes = [at for at in platform.scrapes(pod, end) if pod.answers(at)]
        for process in pod.processes:
            sure, possible = _seen(process, scrapes, begin, platform.scrape_seconds)
            for event in process.events:
                if event.route == OWN_PATH:
                    continue
                columns = ("all", "bad") if _is_bad(event, kind) else ("all",)
                for column in columns:
                    least[column] += sure[0] < event.at <= sure[1]
                    most[column] += possible[0] < event.at <= possible[1]
                if event.at <= possible[1]:
                    newest = max(newest, event.at)
    return Truth(least, most, newest)


def _seen(
    process: Process, scrapes: Sequence[float], begin: float, scrape_seconds: float
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return between which times the events of a process surely were, and possibly were, counted.

    What came after the last scrape that met the process is known to nobody.
    """
    met = [at for at in scrapes if process.began <= at < process.ended]
    inside = [at for at in met if at > begin]
    if not inside:
        return (begin, begin), (begin, begin)
    since = process.began if process.began > begin else inside[0]
    # A process that Prometheus found late brings its history; so does a scrape just before the range.
    earliest = process.began if met[0] > begin else begin - 2.2 * scrape_seconds
    return (since, inside[-1]), (min(since, earliest), inside[-1])


def _is_bad(event: Event, kind: str) -> bool:
    return event.status.startswith("5") if kind == "errors" else event.seconds > BOUNDS[1]


def traffic(
    chance: random.Random, began: float, ended: float, rate: float, bad: float, burst: int
) -> tuple[Event, ...]:
    """Return independent requests, of which a share fails and is slow, `burst` at a time."""
    events: list[Event] = []
    at = began
    while (at := at + chance.expovariate(rate)) < ended:
        wrong = chance.random() < bad / burst
        events += [_event(chance, at, wrong=wrong) for _ in range(burst if wrong else 1)]
    return tuple(events)


def _event(chance: random.Random, at: float, *, wrong: bool) -> Event:
    route = chance.choice(("/v1/a", "/v1/b", "/v1/c"))
    seconds = chance.uniform(0.3, 0.9) if wrong else chance.uniform(0.01, 0.18)
    return Event(at, "500" if wrong else "200", seconds, route)


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


def _restart(chance: random.Random, frame: Frame, pod: Pod) -> Pod:
    one, down = pod.processes[-1], chance.choice((0.0, 0.3, 4.0))
    at = frame.inside(chance)
    halves = one.cut(one.began, at), one.cut(at + down, one.ended)
    return dataclasses.replace(pod, processes=(*pod.processes[:-1], *halves))


def _restored(chance: random.Random, frame: Frame, pod: Pod) -> Pod:
    pod = _restart(chance, frame, pod)
    # By less would look like its events: a counter has to begin at zero with its process.
    last = dataclasses.replace(pod.processes[-1], restored=chance.choice((1_000.0, 20_000.0)))
    return dataclasses.replace(pod, processes=(*pod.processes[:-1], last))


def _late(chance: random.Random, frame: Frame, pod: Pod) -> Pod:
    """Start in the range; sometimes Prometheus finds the pod only a while later."""
    began = frame.inside(chance)
    found = began + chance.choice((0.1, 1.0, 5.0))
    left = [one for one in pod.processes if one.ended > began]
    processes = tuple(one.cut(max(one.began, began), one.ended) for one in left)
    return dataclasses.replace(pod, processes=processes, first_scrape=max(pod.first_scrape, found))


def _leaves(chance: random.Random, frame: Frame, pod: Pod) -> Pod:
    at = frame.inside(chance)
    left = [one for one in pod.processes if one.began < at]
    processes = tuple(one.cut(one.began, min(one.ended, at)) for one in left)
    return dataclasses.replace(pod, processes=processes)


def _gap(chance: random.Random, frame: Frame, pod: Pod) -> Pod:
    begin = chance.uniform(frame.began, frame.end)
    return dataclasses.replace(pod, gaps=(*pod.gaps, (begin, begin + chance.uniform(1, 15))))


def _twin(chance: random.Random, _: Frame, pod: Pod) -> Pod:
    """Scrape it twice, under labels that differ."""
    name = chance.choice(("service", "prometheus_replica", "container"))
    return dataclasses.replace(pod, extra=(((name, "one"),), ((name, "other"),)))


def _in_turn(chance: random.Random, _: Frame, pod: Pod) -> Pod:
    workers = chance.choice((2, 3))
    half_of_them = chance.random() < 0.5  # noqa: PLR2004 - half of them
    return dataclasses.replace(pod, workers=workers, tells_start=half_of_them)


def _stops(chance: random.Random, frame: Frame, pod: Pod) -> Pod:
    at = chance.uniform(frame.begin, frame.end)
    return _with_events(pod, lambda events: tuple(one for one in events if one.at < at))


def _own_requests(_: random.Random, __: Frame, pod: Pod) -> Pod:
    """Serve nobody but the scrapes."""
    return _with_events(
        pod, lambda events: tuple(Event(one.at, "200", 0.01, OWN_PATH) for one in events)
    )


def _with_events(pod: Pod, change: Callable[[tuple[Event, ...]], tuple[Event, ...]]) -> Pod:
    changed = (dataclasses.replace(one, events=change(one.events)) for one in pod.processes)
    return dataclasses.replace(pod, processes=tuple(changed))


FLAWS: dict[str, Flaw] = {
    "newborn": lambda _, __, pod: dataclasses.replace(pod, born_at_zero=False),
    "restart": _restart,
    "silent restart": lambda chance, frame, pod: dataclasses.replace(
        _restart(chance, frame, pod), tells_start=False
    ),
    "restored": _restored,
    "late": _late,
    "leaves": _leaves,
    "gap": _gap,
    "hidden": lambda _, __, pod: dataclasses.replace(pod, hidden=True),
    "twin": _twin,
    "workers": _in_turn,
    "stops": _stops,
    "odd status": lambda chance, _, pod: dataclasses.replace(
        pod, status_prefix=chance.choice(("HTTP_", "status "))
    ),
    "lacks": lambda chance, _, pod: dataclasses.replace(
        pod, lacks=chance.choice(("count", "0.2", "0.5", "+Inf"))
    ),
    "own requests": _own_requests,
}

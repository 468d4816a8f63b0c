"""A small, honest platform: pods that serve events, and what a Prometheus would scrape of them.

What really happened is known to the event, so that a count made from the scrapes can be held against it.
"""

from __future__ import annotations

import bisect
import dataclasses
import itertools
import random
import struct
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

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

"""A Prometheus on port 0 that says what a test wants, in the real wire format."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import time
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import parse_qs, urlsplit

from tests.steps.json_server import json_server

Labelled = tuple[Mapping[str, str], str]
"""Labels and value of one series; values are text, as Prometheus sends them."""
ONE: tuple[Labelled, ...] = (({}, "1"),)
TARGET = {"job": "api", "instance": "pod-1", "region": "eu", "version": "1.2.0"}
Sampled = tuple[Mapping[str, str], Callable[[float], str]]
"""Labels of one series and its value by the seconds that the range has left, at each scrape."""


@dataclasses.dataclass
class ScriptedPrometheus:
    """What it answers: to queries by a part of their text, first match first."""

    url: str = ""
    ready: int = 200
    html: bool = False
    skew_seconds: float = 0
    started_at: str = "2026-01-01T00:00:00Z"
    reloaded: bool = True
    corrupted: int = 0
    warnings: tuple[str, ...] = ()
    infos: tuple[str, ...] = ()
    remarks_on_steps: tuple[str, ...] = ()
    """The warnings of range queries."""
    remarked: str = ""
    """The part of a query's text whose answers carry the infos."""
    answers: dict[str, tuple[Labelled, ...]] = dataclasses.field(
        default_factory=lambda: {"count(present_over_time": ONE}
    )
    samples: dict[str, tuple[Sampled, ...]] = dataclasses.field(default_factory=dict)
    """What it answers to range selectors, by a part of their text."""
    scraped_every: float = 0.1
    """How often the release's one target is scraped."""
    queries: list[str] = dataclasses.field(default_factory=list)
    targets: list[Mapping[str, object]] = dataclasses.field(default_factory=list)
    rules: list[Mapping[str, object]] = dataclasses.field(default_factory=list)
    group: Mapping[str, object] = dataclasses.field(default_factory=dict)
    """What it says of the group of these rules."""
    scraped: Callable[[float], int] = lambda _seconds_ago: 1
    """The value of each step of a range query by how long ago it is; 0: it has no sample."""
    scraped_of: dict[str, Callable[[float], int]] = dataclasses.field(default_factory=dict)
    """The same of a job of its own."""
    seen_days_ago: tuple[float, ...] = ()
    """When its index of series has something: one series each."""

    def say(self, **told: object) -> None:
        """Change what it says."""
        for name, value in told.items():
            setattr(self, name, value)

    def answer(self, target: str, form: bytes) -> tuple[int, object]:
        """Return status and body of one request."""
        if self.html:
            return 200, b"<html>log in</html>"
        path = urlsplit(target).path
        if path == "/-/ready":
            return self.ready, {}
        if path == "/api/v1/status/runtimeinfo":
            return 200, _data(
                {
                    "startTime": self.started_at,
                    "reloadConfigSuccess": self.reloaded,
                    "corruptionCount": self.corrupted,
                }
            )
        lists = {
            "/api/v1/status/buildinfo": {"version": "3.1.0"},
            "/api/v1/targets": {"activeTargets": self.targets},
            "/api/v1/rules": {"groups": [{**self.group, "rules": self.rules}]},
        }
        if path in lists:
            return 200, _data(lists[path])
        return 200, self._asked(path, parse_qs(urlsplit(target).query or form.decode()))

    def _asked(self, path: str, asked: Mapping[str, list[str]]) -> object:
        if path == "/api/v1/series":
            return self._series(float(asked["start"][0]), float(asked["end"][0]))
        query = asked["query"][0]
        if path == "/api/v1/query_range":
            begins, ends, step = (float(asked[name][0]) for name in ("start", "end", "step"))
            return self._matrix(query, begins, ends, step)
        if path == "/api/v1/format_query":
            return _data(" ".join(query.split()))
        if query.endswith("ms]"):
            # As of the asked moment: a busy machine may come to it half a second later.
            return self._range(query, float(asked["time"][0]))
        return self._query(query)

    def _series(self, begins: float, ends: float) -> object:
        now = time.time() + self.skew_seconds
        there = sum(begins <= now - days * 86_400 <= ends for days in self.seen_days_ago)
        remarks = {"warnings": list(self.warnings)} if self.warnings else {}
        return {"status": "success", "data": [{"job": "x"}] * there, **remarks}

    def _matrix(self, query: str, begins: float, ends: float, step: float) -> object:
        times = [begins + n * step for n in range(int((ends - begins) / step + 1.001))]
        own = (told for job, told in self.scraped_of.items() if f'job="{job}"' in query)
        scraped = next(own, self.scraped)
        counts = [(time, int(scraped(ends - time))) for time in times]
        values = [[time, str(count)] for time, count in counts if count]
        series = [{"metric": {}, "values": values}] if values else []
        remarks = {"warnings": list(self.remarks_on_steps)} if self.remarks_on_steps else {}
        return {**_data({"resultType": "matrix", "result": series}), **remarks}

    def _query(self, query: str) -> object:
        now = time.time() + self.skew_seconds
        if query == "time()":
            return _data({"resultType": "scalar", "result": [now, f"{now:.3f}"]})
        self.queries.append(query)
        found = next((told for part, told in self.answers.items() if part in query), ())
        series = [{"metric": dict(labels), "value": [now, value]} for labels, value in found]
        infos = self.infos if self.remarked in query else ()
        remarks = {"warnings": list(self.warnings), "infos": list(infos)}
        told = {name: texts for name, texts in remarks.items() if texts}
        return {**_data({"resultType": "vector", "result": series}), **told}

    def _range(self, query: str, now: float) -> object:
        self.queries.append(query)
        up: Sampled = ({**TARGET, "__name__": "up"}, lambda _: "1")
        found = next((told for part, told in self.samples.items() if part in query), ())
        seconds = int(query.rpartition("[")[2].removesuffix("ms]")) / 1000
        steps = range(int(seconds / self.scraped_every))
        times = [now - step * self.scraped_every for step in reversed(steps)]
        series = [
            {"metric": dict(labels), "values": [[at, value(now - at)] for at in times]}
            for labels, value in (found or ((up,) if '"up|' in query else ()))
        ]
        return _data({"resultType": "matrix", "result": series})

    def restarts_now(self) -> None:
        """Begin its life this second."""
        self.started_at = dt.datetime.now(dt.UTC).isoformat()


def _data(data: object) -> dict[str, object]:
    return {"status": "success", "data": data}


@contextlib.contextmanager
def scripted_prometheus() -> Iterator[ScriptedPrometheus]:
    """Serve it until the block ends."""
    scripted = ScriptedPrometheus()
    with json_server(lambda _, target, __, form: scripted.answer(target, form)) as scripted.url:
        yield scripted

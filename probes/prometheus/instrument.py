"""What stands at a Prometheus address, and what tells whether its answers can be relied on.

Prometheus and VictoriaMetrics are read. Other servers of the same query API are recognised and refused
by name: they do not tell what the gate has to know of an instrument.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from probes import http
from probes.api import MAX_ANSWER_BYTES, UnusableAnswerError, good_answer
from probes.observation import Deadline, utc_now
from probes.prometheus.answers import read_data, read_time, read_vector

_NO_SUCH_PATH: Final = (400, 404)
_REMEDY: Final = "name a Prometheus that scrapes the release itself, or a VictoriaMetrics"


@dataclasses.dataclass(frozen=True, slots=True)
class Instrument:
    """A Prometheus that is ready: what tells whether its answers can be relied on."""

    product: str
    """`Prometheus` or `VictoriaMetrics`."""
    version: str
    started_at: dt.datetime
    server_time: dt.datetime
    clock_skew_seconds: float
    """Server's clock minus ours; known to half of the query's round trip."""
    clock_uncertainty_seconds: float
    config_reload_succeeded: bool
    corruption_count: int

    def facts(self) -> Mapping[str, object]:
        """Return everything: none of it is private."""
        return {
            "product": self.product,
            "version": self.version,
            "started_at": self.started_at.isoformat(),
            "server_time": self.server_time.isoformat(),
            "clock_skew_seconds": round(self.clock_skew_seconds, 3),
            "clock_uncertainty_seconds": round(self.clock_uncertainty_seconds, 3),
            "config_reload_succeeded": self.config_reload_succeeded,
            "corruption_count": self.corruption_count,
        }


class Steps:
    """The requests of an inspection, timed one by one."""

    def __init__(self, target: http.HttpTarget, deadline: Deadline) -> None:
        self._target = target
        self._deadline = deadline
        self.seconds: dict[str, float | None] = dict.fromkeys(
            ("ready", "runtime", "version", "clock")
        )

    def get(self, name: str, path: str) -> http.HttpAnswer:
        """Return the answer with status 200; raises NotAnsweredError."""
        answer = self.find(name, path)
        if answer is None:
            raise UnusableAnswerError(f"It has no {path}.")
        return answer

    def find(self, name: str, path: str) -> http.HttpAnswer | None:
        """Return the same, None where the server has no such path."""
        observed = http.request(
            self._target, "GET", path, deadline=self._deadline, max_bytes=MAX_ANSWER_BYTES
        )
        self.seconds[name] = observed.elapsed_seconds
        if observed.value is not None and observed.value.status in _NO_SUCH_PATH:
            return None
        return good_answer(self._target, observed)


def read_instrument(steps: Steps) -> Instrument:
    """Return what is known of the server; raises NotAnsweredError, UnusableAnswerError, NotJsonError."""
    ready = steps.find("ready", "/-/ready")
    runtime = steps.find("runtime", "/api/v1/status/runtimeinfo")
    if runtime is None:
        return _victoria_metrics(steps)
    if ready is None:
        raise UnusableAnswerError(
            "It does not tell whether it is ready; does a proxy hide /-/ready?"
        )
    state = read_data(runtime.json())
    if "reloadConfigSuccess" not in state:
        raise UnusableAnswerError(
            "This looks like Thanos Query, which does not tell the state of the Prometheus servers "
            f"behind it; {_REMEDY}."
        )
    build = read_data(steps.get("version", "/api/v1/status/buildinfo").json())
    return _timed(
        steps,
        product="Prometheus",
        version=_field(build, "version", str),
        started_at=read_time(state.get("startTime"), "startTime"),
        config_reload_succeeded=_field(state, "reloadConfigSuccess", bool),
        corruption_count=_field(state, "corruptionCount", int),
    )


def _victoria_metrics(steps: Steps) -> Instrument:
    metrics = steps.find("metrics", "/metrics")
    own = "" if metrics is None else metrics.body.decode("utf-8", "replace")
    started = _metric(own, "vm_app_start_timestamp")
    if started is None:
        steps.get("version", "/api/v1/status/buildinfo")
        raise UnusableAnswerError(
            "This answers as Mimir, Cortex and Amazon Managed Prometheus do (or as VictoriaMetrics behind "
            f"a proxy that hides its /metrics): it does not tell since when it runs; {_REMEDY}."
        )
    short = re.search(r'^vm_app_version{.*short_version="([^"]+)"', own, re.MULTILINE)
    return _timed(
        steps,
        product="VictoriaMetrics",
        version=short[1] if short else "unknown",
        started_at=dt.datetime.fromtimestamp(started, dt.UTC),
        # Without a configuration of its own somebody else scrapes, and pushes.
        config_reload_succeeded=_metric(own, "vm_promscrape_config_last_reload_successful") != 0,
        corruption_count=0,
    )


def _metric(text: str, name: str) -> float | None:
    found = re.search(rf"^{name}(?:{{[^}}]*}})? ([0-9.e+]+)$", text, re.MULTILINE)
    return None if found is None else float(found[1])


def _timed(steps: Steps, **known: Any) -> Instrument:
    before = utc_now()
    # VictoriaMetrics would tell the time of half a minute ago otherwise.
    clock = read_vector(steps.get("clock", "/api/v1/query?query=time()&nocache=1").json())
    round_trip = steps.seconds["clock"] or 0.0
    if len(clock.series) != 1 or not clock.series[0].finite:
        raise UnusableAnswerError("The server does not tell its time.")
    server_time = dt.datetime.fromtimestamp(clock.series[0].value, dt.UTC)
    return Instrument(
        server_time=server_time,
        clock_skew_seconds=(server_time - before).total_seconds() - round_trip / 2,
        clock_uncertainty_seconds=round_trip / 2,
        **known,
    )


F = TypeVar("F", str, bool, int)


def _field(data: Mapping[str, object], name: str, kind: type[F]) -> F:
    value = data.get(name)
    if type(value) is not kind:
        raise UnusableAnswerError(f"The server does not tell {name}.")
    return value

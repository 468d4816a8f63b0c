"""How often Prometheus scrapes: its own configuration, of which nothing but intervals is read."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from typing import Any, Final

import yaml

from probes import http
from probes.api import MAX_ANSWER_BYTES, NotAnsweredError, UnusableAnswerError, good_answer
from probes.observation import Deadline, Failure, FailureKind, Observation, utc_now
from probes.prometheus import PrometheusTarget
from probes.prometheus.answers import read_data
from probes.prometheus_durations import seconds_of
from probes.strict_json import NotJsonError

_PATH: Final = "/api/v1/status/config"
_DEFAULT: Final = "1m"


@dataclasses.dataclass(frozen=True, slots=True)
class ScrapeIntervals:
    """Seconds between two scrapes, by job as the configuration names it."""

    seconds: Mapping[str, float]

    def facts(self) -> Mapping[str, object]:
        """Return them: the rest of the configuration is never kept."""
        return {"seconds": dict(self.seconds)}


def scrape_intervals(
    target: PrometheusTarget, *, deadline: Deadline
) -> Observation[ScrapeIntervals]:
    """Read the scrape interval of every job; a configuration that is not shown is a failure."""
    started_at, started = utc_now(), time.monotonic()
    value, failure = None, None
    observed = http.request(
        target.http(), "GET", _PATH, deadline=deadline, max_bytes=MAX_ANSWER_BYTES
    )
    try:
        data = read_data(good_answer(target.http(), observed).json())
        value = ScrapeIntervals(_intervals(data.get("yaml")))
    except NotAnsweredError as exc:
        failure = exc.failure
    except (UnusableAnswerError, NotJsonError) as exc:
        failure = Failure(FailureKind.UNUSABLE_ANSWER, f"{target.http().host}: {exc}")
    return Observation(
        probe="prometheus",
        target=f"{target.url.rstrip('/')} {_PATH}",
        started_at=started_at,
        elapsed_seconds=time.monotonic() - started,
        phases=observed.phases,
        value=value,
        failure=failure,
        attempts=observed.attempts,
    )


def _intervals(text: object) -> dict[str, float]:
    try:
        data: Any = yaml.safe_load(str(text))
        common = data.get("global", {}).get("scrape_interval", _DEFAULT)
        return {
            job["job_name"]: _seconds(job.get("scrape_interval", common))
            for job in data.get("scrape_configs") or []
        }
    except (yaml.YAMLError, AttributeError, KeyError, TypeError) as exc:
        raise UnusableAnswerError("The configuration is not as Prometheus shows it.") from exc


def _seconds(text: object) -> float:
    try:
        return seconds_of(text)
    except ValueError:
        raise UnusableAnswerError("A scrape interval is no duration.") from None

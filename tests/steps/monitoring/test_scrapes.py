from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterator

import pytest

from tests.golden import Said
from tests.probes.servers import closed_port
from tests.steps.monitoring.section import monitoring
from tests.steps.platforms import NOWHERE, a_platform
from tests.steps.scenarios import judged, told
from tests.steps.scripted_prometheus import ScriptedPrometheus, scripted_prometheus
from tests.tables import cases

LOOK_BACK_SECONDS = 900


@pytest.fixture
def prometheus() -> Iterator[ScriptedPrometheus]:
    with scripted_prometheus() as server:
        server.seen_days_ago = (0.5,)
        yield server


def gaps(folder: pathlib.Path, prometheus: str | None, targets: int = 1) -> list[str]:
    """Judge the gaps of one region; return what is said of the release's job and of the shared one."""
    jobs = {"jobs": {"clinic": targets}, "shared_jobs": {"exporter": 1}}
    platform = a_platform(
        folder,
        {"eu": NOWHERE.format(closed_port())},
        prometheus_at=prometheus,
        prometheus={"job": "clinic", "scrape_interval": "5s"},
        monitoring=monitoring(folder, **jobs),
    )
    return told(judged("D7.2-3", platform))


NEW, OLD, GROWN = (), (0.5,), 100
"""When there was such a job, in days ago; since how many seconds it has a second target."""
Counted = Callable[[float], int]
ONE_TARGET: dict[str, tuple[tuple[float, ...], Counted]] = {
    "whole": (OLD, lambda _: True),
    "a gap at the end": (OLD, lambda ago: ago > 1),
    "a gap at the beginning": (OLD, lambda ago: ago < LOOK_BACK_SECONDS - 1),
    "new, and whole since": (NEW, lambda ago: ago < 100),
    "new since a moment": (NEW, lambda ago: ago < 10),
    **{f"back after {days} days": ((days,), lambda ago: ago < 100) for days in (0.5, 2, 40)},
}
TWO_TARGETS: dict[str, tuple[int, Counted]] = {
    "scaled up": (1, lambda ago: 2 if ago < GROWN else 1),
    "one of two away": (2, lambda ago: 2 if ago < GROWN else 1),
}


@cases(
    "seen targets counted",
    {name: (seen, 1, counted) for name, (seen, counted) in ONE_TARGET.items()}
    | {f"two: {name}": ((2,) * seen, 2, counted) for name, (seen, counted) in TWO_TARGETS.items()},
)
def test_every_step_of_the_look_back_was_scraped_since_there_is_such_a_job(
    tmp_path: pathlib.Path,
    prometheus: ScriptedPrometheus,
    seen: tuple[float, ...],
    targets: int,
    counted: Counted,
    said: Said,
) -> None:
    prometheus.seen_days_ago, prometheus.scraped = seen, counted
    said(gaps(tmp_path, prometheus.url, targets))


@cases(
    "interval",
    {"scraped faster": "1s", "slower": "1m", "so slowly that a look-back holds one scrape": "10m"},
)
def test_a_job_is_looked_at_as_often_as_it_is_scraped(
    tmp_path: pathlib.Path, prometheus: ScriptedPrometheus, interval: str, said: Said
) -> None:
    target = {"labels": {"job": "clinic"}, "health": "up", "scrapeInterval": interval}
    prometheus.targets = [target]
    said(gaps(tmp_path, prometheus.url))


def test_what_the_regions_share_is_looked_at_too_and_a_partial_answer_proves_nothing(
    tmp_path: pathlib.Path, prometheus: ScriptedPrometheus, said: Said
) -> None:
    prometheus.scraped_of["exporter"] = lambda ago: not 290 < ago < 310
    shared = gaps(tmp_path, prometheus.url)
    prometheus.seen_days_ago, prometheus.warnings = (), ("a store is away",)
    prometheus.scraped = lambda ago: ago < LOOK_BACK_SECONDS - 1
    partial = gaps(tmp_path, prometheus.url)
    prometheus.remarks_on_steps = prometheus.warnings
    steps = gaps(tmp_path, prometheus.url)
    away = gaps(tmp_path, None)
    said({"shared": shared, "before": partial, "steps": steps, "without Prometheus": away})

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gates.decide.outcome import Outcome
from tests.probes.servers import closed_port
from tests.steps.monitoring.section import monitoring
from tests.steps.platforms import NOWHERE, a_platform
from tests.steps.scenarios import all_of, judged
from tests.steps.scripted_prometheus import ScriptedPrometheus, scripted_prometheus
from tests.tables import cases

LOOK_BACK_SECONDS = 900
STEP_SECONDS = 15


@pytest.fixture
def prometheus() -> Iterator[ScriptedPrometheus]:
    with scripted_prometheus() as server:
        server.seen_days_ago = (0.5,)
        yield server


def gaps(folder: pathlib.Path, prometheus: str | None, targets: int = 1) -> tuple[Any, str]:
    """Judge the gaps of one region: the outcome, and all that is said."""
    jobs = {"jobs": {"clinic": targets}, "shared_jobs": {"exporter": 1}}
    platform = a_platform(
        folder,
        {"eu": NOWHERE.format(closed_port())},
        prometheus_at=prometheus,
        prometheus={"job": "clinic", "scrape_interval": "5s"},
        monitoring=monitoring(folder, **jobs),
    )
    check = judged("D7.2-3", platform)
    return check.outcome("eu"), "\n".join(one.sentence for one in all_of(check))


NEW, OLD = (), (0.5,)
GROWN = 100
"""Since so many seconds the job has a second target."""
Counted = Callable[[float], int]
ONE_TARGET: dict[str, tuple[tuple[float, ...], Counted, Outcome]] = {
    "whole": (OLD, lambda _: True, Outcome.PASS),
    "a gap at the end": (OLD, lambda ago: ago > 1, Outcome.FAIL),
    "a gap at the beginning": (OLD, lambda ago: ago < LOOK_BACK_SECONDS - 1, Outcome.FAIL),
    "new, and whole since": (NEW, lambda ago: ago < 100, Outcome.PASS),
    "new since a moment": (NEW, lambda ago: ago < 10, Outcome.INCONCLUSIVE),
    **{
        f"back after {days} days": ((days,), lambda ago: ago < 100, Outcome.FAIL)
        for days in (0.5, 2, 40)
    },
}
TWO_TARGETS: dict[str, tuple[int, Counted, Outcome]] = {
    "scaled up": (1, lambda ago: 2 if ago < GROWN else 1, Outcome.PASS),
    "one of two away": (2, lambda ago: 2 if ago < GROWN else 1, Outcome.FAIL),
}


@cases(
    "seen targets counted outcome",
    {name: (seen, 1, *row) for name, (seen, *row) in ONE_TARGET.items()}
    | {f"two: {name}": ((2,) * seen, 2, *row) for name, (seen, *row) in TWO_TARGETS.items()},
)
def test_every_step_of_the_look_back_was_scraped_since_there_is_such_a_job(
    tmp_path: pathlib.Path,
    prometheus: ScriptedPrometheus,
    seen: tuple[float, ...],
    targets: int,
    counted: Counted,
    outcome: Outcome,
) -> None:
    prometheus.seen_days_ago, prometheus.scraped = seen, counted
    found, said = gaps(tmp_path, prometheus.url, targets)
    assert found is outcome, said
    if seen == OLD:
        assert f"of {LOOK_BACK_SECONDS // STEP_SECONDS + 1} steps of {STEP_SECONDS} s" in said


@cases(
    "interval says",
    {
        "scraped faster": ("1s", "in 61 of 61 steps of 15 s"),
        "slower": ("1m", "in 6 of 6 steps of 180 s"),
        "so slowly that the look-back holds one scrape": ("10m", "in 2 of 2 steps of 1800 s"),
    },
)
def test_a_job_is_looked_at_as_often_as_it_is_scraped(
    tmp_path: pathlib.Path, prometheus: ScriptedPrometheus, interval: str, says: str
) -> None:
    target = {"labels": {"job": "clinic"}, "health": "up", "scrapeInterval": interval}
    prometheus.targets = [target]
    found, said = gaps(tmp_path, prometheus.url)
    assert found is Outcome.PASS
    assert says in said


def test_what_the_regions_share_is_looked_at_too(
    tmp_path: pathlib.Path, prometheus: ScriptedPrometheus
) -> None:
    prometheus.scraped_of["exporter"] = lambda _: 1
    assert gaps(tmp_path, prometheus.url)[0] is Outcome.PASS
    prometheus.scraped_of["exporter"] = lambda ago: not 290 < ago < 310
    found, said = gaps(tmp_path, prometheus.url)
    assert found is Outcome.FAIL
    assert "exporter was scraped in" in said


def test_a_partial_answer_proves_nothing(
    tmp_path: pathlib.Path, prometheus: ScriptedPrometheus
) -> None:
    prometheus.seen_days_ago = ()
    prometheus.scraped = lambda ago: ago < LOOK_BACK_SECONDS - 1
    prometheus.warnings = ("a store is away",)
    assert gaps(tmp_path, prometheus.url)[0] is Outcome.FAIL


def test_without_prometheus_nothing_is_said(tmp_path: pathlib.Path) -> None:
    assert gaps(tmp_path, None)[0] is Outcome.ERROR

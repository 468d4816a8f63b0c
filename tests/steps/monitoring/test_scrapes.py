from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterator

import pytest

from gates.decide.outcome import Outcome
from steps.kit.check import Check
from tests.probes.servers import closed_port
from tests.steps.monitoring.section import monitoring
from tests.steps.platforms import NOWHERE, a_platform
from tests.steps.scenarios import judged
from tests.steps.scripted_prometheus import ScriptedPrometheus, scripted_prometheus
from tests.tables import cases

LOOK_BACK_SECONDS = 900
STEP_SECONDS = 15


@pytest.fixture
def prometheus() -> Iterator[ScriptedPrometheus]:
    with scripted_prometheus() as server:
        server.seen_days_ago = (0.5,)
        yield server


def gaps(folder: pathlib.Path, prometheus: str | None, targets: int = 1) -> Check:
    """Judge the gaps of one region."""
    jobs = {"jobs": {"clinic": targets}, "shared_jobs": {"exporter": 1}}
    platform = a_platform(
        folder,
        {"eu": NOWHERE.format(closed_port())},
        prometheus_at=prometheus,
        prometheus={"job": "clinic", "scrape_interval": "5s"},
        monitoring=monitoring(folder, **jobs),
    )
    return judged("D7.2-3", platform)


def sentence(check: Check) -> str:
    return "\n".join(one.sentence for one in check.noted()["eu"].judgements)


@cases(
    "scraped outcome",
    {
        "whole": (lambda _: True, Outcome.PASS),
        "in the middle": (lambda ago: not 290 < ago < 310, Outcome.FAIL),
        "at the end": (lambda ago: ago > 1, Outcome.FAIL),
        "at the beginning": (lambda ago: ago < LOOK_BACK_SECONDS - 1, Outcome.FAIL),
        "nothing at all": (lambda _: False, Outcome.FAIL),
    },
)
def test_every_step_of_the_look_back_was_scraped(
    tmp_path: pathlib.Path,
    prometheus: ScriptedPrometheus,
    scraped: Callable[[float], bool],
    outcome: Outcome,
) -> None:
    prometheus.scraped = scraped
    check = gaps(tmp_path, prometheus.url)
    assert check.outcome("eu") is outcome, sentence(check)
    wanted = LOOK_BACK_SECONDS // STEP_SECONDS + 1
    assert f"of {wanted} steps of {STEP_SECONDS} s" in sentence(check)


@cases(
    "scraped outcome",
    {
        "whole since": (lambda ago: ago < 100, Outcome.PASS),
        "a gap since": (lambda ago: ago < 100 and not 40 < ago < 50, Outcome.FAIL),
        "and it ended": (lambda ago: 20 < ago < 100, Outcome.FAIL),
        "a moment old": (lambda ago: ago < 10, Outcome.INCONCLUSIVE),
        "never": (lambda _: False, Outcome.FAIL),
    },
)
def test_what_was_never_scraped_before_has_no_gap_there(
    tmp_path: pathlib.Path,
    prometheus: ScriptedPrometheus,
    scraped: Callable[[float], bool],
    outcome: Outcome,
) -> None:
    prometheus.seen_days_ago = ()
    prometheus.scraped = scraped
    check = gaps(tmp_path, prometheus.url)
    assert check.outcome("eu") is outcome, sentence(check)


@pytest.mark.parametrize("days", [0.5, 2, 40])
def test_what_was_away_for_days_and_came_back_is_no_new_job(
    tmp_path: pathlib.Path, prometheus: ScriptedPrometheus, days: float
) -> None:
    prometheus.seen_days_ago = (days,)
    prometheus.scraped = lambda ago: ago < 100
    check = gaps(tmp_path, prometheus.url)
    assert check.outcome("eu") is Outcome.FAIL, sentence(check)


GROWN = 100
"""Since so many seconds the job has a second target."""


@cases(
    "counts seen_before outcome",
    {
        "scaled up": (lambda ago: 2 if ago < GROWN else 1, 1, Outcome.PASS),
        "one of two away": (lambda ago: 2 if ago < GROWN else 1, 2, Outcome.FAIL),
        "a gap while it was small": (
            lambda ago: 2 if ago < GROWN else int(not 190 < ago < 210),
            1,
            Outcome.FAIL,
        ),
        "a gap since": (
            lambda ago: (1 if 40 < ago < 50 else 2) if ago < GROWN else 1,
            1,
            Outcome.FAIL,
        ),
        "and one went away": (lambda ago: 2 if 20 < ago < GROWN else 1, 1, Outcome.FAIL),
        "never complete": (lambda _: 1, 1, Outcome.FAIL),
    },
)
def test_a_job_that_was_scaled_up_had_fewer_targets_before(
    tmp_path: pathlib.Path,
    prometheus: ScriptedPrometheus,
    counts: Callable[[float], int],
    seen_before: int,
    outcome: Outcome,
) -> None:
    prometheus.seen_days_ago = (2,) * seen_before
    prometheus.scraped = counts
    check = gaps(tmp_path, prometheus.url, targets=2)
    assert check.outcome("eu") is outcome, sentence(check)


@cases(
    "interval steps seconds",
    {
        "scraped faster": ("1s", 61, 15),
        "slower": ("1m", 6, 180),
        "so slowly that the look-back holds one scrape": ("10m", 2, 1800),
    },
)
def test_a_job_is_looked_at_as_often_as_it_is_scraped(
    tmp_path: pathlib.Path,
    prometheus: ScriptedPrometheus,
    interval: str,
    steps: int,
    seconds: int,
) -> None:
    target = {"labels": {"job": "clinic"}, "health": "up", "scrapeInterval": interval}
    prometheus.targets = [target]
    check = gaps(tmp_path, prometheus.url)
    assert check.outcome("eu") is Outcome.PASS
    assert f"in {steps} of {steps} steps of {seconds} s" in sentence(check)


@cases(
    "scraped outcome",
    {
        "whole": (lambda _: 1, Outcome.PASS),
        "a gap": (lambda ago: not 290 < ago < 310, Outcome.FAIL),
    },
)
def test_what_the_regions_share_is_looked_at_too(
    tmp_path: pathlib.Path,
    prometheus: ScriptedPrometheus,
    scraped: Callable[[float], int],
    outcome: Outcome,
) -> None:
    prometheus.scraped_of["exporter"] = scraped
    check = gaps(tmp_path, prometheus.url)
    assert check.outcome("eu") is outcome, sentence(check)
    assert "exporter was scraped in" in sentence(check)


def test_a_partial_answer_proves_nothing(
    tmp_path: pathlib.Path, prometheus: ScriptedPrometheus
) -> None:
    prometheus.seen_days_ago = ()
    prometheus.scraped = lambda ago: ago < LOOK_BACK_SECONDS - 1
    prometheus.warnings = ("a store is away",)
    assert gaps(tmp_path, prometheus.url).outcome("eu") is Outcome.FAIL


def test_without_prometheus_nothing_is_said(tmp_path: pathlib.Path) -> None:
    assert gaps(tmp_path, None).outcome("eu") is Outcome.ERROR

"""One evaluation of an objective's trigger, against a Prometheus that says what a test wants."""

from __future__ import annotations

import pathlib
import time

import pytest

from settings.rollback import Trigger
from steps.watch.asking import OverLimit
from tests.gates.decide.values import an_objective
from tests.steps.platforms import a_platform, a_policy
from tests.steps.scripted_prometheus import TARGET, ScriptedPrometheus

LIMIT = {"budget": "1%", "for": "5s"}
OBJECTIVE = an_objective(
    check="IV-PERF-2", look_back="20s", target={"budget": "0.1%"}, rollback=LIMIT
)
TRIGGER = Trigger(check="TRIG-1", title="Error rate", objective="IV-PERF-2")
SECTION = {"job": "api", "scrape_interval": "1s", "target_labels": {"version": "{release}"}}
METRICS = {"requests_total": {"name": "requests", "status_label": "status"}}
BEGAN_SECONDS_AGO = 8


@pytest.fixture
def error_rate(tmp_path: pathlib.Path, prometheus: ScriptedPrometheus) -> OverLimit:
    prometheus.scraped_every = 1.0
    platform = a_platform(
        tmp_path,
        {"eu": "http://eu"},
        prometheus_at=prometheus.url,
        prometheus=SECTION,
        metrics=METRICS,
        policy=a_policy().model_copy(update={"objectives": (OBJECTIVE,)}),
    )
    return OverLimit(platform, "eu", TRIGGER)


@pytest.mark.parametrize(("bad", "proves"), [(4, True), (1, False)])
def test_the_events_of_the_time_that_a_condition_lasted_have_to_prove_it(
    error_rate: OverLimit, prometheus: ScriptedPrometheus, bad: int, *, proves: bool
) -> None:
    def errors(ago: float) -> str:
        return str(1000 + bad * int(max(0, BEGAN_SECONDS_AGO - ago)))

    prometheus.samples["requests{"] = (
        ({**TARGET, "status": "200"}, lambda ago: str(100_000 - 150 * int(ago))),
        ({**TARGET, "status": "500"}, errors),
    )
    now = time.time()
    (seen,) = error_rate.ask([now], now)
    asked = len(prometheus.queries)
    assert seen.value == pytest.approx(bad * BEGAN_SECONDS_AGO / 3000, rel=0.2)
    assert error_rate.proves(now - 5, now, now) is proves
    assert len(prometheus.queries) == asked, "what was read at an evaluation was read again"


def test_a_prometheus_that_is_away_proves_nothing(
    error_rate: OverLimit, prometheus: ScriptedPrometheus
) -> None:
    prometheus.ready = 503
    now = time.time()
    assert [one.holds for one in error_rate.ask([now - 1, now], now)] == [None, None]
    assert not error_rate.proves(now - 5, now, now)

from __future__ import annotations

import pathlib
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from gates.decide.counting.objective import RULE
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes.observation import Observation
from settings.objectives import Objective
from steps.kit.platform import NotDescribedError
from steps.objectives.counting import own_paths
from steps.objectives.instrument import Inspector, UnfitError
from tests.gates.decide.values import a_latency_objective, a_quantile_objective, an_objective
from tests.golden import Said
from tests.steps import scenarios
from tests.steps.platforms import NOWHERE, a_platform, a_policy
from tests.steps.scripted_prometheus import ONE, TARGET, Labelled, Sampled, ScriptedPrometheus
from tests.tables import cases

Answers = dict[str, tuple[Labelled, ...]]
SECTION = {"job": "api", "scrape_interval": "1s", "target_labels": {"version": "{release}"}}
METRICS = {
    "request_duration": {"name": "took"},
    "requests_total": {"name": "requests", "status_label": "status"},
}
# As Prometheus 3 writes them.
NO_COUNTER = (
    "PromQL info: metric might not be a counter, name does not end in "
    '_total/_sum/_count/_bucket: "requests" (1:14)'
)
REPAIRED_BUCKETS = (
    "PromQL info: input to histogram_quantile needed to be fixed for monotonicity "
    "(see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile) "
    'for metric name "took_bucket" (1:25)'
)


Judges = Callable[..., Judgement]


def an_inspector(
    folder: pathlib.Path, address: str, keep: Callable[[Observation[Any]], None] = lambda _: None
) -> Inspector:
    platform = a_platform(
        folder, {"eu": "http://eu"}, prometheus_at=address, prometheus=SECTION, metrics=METRICS
    )
    return Inspector(platform, "eu", keep)


def test_an_instrument_that_is_alive_and_scrapes_the_release_is_fit(
    tmp_path: pathlib.Path, prometheus: ScriptedPrometheus
) -> None:
    assert an_inspector(tmp_path, prometheus.url).inspect().started_at.year == 2026
    assert not prometheus.queries


NO_STORE = {"warnings": ("some stores did not answer",)}


@cases(
    "changes",
    {
        "its clock is behind": {"skew_seconds": -120},
        "its clock is ahead": {"skew_seconds": 120},
        "its last reload failed": {"reloaded": False},
        "its log is corrupted": {"corrupted": 1},
        "it is not ready": {"ready": 503},
        "it refuses the gate": {"ready": 401},
        "it answers with a page": {"html": True},
        "it tells no start": {"started_at": "once"},
        "nobody listens": {"url": NOWHERE.format(1)},
        "a partial answer": NO_STORE,
        "repaired buckets": {"infos": (REPAIRED_BUCKETS,)},
        "repaired buckets beside a metric's name": {"infos": (NO_COUNTER, REPAIRED_BUCKETS)},
        "repaired buckets as a warning": {"warnings": (REPAIRED_BUCKETS,)},
        "not a number": {"answers": {"== 1": (({}, "NaN"),)}},
        "an infinite number": {"answers": {"== 1": (({}, "+Inf"),)}},
        "two series": {"answers": {"== 1": (({"a": "1"}, "1"), ({"a": "2"}, "0"))}},
    },
)
def test_an_instrument_that_is_not_fit_or_says_no_number_decides_nothing(
    tmp_path: pathlib.Path, prometheus: ScriptedPrometheus, changes: dict[str, object], said: Said
) -> None:
    prometheus.say(**changes)
    inspector = an_inspector(tmp_path, prometheus.url)

    def value() -> float | None:
        inspector.inspect()
        return inspector.value("== 1", None, "a count")

    with pytest.raises(UnfitError) as caught:
        value()
    judgement = caught.value.judgement
    said(scenarios.sentence(judgement))
    assert f"by {changes.get('skew_seconds', '')}" in f"{judgement.sentence} by "


def test_a_remark_on_a_metrics_name_is_kept_as_evidence_and_changes_nothing(
    tmp_path: pathlib.Path, prometheus: ScriptedPrometheus
) -> None:
    # Prometheus 2.48 to 2.53 sends its infos as warnings.
    prometheus.say(infos=(NO_COUNTER,), warnings=(NO_COUNTER,), answers={"== 1": ONE})
    kept: list[Observation[Any]] = []
    inspector = an_inspector(tmp_path, prometheus.url, kept.append)
    assert inspector.value("== 1", None, "a count") == 1
    facts = kept[-1].record()["facts"]
    assert isinstance(facts, Mapping)
    assert (facts["warnings"], facts["infos"]) == ([], [NO_COUNTER, NO_COUNTER])


def test_an_environment_without_prometheus_says_so(tmp_path: pathlib.Path) -> None:
    with pytest.raises(NotDescribedError, match="prometheus"):
        Inspector(a_platform(tmp_path, {"eu": "http://eu"}), "eu", lambda _: None)


# --- and what objectives make of it ---------------------------------------------------------------

QUICK = {**SECTION, "scrape_interval": "100ms"}
TIMES = {"look_back": "1s", "wait_for_samples": "3s", "rollback": None}
ERRORS = an_objective(check="IV-PERF-2", **TIMES)
LATENCY = a_latency_objective(check="IV-PERF-2", **TIMES)
BETWEEN = a_quantile_objective(
    check="IV-PERF-2", rollback=None, look_back="1s", wait_for_samples="1s"
)
HISTOGRAM = tuple(({"le": le}, "1") for le in ("0.1", "0.2", "0.5", "1", "+Inf"))
UP: dict[str, str] = {**TARGET, "__name__": "up"}


def good(ago: float) -> str:
    return str(100_000 - int(1000 * ago))


@pytest.fixture
def judged(tmp_path: pathlib.Path, prometheus: ScriptedPrometheus) -> Judges:
    """Return what judges one objective by what Prometheus says now."""

    def judged(objective: Objective = ERRORS) -> Judgement:
        prometheus.samples.setdefault("requests{", (({**TARGET, "status": "200"}, good),))
        platform = a_platform(
            tmp_path,
            {"eu": "http://eu"},
            prometheus_at=prometheus.url,
            prometheus=QUICK,
            metrics=METRICS,
            policy=a_policy(confirm="600ms").model_copy(update={"objectives": (objective,)}),
        )
        (judgement,) = scenarios.judged("IV-PERF-2", platform).noted()["eu"].judgements
        return judgement

    return judged


NATIVE: Answers = {"count(present_over_time": (), "count(took{": ONE}
TOO_MANY: Answers = {"count(present_over_time": (({}, "30000"),)}


@cases(
    "objective answers",
    {
        "a native histogram": (LATENCY, NATIVE),
        "a bound missing": (LATENCY, {"by (le)": HISTOGRAM[1:]}),
        "no bounds": (LATENCY, {"by (le)": (({}, "1"),)}),
        "a bound missing around a target": (BETWEEN, {"by (le)": HISTOGRAM[1:]}),
        "more series than can be read": (ERRORS, TOO_MANY),
        "no counter": (ERRORS, None),
        "no histogram": (LATENCY, None),
    },
)
def test_metrics_that_no_waiting_can_mend_are_inconclusive_at_once(
    judged: Judges,
    prometheus: ScriptedPrometheus,
    objective: Objective,
    answers: Answers | None,
    said: Said,
) -> None:
    prometheus.answers = {} if answers is None else {**answers, **prometheus.answers, **answers}
    said(scenarios.sentence(judged(objective)))
    if answers is not None:
        asked = [one for one in prometheus.queries if one.startswith("count(present_over_time")]
        assert len(asked) == 1


def test_good_events_prove_an_objective(judged: Judges) -> None:
    judgement = judged()
    assert judgement.outcome is Outcome.PASS, judgement.sentence
    assert judgement.data["queries"]["counted"].startswith('requests{region="eu"}[')


SECOND = {**UP, "instance": "pod-2"}


@cases(
    "ready up",
    {
        "not ready": (503, None),
        "a missed scrape": (200, (SECOND, lambda ago: "0" if ago < 0.05 else "1")),
        "a pod without the metric": (200, (SECOND, lambda _: "1")),
    },
)
def test_a_blip_of_the_instrument_is_waited_out(
    judged: Judges, prometheus: ScriptedPrometheus, ready: int, up: Sampled | None
) -> None:
    whole, one = dict(prometheus.samples), (UP, lambda _: "1")
    prometheus.ready = ready
    if up:
        prometheus.samples['"up|'] = (one, up)

    def recover() -> None:
        prometheus.ready, prometheus.samples = 200, {**prometheus.samples, **whole, '"up|': (one,)}

    timer = threading.Timer(0.3, recover)
    timer.start()
    judgement = judged()
    timer.join()
    assert judgement.outcome is Outcome.PASS, judgement.sentence


@pytest.mark.parametrize(("ready", "outcome"), [(503, "ERROR"), (200, "INCONCLUSIVE")])
def test_an_instrument_that_stays_unfit_is_given_up_after_a_while(
    judged: Judges, prometheus: ScriptedPrometheus, ready: int, outcome: str
) -> None:
    prometheus.ready, prometheus.reloaded = ready, False
    began = time.monotonic()
    assert judged().outcome == outcome
    assert 0.6 <= time.monotonic() - began < 8


def test_samples_from_before_a_restart_of_prometheus_do_not_count(
    judged: Judges, prometheus: ScriptedPrometheus
) -> None:
    prometheus.restarts_now()
    began = time.monotonic()
    judgement = judged()
    assert judgement.outcome is Outcome.PASS, judgement.sentence
    assert time.monotonic() - began >= 0.5
    assert judgement.data["samples"] <= 1000 * (time.monotonic() - began + 0.2)


def test_a_health_endpoint_is_no_traffic_with_the_path_of_its_service_and_without(
    tmp_path: pathlib.Path,
) -> None:
    own = own_paths(a_platform(tmp_path, {"eu": "http://127.0.0.1:1/api"}).environment.settings)
    assert own >= {"/health", "/api/health", "/metrics", "/readyz"}


# --- an interpolated target: no bucket has its bound ------------------------------------------------


def tell(
    prometheus: ScriptedPrometheus, over_lower: int, over_upper: int, total: int, shown: str
) -> None:
    """Let it have so many events in the last second over both bounds, so many in all, and the quantile."""
    prometheus.answers = {
        "count(present_over_time": ONE,
        "by (le) (present_over_time(took": HISTOGRAM,
        "histogram_quantile(0.95": (({}, shown),) if shown else (),
    }
    growing = {"0.2": total - over_lower, "0.5": total - over_upper, "+Inf": total}
    buckets = tuple(({**TARGET, "le": le}, counter(number)) for le, number in growing.items())
    prometheus.samples = {"took_(bucket|count)": (*buckets, (TARGET, counter(total)))}


def counter(each_second: int) -> Callable[[float], str]:
    """Return a counter that has grown by so much every second."""
    return lambda ago: str(1_000_000 - round(each_second * ago))


@cases(
    "events",
    {
        "the whole bucket below": ((30, 10, 1000, "0.19"),),
        "the whole bucket above": ((100, 70, 1000, "0.7"),),
        "the target in the quantile's bucket": ((100, 20, 1000, "0.39"),),
        "one event too few": ((0, 0, 58, "0.1"),),
        "no events": ((0, 0, 0, "NaN"),),
        "no quantile": ((30, 10, 1000, "NaN"),),
        "an empty quantile": ((30, 10, 1000, ""),),
    },
)
def test_a_whole_bucket_decides_and_nothing_else(
    judged: Judges, prometheus: ScriptedPrometheus, events: Any, said: Said
) -> None:
    tell(prometheus, *events)
    said(scenarios.sentence(judged(BETWEEN)))


def test_what_was_asked_and_found_is_in_the_evidence(
    judged: Judges, prometheus: ScriptedPrometheus
) -> None:
    tell(prometheus, 30, 10, 1000, "0.19")
    judgement = judged(BETWEEN)
    assert (judgement.rule, judgement.observed, judgement.target) == (RULE, 0.19, 0.3)
    assert list(judgement.data["queries"]) == ["counted", "quantile"]
    assert judgement.data["queries"]["quantile"].startswith("histogram_quantile(0.95, sum by (le)")
    assert judgement.data["interpolated"] is True


def test_a_scenario_that_promises_a_rollback_limit_needs_one_in_the_policy(
    tmp_path: pathlib.Path,
) -> None:
    objective = an_objective(check="IV-PERF-1", **TIMES)
    policy = a_policy().model_copy(update={"objectives": (objective,)})
    platform = a_platform(tmp_path, {"eu": "http://eu"}, policy=policy)
    with pytest.raises(NotDescribedError, match="lacks a rollback limit for IV-PERF-1; add it"):
        scenarios.judged("IV-PERF-1", platform)

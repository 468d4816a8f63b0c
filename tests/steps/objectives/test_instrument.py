from __future__ import annotations

import pathlib
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes.observation import Observation
from settings.objectives import Objective
from steps.kit.check import Check
from steps.kit.platform import NotDescribedError
from steps.kit.traffic import TrafficLease
from steps.objectives.instrument import Inspector, UnfitError
from steps.objectives.objectives import Objectives, own_paths
from tests.gates.decide.values import a_latency_objective, an_objective
from tests.probes.servers import closed_port
from tests.steps.platforms import NOWHERE, a_platform, a_policy
from tests.steps.scripted_prometheus import (
    ONE,
    TARGET,
    Labelled,
    Sampled,
    ScriptedPrometheus,
    scripted_prometheus,
)

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


@pytest.fixture
def server() -> Iterator[ScriptedPrometheus]:
    with scripted_prometheus() as serving:
        yield serving


def nowhere(_: Observation[Any]) -> None:
    """Keep nothing."""


def an_inspector(
    folder: pathlib.Path, address: str, keep: Callable[[Observation[Any]], None] = nowhere
) -> Inspector:
    platform = a_platform(
        folder, {"eu": "http://eu"}, prometheus_at=address, prometheus=SECTION, metrics=METRICS
    )
    return Inspector(platform, "eu", keep)


def unfit(folder: pathlib.Path, address: str) -> Judgement:
    with pytest.raises(UnfitError) as caught:
        an_inspector(folder, address).inspect()
    return caught.value.judgement


def test_an_instrument_that_is_alive_and_scrapes_the_release_is_fit(
    tmp_path: pathlib.Path, server: ScriptedPrometheus
) -> None:
    fit = an_inspector(tmp_path, server.url).inspect()
    assert fit.started_at.year == 2026
    assert not server.queries


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"skew_seconds": 120}, "disagree about the time by 120"),
        ({"skew_seconds": -120}, "disagree about the time by -120"),
        ({"reloaded": False}, "its last reload failed"),
        ({"corrupted": 1}, "corrupted write-ahead log"),
    ],
    ids=str,
)
def test_an_instrument_that_answers_and_is_not_fit_decides_nothing(
    tmp_path: pathlib.Path, server: ScriptedPrometheus, changes: dict[str, object], says: str
) -> None:
    for name, value in changes.items():
        setattr(server, name, value)
    judgement = unfit(tmp_path, server.url)
    assert judgement.outcome is Outcome.INCONCLUSIVE
    assert says in judgement.sentence


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"warnings": ("some stores did not answer",)}, "may be partial"),
        ({"infos": (REPAIRED_BUCKETS,)}, "had to repair the histogram's buckets"),
        ({"infos": (NO_COUNTER, REPAIRED_BUCKETS)}, "had to repair the histogram's buckets"),
        ({"warnings": (REPAIRED_BUCKETS,)}, "had to repair the histogram's buckets"),
        ({"answers": {"== 1": (({}, "NaN"),)}}, "is nan, not a finite number"),
        ({"answers": {"== 1": (({}, "+Inf"),)}}, "is inf, not a finite number"),
        ({"answers": {"== 1": (({"a": "1"}, "1"), ({"a": "2"}, "0"))}}, "2 series where one"),
    ],
    ids=str,
)
def test_an_answer_that_is_partial_or_no_number_decides_nothing(
    tmp_path: pathlib.Path, server: ScriptedPrometheus, changes: dict[str, object], says: str
) -> None:
    for name, value in changes.items():
        setattr(server, name, value)
    with pytest.raises(UnfitError, match=re.escape(says)):
        an_inspector(tmp_path, server.url).value("== 1", None, "a count")


def test_a_remark_on_a_metrics_name_is_kept_as_evidence_and_changes_nothing(
    tmp_path: pathlib.Path, server: ScriptedPrometheus
) -> None:
    # Prometheus 2.48 to 2.53 sends its infos as warnings.
    server.infos, server.warnings = (NO_COUNTER,), (NO_COUNTER,)
    server.answers = {"== 1": ONE}
    kept: list[Observation[Any]] = []
    inspector = an_inspector(tmp_path, server.url, kept.append)
    assert inspector.value("== 1", None, "a count") == 1
    facts = kept[-1].record()["facts"]
    assert isinstance(facts, Mapping)
    assert (facts["warnings"], facts["infos"]) == ([], [NO_COUNTER, NO_COUNTER])


@pytest.mark.parametrize(
    "changes", [{"ready": 503}, {"ready": 401}, {"html": True}, {"started_at": "once"}], ids=str
)
def test_an_instrument_that_can_not_be_read_is_an_error(
    tmp_path: pathlib.Path, server: ScriptedPrometheus, changes: dict[str, object]
) -> None:
    for name, value in changes.items():
        setattr(server, name, value)
    assert unfit(tmp_path, server.url).outcome is Outcome.ERROR


def test_an_instrument_that_is_down_is_an_error(tmp_path: pathlib.Path) -> None:
    judgement = unfit(tmp_path, NOWHERE.format(closed_port()))
    assert judgement.outcome is Outcome.ERROR
    assert judgement.sentence.startswith("Prometheus: connection refused.")


def test_an_environment_without_prometheus_says_so(tmp_path: pathlib.Path) -> None:
    with pytest.raises(NotDescribedError, match="prometheus"):
        Inspector(a_platform(tmp_path, {"eu": "http://eu"}), "eu", lambda _: None)


# --- and what objectives make of it ---------------------------------------------------------------

QUICK = {**SECTION, "scrape_interval": "100ms"}
TIMES = {"look_back": "1s", "wait_for_samples": "3s", "rollback": None}
ERRORS = an_objective(check="IV-X-1", **TIMES)
LATENCY = a_latency_objective(check="IV-X-1", **TIMES)
HISTOGRAM = tuple(({"le": le}, "1") for le in ("0.1", "0.2", "0.5", "1", "+Inf"))
UP: dict[str, str] = {**TARGET, "__name__": "up"}


def good(ago: float) -> str:
    return str(100_000 - int(1000 * ago))


def judged(
    folder: pathlib.Path, server: ScriptedPrometheus, objective: Objective = ERRORS
) -> Judgement:
    server.samples.setdefault("requests{", (({**TARGET, "status": "200"}, good),))
    platform = a_platform(
        folder,
        {"eu": "http://eu"},
        prometheus_at=server.url,
        prometheus=QUICK,
        metrics=METRICS,
        policy=a_policy(confirm="600ms").model_copy(update={"objectives": (objective,)}),
    )
    check = Check("IV-X-1", ("eu",))
    Objectives(platform, TrafficLease(None)).judge(check)
    (judgement,) = check.noted()["eu"].judgements
    return judgement


@pytest.mark.parametrize(
    ("objective", "answers", "says"),
    [
        (
            LATENCY,
            {"count(present_over_time": (), "count(took{": ONE},
            "took is a native histogram",
        ),
        (LATENCY, {"by (le)": HISTOGRAM[1:]}, "other bucket bounds than the policy"),
        (LATENCY, {"by (le)": (({}, "1"),)}, "other bucket bounds than the policy"),
        (ERRORS, {"count(present_over_time": (({}, "30000"),)}, "metrics.requests_total.match"),
    ],
    ids=[
        "a native histogram",
        "a bound missing",
        "no bounds",
        "more series than can be read",
    ],
)
def test_metrics_that_no_waiting_can_mend_are_inconclusive_at_once(
    tmp_path: pathlib.Path,
    server: ScriptedPrometheus,
    objective: Objective,
    answers: Answers,
    says: str,
) -> None:
    server.answers = {**answers, **server.answers, **answers}
    judgement = judged(tmp_path, server, objective)
    assert judgement.outcome is Outcome.INCONCLUSIVE
    assert says in judgement.sentence
    assert sum(query.startswith("count(present_over_time") for query in server.queries) == 1


@pytest.mark.parametrize("objective", [ERRORS, LATENCY], ids=["counter", "histogram"])
def test_a_metric_that_is_not_there_is_inconclusive(
    tmp_path: pathlib.Path, server: ScriptedPrometheus, objective: Objective
) -> None:
    server.answers = {}
    judgement = judged(tmp_path, server, objective)
    assert judgement.outcome is Outcome.INCONCLUSIVE
    assert "; was it renamed?" in judgement.sentence


def test_good_events_prove_an_objective(tmp_path: pathlib.Path, server: ScriptedPrometheus) -> None:
    judgement = judged(tmp_path, server)
    assert judgement.outcome is Outcome.PASS, judgement.sentence
    assert judgement.data["queries"]["counted"].startswith('requests{region="eu"}[')


@pytest.mark.parametrize("blip", ["not ready", "a missed scrape", "a pod without the metric"])
def test_a_blip_of_the_instrument_is_waited_out(
    tmp_path: pathlib.Path, server: ScriptedPrometheus, blip: str
) -> None:
    whole = dict(server.samples)
    second: Sampled = ({**UP, "instance": "pod-2"}, lambda ago: "0" if ago < 0.05 else "1")
    one: Sampled = (UP, lambda _: "1")
    match blip:
        case "not ready":
            server.ready = 503
        case "a missed scrape":
            server.samples['"up|'] = (one, second)
        case _:
            server.samples['"up|'] = (one, (second[0], lambda _: "1"))

    def recover() -> None:
        server.ready, server.samples = 200, {**server.samples, **whole, '"up|': (one,)}

    timer = threading.Timer(0.3, recover)
    timer.start()
    judgement = judged(tmp_path, server)
    timer.join()
    assert judgement.outcome is Outcome.PASS, judgement.sentence


@pytest.mark.parametrize(("ready", "outcome"), [(503, "ERROR"), (200, "INCONCLUSIVE")])
def test_an_instrument_that_stays_unfit_is_given_up_after_a_while(
    tmp_path: pathlib.Path, server: ScriptedPrometheus, ready: int, outcome: str
) -> None:
    server.ready, server.reloaded = ready, False
    began = time.monotonic()
    assert judged(tmp_path, server).outcome == outcome
    assert 0.6 <= time.monotonic() - began < 2.5


def test_samples_from_before_a_restart_of_prometheus_do_not_count(
    tmp_path: pathlib.Path, server: ScriptedPrometheus
) -> None:
    server.restarts_now()
    began = time.monotonic()
    judgement = judged(tmp_path, server)
    assert judgement.outcome is Outcome.PASS, judgement.sentence
    assert time.monotonic() - began >= 0.5
    assert judgement.data["samples"] <= 1000 * (time.monotonic() - began + 0.2)


def test_a_health_endpoint_is_no_traffic_with_the_path_of_its_service_and_without(
    tmp_path: pathlib.Path,
) -> None:
    own = own_paths(a_platform(tmp_path, {"eu": "http://127.0.0.1:1/api"}).environment.settings)
    assert own >= {"/health", "/api/health", "/metrics", "/readyz"}

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from checks.check import Check
from checks.instrument import Inspector, UnfitError
from checks.objectives import Objectives
from checks.platform import NotDescribedError
from checks.traffic import TrafficLease
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes.observation import Observation
from tests.checks.platforms import NOWHERE, a_platform
from tests.checks.scripted_prometheus import ONE, ScriptedPrometheus, scripted_prometheus
from tests.probes.servers import closed_port

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
    assert server.queries[0] == 'count(up{job="api",region="eu",version="1.2.0"} == 1)'


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"skew_seconds": 120}, "disagree about the time by 120"),
        ({"skew_seconds": -120}, "disagree about the time by -120"),
        ({"reloaded": False}, "its last reload failed"),
        ({"corrupted": 1}, "corrupted write-ahead log"),
        ({"warnings": ("some stores did not answer",)}, "may be partial"),
        ({"infos": (REPAIRED_BUCKETS,)}, "had to repair the histogram's buckets"),
        ({"infos": (NO_COUNTER, REPAIRED_BUCKETS)}, "had to repair the histogram's buckets"),
        ({"answers": {"== 1": ONE, "== 0": (({}, "2"),)}}, "can't scrape 2 of the release's"),
        ({"answers": {}}, "scrapes no target of the release"),
        ({"answers": {"== 1": (({}, "0"),)}}, "scrapes no target of the release"),
        ({"answers": {"== 1": (({}, "NaN"),)}}, "is nan, no finite number"),
        ({"answers": {"== 1": (({}, "+Inf"),)}}, "is inf, no finite number"),
        ({"answers": {"== 1": (({"a": "1"}, "1"), ({"a": "2"}, "0"))}}, "2 series where one"),
        ({"answers": {"== 1": ONE, "timestamp(": (({}, "60"),)}}, "newest samples are 60 s old"),
        ({"answers": {"== 1": ONE}}, "is stale"),
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


def test_a_remark_on_a_metrics_name_is_kept_as_evidence_and_changes_nothing(
    tmp_path: pathlib.Path, server: ScriptedPrometheus
) -> None:
    server.infos = (NO_COUNTER,)
    kept: list[Observation[Any]] = []
    inspector = an_inspector(tmp_path, server.url, kept.append)
    assert inspector.inspect().target.url == server.url
    assert inspector.value("== 1", None, "a count") == 1
    facts = kept[-1].record()["facts"]
    assert isinstance(facts, Mapping)
    assert facts["infos"] == [NO_COUNTER]


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

BOUNDS = ("0.005", "0.01", "0.025", "0.05", "0.1", "0.2", "0.3", "0.5", "0.75", "1", "2", "5")
HISTOGRAM = tuple(({"le": le}, "1") for le in (*BOUNDS, "+Inf"))


def judged(folder: pathlib.Path, server: ScriptedPrometheus, check_id: str) -> Judgement:
    platform = a_platform(
        folder,
        {"eu": "http://eu"},
        prometheus_at=server.url,
        prometheus=SECTION,
        metrics=METRICS,
        time_scale=60,
    )
    check = Check(check_id, ("eu",))
    Objectives(platform, TrafficLease(None)).judge(check)
    return check.noted()["eu"].judgements[0]


@pytest.mark.parametrize(
    ("check", "answers", "says"),
    [
        ("IV-PERF-3", {}, "there is no metric requests; was it renamed?"),
        ("IV-PERF-2", {}, "there is no metric took; was it renamed?"),
        ("IV-PERF-2", {"by (le)": HISTOGRAM[1:]}, "other bucket bounds than gates/policy"),
        ("IV-PERF-2", {"by (le)": HISTOGRAM[:-1]}, "other bucket bounds than gates/policy"),
        (
            "IV-PERF-2",
            {"by (le)": (*HISTOGRAM, ({"le": "1.0"}, "1"))},
            "other bucket bounds than gates/policy",
        ),
        ("IV-PERF-2", {"by (le)": (({}, "1"),)}, "other bucket bounds than gates/policy"),
        ("IV-PERF-2", {"by (le)": HISTOGRAM, "increase": (({}, "NaN"),)}, "no finite number"),
        (
            "IV-PERF-2",
            {"by (le)": HISTOGRAM, "increase": (({"a": "1"}, "1"), ({"a": "2"}, "1"))},
            "2 series where one was expected",
        ),
    ],
    ids=[
        "the counter renamed",
        "the histogram renamed",
        "a bound missing",
        "+Inf missing",
        "a bound written in two ways",
        "no bounds",
        "a count that is NaN",
        "two series for one number",
    ],
)
def test_metrics_that_do_not_decide_are_inconclusive_at_once(
    tmp_path: pathlib.Path,
    server: ScriptedPrometheus,
    check: str,
    answers: dict[str, object],
    says: str,
) -> None:
    server.answers |= answers  # type: ignore[arg-type]  # the table's rows are of two shapes
    judgement = judged(tmp_path, server, check)
    assert judgement.outcome is Outcome.INCONCLUSIVE
    assert says in judgement.sentence


def test_a_restart_inside_the_look_back_is_inconclusive(
    tmp_path: pathlib.Path, server: ScriptedPrometheus
) -> None:
    server.restarts_now()
    judgement = judged(tmp_path, server, "IV-PERF-3")
    assert judgement.outcome is Outcome.INCONCLUSIVE
    assert "its samples have a hole" in judgement.sentence


def test_events_without_a_count_of_the_bad_ones_are_never_all_good(
    tmp_path: pathlib.Path, server: ScriptedPrometheus
) -> None:
    server.answers = {
        "== 1": ONE,
        "timestamp(": ONE,
        "by (le) (present_over_time(took": HISTOGRAM,
        "histogram_quantile": (),
        " - sum": (),
        "sum(increase(took_count": (({}, "100000"),),
    }
    assert judged(tmp_path, server, "IV-PERF-2").outcome is Outcome.INCONCLUSIVE


def test_a_histogram_that_had_to_be_repaired_decides_nothing(
    tmp_path: pathlib.Path, server: ScriptedPrometheus
) -> None:
    """Instances with different bounds look like many slow events: no reason for a rollback."""
    server.infos, server.remarked = (REPAIRED_BUCKETS,), "histogram_quantile"
    server.answers |= {
        "by (le) (present_over_time(took": HISTOGRAM,
        "histogram_quantile": (({}, "3"),),
        " - sum": (({}, "50000"),),
        "sum(increase(took_count": (({}, "100000"),),
    }
    judgement = judged(tmp_path, server, "IV-PERF-2")
    assert judgement.outcome is Outcome.INCONCLUSIVE
    assert "let all instances of the release have the same bounds" in judgement.sentence

"""Objectives on real scrapes of platforms whose events are known: counted right, or undecided."""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import dataclasses
import datetime as dt
import pathlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from gates.decide.counting.objective import judge_quantile, judge_target
from gates.decide.judgement import Judgement
from prove.instruments import prometheus
from sandbox.core import SandboxError, binaries
from settings.objectives import Objective
from steps.objectives.counting import Counting, own_paths
from steps.objectives.instrument import Inspector, UnfitError
from tests.gates.decide.values import a_latency_objective, a_quantile_objective, an_objective
from tests.steps.json_server import json_server
from tests.steps.platforms import a_platform, a_policy

OPEN = "INCONCLUSIVE"
SCRAPE_SECONDS = 0.5
WATCHED_SECONDS, LOOK_BACK_SECONDS = 11.0, 9.0
RATE = 1000.0
"""Requests a second of each pod."""
TIMES = {"look_back": "9s", "wait_for_samples": "0s", "rollback": None}
ERRORS = an_objective(check="IV-X-1", target={"budget": "0.1%"}, **TIMES)
LATENCY = a_latency_objective(check="IV-X-1", bucket_bounds=[0.2, 1], **TIMES)
QUANTILE = a_quantile_objective(
    check="IV-X-1",
    bucket_bounds=[0.2, 1],
    target={"quantile": 0.95, "target_seconds": 0.6},
    **TIMES,
)
CLOCK = argparse.Namespace(began=0.0)
"""When the platforms began; a start of a process is told in its time."""
Lines = Mapping[str, float]
"""Series as the text format writes them, and their values."""
Exposes = Callable[[float], Lines]
"""What a pod exposes so many seconds after the start; nothing: its scrape fails."""


def requests(status: str, count: float, label: str = "status", **labels: str) -> Lines:
    described = {label: status, **labels}
    inside = ",".join(f'{name}="{value}"' for name, value in described.items() if name)
    return {f"requests{{{inside}}}": int(count)}


def started(seconds: float) -> Lines:
    return {"process_start_time_seconds": CLOCK.began + seconds}


def took(fast: float, every: float, *, bound: str = "1", without: str = "") -> Lines:
    parts = {
        "fast": ('took_bucket{le="0.2"}', fast),
        "whole": (f'took_bucket{{le="{bound}"}}', every),
        "infinite": ('took_bucket{le="+Inf"}', every),
        "count": ("took_count", every),
    }
    return {series: int(value) for name, (series, value) in parts.items() if name != without}


def good(seconds: float) -> Lines:
    return requests("200", RATE * seconds)


def born_with_an_error(seconds: float) -> Lines:
    """One error a route, forty routes a pod, each with a series of its own that begins with it."""
    routes = {route: 6 + route * 0.08 for route in range(40)}
    begun = [requests("500", 1, route=f"r{one}") for one, at in routes.items() if seconds >= at]
    return {**good(seconds), **{series: n for one in begun for series, n in one.items()}}


def born_in_one_scrape(seconds: float) -> Lines:
    begun = [requests("500", 20, route=f"r{one}") for one in range(20) if seconds > 8]
    return {**good(seconds), **{series: n for one in begun for series, n in one.items()}}


def initialised(seconds: float) -> Lines:
    return {**good(seconds), **requests("500", 0)}


def three_percent(seconds: float) -> Lines:
    return {**good(seconds), **requests("500", RATE * seconds * 0.03)}


def with_status(status: str, label: str = "status") -> Exposes:
    return lambda at: {**good(at), **requests(status, RATE * at * 0.05, label)}


def in_turn(seconds: float) -> Lines:
    """Two workers whose counters answer in turn; neither is started again."""
    ahead = int(seconds * 2) % 2
    return {
        **requests("200", 400 * ahead + 20 * seconds),
        **requests("500", 0),
        **started(3 * ahead),
    }


def scrapes_and_probes(seconds: float) -> Lines:
    return {
        **requests("200", 1000 * seconds, route="/metrics"),
        **requests("200", 1000 * seconds, route="/health"),
        **requests("200", 1000 * seconds, route="/livez"),
        **requests("200", 0, route="/patients"),
    }


def restarts(seconds: float) -> Lines:
    """Start again at 8 s with 20 % errors from then on, and have more of all by the next scrape."""
    if seconds < 8:
        return {**requests("200", 10 * seconds), **requests("500", 0), **started(1)}
    since = seconds - 8 + 0.5
    return {**requests("200", 800 * since), **requests("500", 200 * since), **started(7)}


def falls(seconds: float) -> Lines:
    return requests("200", RATE * (seconds if seconds < 8 else seconds - 8))


def appears(seconds: float) -> Lines:
    """Be there from 8 s on, with errors at once and never again."""
    return {**requests("200", 900), **requests("500", 90)} if seconds > 8 else {}


def twice(label: str, *values: str) -> tuple[Mapping[str, str], ...]:
    return tuple({"instance": "pod-1", label: value} for value in values)


@dataclasses.dataclass(frozen=True)
class Case:
    """A platform, its objective and what the gate has to say."""

    exposes: Exposes
    """What each pod exposes."""
    outcome: str
    says: str
    objective: Objective = ERRORS
    pods: tuple[Mapping[str, str], ...] = ({"instance": "pod-1"}, {"instance": "pod-2"})
    """The labels of each target."""
    second: Exposes | None = None
    """What pod-2 exposes, where it is something else."""
    label: str = "status"


def one_pod(exposes: Exposes, outcome: str, says: str, objective: Objective = ERRORS) -> Case:
    return Case(exposes, outcome, says, objective, ({"instance": "pod-1"},))


def slow(fast: float, **how: str) -> Exposes:
    """Return a histogram of which so many of a thousand requests a second are fast."""
    return lambda at: took(fast * at, RATE * at, **how)


CASES = {
    "errors-counted-from-zero": Case(initialised, "PASS", "0 % of 1"),
    "three-percent-of-errors": Case(three_percent, "FAIL", "% of 1"),
    "errors-born-with-their-series": Case(born_with_an_error, "FAIL", "% of 1"),
    "errors-born-in-one-scrape": Case(born_in_one_scrape, "FAIL", "% of 1"),
    "status-in-words": Case(with_status("500 Internal Server Error"), OPEN, "4.7"),
    "status-with-a-prefix": Case(with_status("HTTP_500"), OPEN, "no readable status"),
    "status-empty": Case(with_status(""), OPEN, "no readable status"),
    "status-absent": Case(with_status("500", "code"), OPEN, "their label status"),
    "status-label-mistyped": Case(three_percent, OPEN, "100 % of 1", label="state"),
    "status-by-class": Case(with_status("5xx"), "FAIL", "4.7"),
    "two-services-one-pod": Case(
        initialised,
        OPEN,
        'twice: pod-1 as service="canary" and service="stable"',
        pods=twice("service", "stable", "canary"),
    ),
    "two-replicas-of-prometheus": Case(
        initialised, OPEN, "twice: pod-1", pods=twice("prometheus_replica", "a", "b")
    ),
    "one-process-two-addresses": Case(
        lambda at: {**good(at), **started(3)}, OPEN, "twice: pod-1 and pod-2"
    ),
    "federated": Case(
        initialised,
        OPEN,
        "copies of another Prometheus's series",
        pods=({"instance": "pod-1", "exported_instance": "pod-7"},),
    ),
    "no-count": one_pod(
        slow(800, without="count"), OPEN, "took_bucket without took_count", LATENCY
    ),
    "no-infinite-bucket": one_pod(
        slow(800, without="infinite"), OPEN, 'without le="+Inf"', LATENCY
    ),
    "histogram-contradicts-itself": one_pod(slow(1200), OPEN, "contradicts itself", LATENCY),
    "slow": Case(slow(800), "FAIL", "% of 1", LATENCY),
    "fast": Case(slow(995), "PASS", "0.", LATENCY),
    "interpolated-below": Case(slow(970), "PASS", "whole bucket below 600 ms", QUANTILE),
    "interpolated-around": Case(slow(800), OPEN, "(interpolated), in the bucket", QUANTILE),
    "whole-bounds-written-in-two-ways": Case(
        slow(995), "PASS", "0.", LATENCY, second=slow(995, bound="1.0")
    ),
    "workers-in-turn": one_pod(in_turn, OPEN, "split over workers"),
    "workers-in-turn-unnamed": one_pod(
        lambda at: requests("200", 400 * (int(at * 2) % 2) + 20 * at), OPEN, "split over workers"
    ),
    "counter-that-steps-back": one_pod(
        lambda at: requests("200", 6_000_000 - 100 * int(at / 2) + at), OPEN, "without a restart"
    ),
    "a-pod-without-the-metric": Case(
        initialised,
        OPEN,
        "pod-2 was scraped and exposed no requests",
        second=lambda _: {"other_metric": 1},
    ),
    "traffic-stopped": Case(
        lambda at: requests("200", RATE * min(at, 7.0)), OPEN, "no events since"
    ),
    "nothing-but-scrapes": one_pod(
        lambda at: requests("200", at / SCRAPE_SECONDS),
        OPEN,
        "may all be scrapes and health probes",
    ),
    "scrapes-and-probes-by-route": Case(scrapes_and_probes, OPEN, "no events, none failed"),
    "a-restart": one_pod(restarts, "FAIL", "% of"),
    "a-fall-without-a-restart": one_pod(
        lambda at: {**falls(at), **started(1)}, OPEN, "did not change"
    ),
    "a-fall-of-unknown-cause": one_pod(falls, OPEN, "exposes no process_start_time_seconds"),
    "a-pod-that-appears-with-errors": Case(
        initialised, OPEN, "up to 90 of them together (pod-2)", second=appears
    ),
}


@contextlib.contextmanager
def scraped(platforms: Mapping[str, Case]) -> Iterator[tuple[str, float]]:
    """Scrape these platforms, each in a job of its name; yield the Prometheus and when it began."""
    asked, began = threading.Event(), threading.Event()

    def exposed(_: object, target: str, *__: object) -> tuple[int, bytes]:
        asked.set()
        _, name, pod = target.split("/")
        platform = platforms[name]
        exposes = (platform.second if pod == "pod-2" else None) or platform.exposes
        lines = exposes(time.time() - CLOCK.began) if began.is_set() else {}
        text = "".join(f"{series} {value}\n" for series, value in lines.items())
        return (200 if lines else 503), text.encode()

    with json_server(exposed, "text/plain; version=0.0.4", "HTTP/1.1") as address:
        jobs = [_job(name, one, address.partition("//")[2]) for name, one in platforms.items()]
        scrape = f"{SCRAPE_SECONDS * 1000:.0f}ms"
        scraping = {"scrape_interval": scrape, "scrape_timeout": scrape}
        with prometheus({"global": scraping, "scrape_configs": jobs}) as url:
            # It takes Prometheus five seconds to find its targets.
            assert asked.wait(60), "Prometheus scrapes"
            CLOCK.began = time.time()
            began.set()
            yield url, CLOCK.began


def _job(name: str, platform: Case, address: str) -> dict[str, Any]:
    return {
        "job_name": name,
        "static_configs": [
            {
                "targets": [address],
                "labels": {**labels, "__metrics_path__": f"/{name}/{labels['instance']}"},
            }
            for labels in platform.pods
        ],
    }


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Judgement]]:
    """Scrape all platforms for a while, then judge each."""
    try:
        binaries.find_prometheus(print)
    except SandboxError as exc:
        pytest.skip(f"needs Prometheus: {exc}")
    folder = tmp_path_factory.mktemp("counting")
    with scraped(CASES) as (url, began):
        threading.Event().wait(WATCHED_SECONDS + 0.5)
        at = dt.datetime.fromtimestamp(began + WATCHED_SECONDS, dt.UTC)

        def judged(name: str) -> tuple[str, Judgement]:
            return name, judge(folder, name, url, at)

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            yield dict(pool.map(judged, CASES))


def judge(folder: pathlib.Path, name: str, url: str, at: dt.datetime) -> Judgement:
    case = CASES[name]
    (folder / name).mkdir()
    labels = {"job": name}
    platform = a_platform(
        folder / name,
        {"eu": "http://eu"},
        prometheus_at=url,
        policy=a_policy().model_copy(update={"objectives": (case.objective,)}),
        prometheus={"job": name, "scrape_interval": f"{SCRAPE_SECONDS * 1000:.0f}ms"},
        metrics={
            "requests_total": {"name": "requests", "labels": labels, "status_label": case.label},
            "request_duration": {"name": "took", "labels": labels},
        },
    )
    # These pods have no label of a region.
    region = platform.environment.settings.regions["eu"].model_copy(update={"labels": {}})
    settings = platform.environment.settings.model_copy(update={"regions": {"eu": region}})
    environment = dataclasses.replace(platform.environment, settings=settings)
    platform = dataclasses.replace(platform, environment=environment)
    inspector = Inspector(platform, "eu", lambda _: None)
    metric = settings.metrics[case.objective.metric]
    counting = Counting(inspector, case.objective, metric, labels, own_paths(settings))
    try:
        # However long it takes to ask: what is asked about ends at one time for all.
        fit = dataclasses.replace(inspector.inspect(), server_time=at)
        reading = counting.read(fit, LOOK_BACK_SECONDS)
        if around := case.objective.bounds_around:
            return judge_quantile(
                case.objective, *counting.bucket(reading, around, LOOK_BACK_SECONDS)
            )
        counts = reading.counts(case.objective.target, LOOK_BACK_SECONDS)
    except UnfitError as exc:
        return exc.judgement
    return judge_target(case.objective, counts, counting.evidence(reading, LOOK_BACK_SECONDS))


@pytest.mark.parametrize("name", CASES)
def test_events_are_counted_right_or_not_believed(found: dict[str, Judgement], name: str) -> None:
    judgement, case = found[name], CASES[name]
    assert judgement.outcome.value == case.outcome, judgement.sentence
    assert case.says in judgement.sentence

"""Health endpoints: whatever a body holds, whoever answers, and behind which replica it stands."""

from __future__ import annotations

import itertools
import json
import pathlib
import re
import socket
import threading
import time
from typing import Any

import pytest

from gates.decide.outcome import Meaning, Outcome
from probes.http import HttpAnswer
from probes.observation import Failure, FailureKind, Observation, utc_now
from steps.cluster.clusters import Clusters
from steps.kit.check import Check
from steps.kit.platform import NotDescribedError
from steps.service import endpoint
from steps.service.endpoint import MOST_ASKS, Replicas, asks_for, replicas_of
from steps.service.health_rules import worst_of
from tests.golden import Said
from tests.probes.cluster_server import ClusterServer
from tests.probes.servers import Behaviour, answer
from tests.steps.cluster_platform import LIVE, a_cluster_platform
from tests.steps.moody import FAILING, HEALTHY, UP, Moody, moody, saying
from tests.steps.platforms import HEALTH, a_platform, a_policy
from tests.steps.scenarios import all_of, judged, told
from tests.tables import cases

HTML = answer(b"<html>please log in</html>", content_type="text/html")
NAMES = "Maria Musterfrau"
HEADER = "X-Served-By"
PODS = tuple(f"pod-{number}" for number in range(6))
ANSWERS, HEALTHY_RELEASE, FAST = "IV-HEALTH-1", "IV-HEALTH-5", "IV-HEALTH-6"
LISTS, SERVICES = "IV-HEALTH-4", "IV-HEALTH-8"
ENDPOINTS = dict.fromkeys(("liveness", "database", "external"), HEALTH)
EXTERNAL = {"service": "api", "endpoint": "external", "expected": ["mail", "pay"]}


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "PAUSE_SECONDS", 0)


def checked(
    folder: pathlib.Path,
    mood: Behaviour | Moody,
    check_id: str,
    means: Meaning = Meaning.HOLD,
    *,
    policy: dict[str, Any] | None = None,
    **described: Any,
) -> Check:
    """Run a check on one region whose api answers so."""
    if not isinstance(mood, Moody):
        with moody(mood) as service:
            return checked(folder, service, check_id, means, policy=policy, **described)
    api = {"health": ENDPOINTS, "replicas": 1, **described}
    times = {"confirm": "30s" if means is Meaning.HOLD else "100ms", **(policy or {})}
    platform = a_platform(
        folder, {"eu": mood.url}, policy=a_policy(**times), services={"api": api}, external=EXTERNAL
    )
    return judged(check_id, platform, means=means)


def body(**changes: Any) -> Behaviour:
    return saying({**HEALTHY, **changes})


MAIL, PAY = {"mail": {"status": "healthy"}}, {"pay": {"status": "healthy"}}
PORTAL = saying({}, "511 Network Authentication Required")


# What else a body may hold, `tests.steps.service.said` goes through.
@cases(
    "check_id mood",
    {
        "an answer": (ANSWERS, body()),
        "healthy": (HEALTHY_RELEASE, body()),
        "a service of unknown state is listed": (LISTS, body(services={**MAIL, "pay": None})),
        "all services are healthy": (SERVICES, body(services={**MAIL, **PAY})),
        "an HTML page": (HEALTHY_RELEASE, HTML),
        "a cut body": (HEALTHY_RELEASE, answer(b'{"status": "healthy"')),
        "a list": (HEALTHY_RELEASE, saying(["healthy"])),
        "a patient's name as status": (HEALTHY_RELEASE, body(status=NAMES)),
        "no status": (HEALTHY_RELEASE, body(status=None)),
        "another version": (HEALTHY_RELEASE, body(version="1.1.0")),
        "a login page with status 200": (ANSWERS, HTML),
        "404": (ANSWERS, saying(HEALTHY, "404 Not Found")),
        "a redirect": (ANSWERS, saying(HEALTHY, "302 Found")),
        "one service missing": (LISTS, body(services=MAIL)),
        "no services": (LISTS, body()),
        "a service down": (SERVICES, body(services={**MAIL, "pay": {"status": "down"}})),
        "services that are null": (SERVICES, body(services=None)),
        **{
            f"{name}, for {check_id}": (check_id, mood)
            for check_id in (ANSWERS, HEALTHY_RELEASE)
            for name, mood in {
                "the gate is throttled": saying({}, "429 Too Many Requests"),
                "the gate is unknown": saying({}, "401 Unauthorized"),
                "the gate is forbidden": saying({}, "403 Forbidden"),
                "the gate is behind a portal": PORTAL,
            }.items()
        },
    },
)
@pytest.mark.parametrize("means", [Meaning.HOLD, Meaning.ROLLBACK])
def test_a_wrong_body_fails_at_once_or_once_it_lasted_where_it_means_rollback(
    tmp_path: pathlib.Path, check_id: str, mood: Behaviour, means: Meaning, said: Said
) -> None:
    started = time.monotonic()
    check = checked(tmp_path, mood, check_id, means)
    assert time.monotonic() - started < 15
    assert NAMES not in str(check.noted())
    said(told(check))


@cases(
    "once",
    {
        "404": saying({}, "404 Not Found"),
        "a redirect": saying({}, "302 Found"),
        "a page": HTML,
        "a cut body": answer(b'{"status": "heal'),
        "too large": answer(b"x", headers={"Content-Length": "999999999"}),
    },
)
@pytest.mark.parametrize(
    ("on_recovery", "outcome"), [("hold", Outcome.INCONCLUSIVE), ("pass", Outcome.PASS)]
)
def test_one_bad_answer_of_any_kind_is_shown_and_the_policy_says_what_it_means(
    tmp_path: pathlib.Path, once: Behaviour, on_recovery: str, outcome: Outcome
) -> None:
    policy = {"confirm": "20s", "on_recovery": on_recovery}
    with moody(UP, once) as service:
        check = checked(tmp_path, service, ANSWERS, Meaning.ROLLBACK, policy=policy)
    assert check.outcome("eu") is outcome
    assert "it answered again" in str(all_of(check))


CACHED: list[dict[str, str]] = [
    *({"X-Cache": one} for one in ("HIT", "Hit from cloudfront", "TCP_HIT")),
    *({"Age": "86400"}, {"Cache-Status": "edge; hit; ttl=60"}, {"X-Cache-Status": "STALE"}),
    {"Date": "Sat, 31 Jan 2026 22:00:00 GMT"},
]
FETCHED: list[dict[str, str]] = [
    *({"X-Cache": one} for one in ("Miss from cloudfront", "RefreshHit from cloudfront")),
    *({"Age": one} for one in ("0", "soon", "9" * 5000)),
    {"Cache-Status": "edge; fwd=uri-miss"},
    *({"Date": one} for one in ("Sat, 31 Jan 2099 22:00:00 GMT", "Mon, 99 Foo")),
]


@pytest.mark.parametrize("headers", CACHED + FETCHED, ids=lambda one: str(one)[:40])
@pytest.mark.parametrize("means", [Meaning.ROLLBACK, Meaning.HOLD])
def test_a_cached_answer_is_no_answer_and_one_that_was_fetched_through_a_cache_counts(
    tmp_path: pathlib.Path, headers: dict[str, str], means: Meaning
) -> None:
    found = answer(json.dumps(HEALTHY).encode(), headers=headers)
    first, *_ = outcomes = told(checked(tmp_path, found, ANSWERS, means))
    cached = headers in CACHED
    assert all(one.startswith("INCONCLUSIVE" if cached else "PASS") for one in outcomes)
    assert ("was answered by a cache" in first) is cached


@cases(
    "answers",
    {
        "all are fast": [body()] * 7,
        "the median is fast": [body()] * 4 + [body(latency=500)] * 3,
        "the median is at the limit": [body()] * 3 + [body(latency=50)] + [body(latency=500)] * 3,
        "one latency is missing": [body()] * 3 + [body(latency=None)],
    },
)
def test_the_median_of_seven_latencies_decides_and_all_are_kept(
    tmp_path: pathlib.Path, answers: list[Behaviour], said: Said
) -> None:
    with moody(UP, *answers) as service:
        check = checked(tmp_path, service, FAST, Meaning.ROLLBACK)
    *of_itself, by_our_clock = told(check)
    assert by_our_clock.startswith("PASS")
    assert len(check.noted()["eu"].observations) == 7
    said(of_itself)


def test_the_worst_reading_speaks_for_all_and_not_the_last(tmp_path: pathlib.Path) -> None:
    with moody(UP, *[body(status="unhealthy")] * 6) as service:
        first, *_ = told(checked(tmp_path, service, FAST))
    assert first.startswith("FAIL: 6 of 7 answers: api /health status is “unhealthy”")


def test_a_latency_is_not_believed_against_our_own_clock(tmp_path: pathlib.Path) -> None:
    def late(connection: socket.socket, over: threading.Event) -> None:
        over.wait(0.6)
        body(latency=0.003)(connection, over)

    _, by_itself, by_us = told(checked(tmp_path, late, FAST))
    assert by_itself.startswith("PASS")
    assert by_us.startswith("FAIL")
    assert "by the gate's own clock" in by_us


def test_a_wrong_answer_ends_the_reading_and_is_noted_once(tmp_path: pathlib.Path) -> None:
    with moody(answer(b"x", headers={"Content-Length": "999999999"})) as service:
        check = checked(tmp_path, service, FAST)
    assert service.requests == 1
    assert [one.outcome for one in all_of(check)] == [Outcome.FAIL]


def test_an_endpoint_that_the_environment_does_not_describe_is_named(
    tmp_path: pathlib.Path,
) -> None:
    platform = a_platform(tmp_path, {"eu": "http://eu"})
    with pytest.raises(NotDescribedError, match=r"lacks services\.api\.health\.cache; add it"):
        judged("IV-HEALTH-3", platform)


class Behind:
    """Behind behind one address, taken in turn; each names itself, and some of them behave otherwise."""

    def __init__(self, *odd: Behaviour, names: tuple[str, ...] = PODS) -> None:
        good = json.dumps(HEALTHY).encode()
        named = [answer(good, headers={HEADER: name} if name else {}) for name in names]
        self.moods = [*odd, *named[len(odd) :]]
        self.turn = itertools.count()

    def __call__(self, connection: socket.socket, over: threading.Event) -> None:
        self.moods[next(self.turn) % len(self.moods)](connection, over)


SIX: dict[str, Any] = {"replicas": 6, "replica_header": HEADER}
UNNAMED, ALONE = {"replica_header": None}, {"replicas": 1, "replica_header": None}
REQUESTS = tuple(f"request-{number}" for number in range(60))


@cases(
    "check_id mood described",
    {
        "six good ones": (ANSWERS, Behind(), {}),
        "one that stands alone needs no name": (ANSWERS, UP, ALONE),
        "an old one of six": (HEALTHY_RELEASE, Behind(body(version="1.1.0")), {}),
        "nothing names them": (ANSWERS, Behind(), UNNAMED),
        "nobody says how many": (ANSWERS, Behind(), {**UNNAMED, "replicas": None}),
        "a sticky balancer": (ANSWERS, Behind(names=PODS[:1]), {}),
        "the header is missing": (ANSWERS, Behind(names=("",)), {}),
        "one has no header": (ANSWERS, Behind(names=(*PODS[:5], "")), {}),
        "more than described": (ANSWERS, Behind(), {"replicas": 5}),
        "another name each time": (ANSWERS, Behind(names=REQUESTS), {}),
        "too many to meet": (ANSWERS, Behind(), {"replicas": 30}),
    },
)
def test_replicas_of_which_one_may_not_have_been_met_are_undecided(
    tmp_path: pathlib.Path, check_id: str, mood: Behaviour, described: dict[str, Any], said: Said
) -> None:
    means = Meaning.HOLD if check_id == HEALTHY_RELEASE else Meaning.ROLLBACK
    said(told(checked(tmp_path, mood, check_id, means, **SIX | described)))


@pytest.mark.parametrize("on_recovery", ["hold", "pass"])
@cases("one_bad", {"500": FAILING, "404": saying({}, "404 Not Found")})
def test_one_bad_replica_of_six_holds_whatever_a_recovery_means(
    tmp_path: pathlib.Path, one_bad: Behaviour, on_recovery: str
) -> None:
    policy = {"confirm": "20s", "on_recovery": on_recovery}
    mood = Behind(UP, one_bad)
    judgements = all_of(checked(tmp_path, mood, ANSWERS, Meaning.ROLLBACK, policy=policy, **SIX))
    assert {one.outcome for one in judgements} - {Outcome.PASS} == {Outcome.INCONCLUSIVE}
    assert re.search(r"9 of 5\d answers of api /health were bad", str(judgements))


def test_a_fault_of_our_side_speaks_for_no_absence_beside_it() -> None:
    def seen(kind: FailureKind) -> Observation[HttpAnswer]:
        return Observation("http", "there", utc_now(), 0.1, {}, None, Failure(kind, "No."))

    away, wrong = seen(FailureKind.REFUSED), seen(FailureKind.PROTOCOL)
    ours = seen(FailureKind.CERTIFICATE_UNTRUSTED)
    assert worst_of([wrong, away, ours]) is away
    assert worst_of([ours, wrong, ours]) is wrong
    assert worst_of([ours]) is ours


def test_so_many_asks_meet_every_replica_and_a_half_bad_one_badly() -> None:
    assert [asks_for(number) for number in (1, 2, 3, 6, 12)] == [1, 17, 26, 53, 109]
    for replicas in range(2, 28):
        asks = asks_for(replicas)
        assert asks <= MOST_ASKS
        assert replicas * (1 - 1 / replicas) ** asks <= 0.01
        assert (1 - 1 / (2 * replicas)) ** asks <= 0.01


@pytest.fixture
def live(cluster: ClusterServer) -> str:
    """Return the address of a cluster as it was before the deployment."""
    cluster.tell(**LIVE)
    return cluster.url


def counted(folder: pathlib.Path, server: str, described: int | None, **changes: Any) -> Replicas:
    api = {"health": {"liveness": HEALTH}, "replicas": described, "replica_header": "X-Pod"}
    nowhere = "http://127.0.0.1:1"
    region: dict[str, Any] = {
        "services": {"api": nowhere, "fhir": "http://127.0.0.1:2"},
        "prometheus": nowhere,
    }
    region["kubernetes"] = {"server": server, "token": "file:token"}
    services = {"api": api, "fhir": {"health": {"liveness": HEALTH}}}
    sections = {"services": services, "regions": {"eu": region}}
    platform = a_cluster_platform(folder, server, sections=sections, **changes)
    return replicas_of(Clusters(platform), Check("IV-A-1", platform.regions), "api", "eu")


@pytest.mark.parametrize("described", [None, 1, 6])
def test_the_ready_pods_count_and_not_what_is_described(
    tmp_path: pathlib.Path, live: str, described: int | None
) -> None:
    found = counted(tmp_path, live, described)
    assert (found.count, found.unknown) == (3, ())


def test_a_service_of_other_pods_is_counted_as_described(tmp_path: pathlib.Path, live: str) -> None:
    other = {"service": "fhir", "endpoint": "liveness"}
    assert counted(tmp_path, live, 2, candidate_health=other).count == 2


def test_a_number_that_is_not_known_is_left_open(tmp_path: pathlib.Path, live: str) -> None:
    (away,) = counted(tmp_path, "http://127.0.0.1:1", 1).met("api /health", [])
    assert away.outcome is Outcome.ERROR
    (unready,) = counted(tmp_path, live, 1, service="elsewhere").met("api /health", [])
    assert unready.outcome is Outcome.INCONCLUSIVE
    assert "the Service elsewhere has no ready endpoint" in unready.sentence

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

from gates.decide.judgement import Judgement
from gates.decide.outcome import Meaning, Outcome
from probes.http import HttpAnswer
from probes.observation import Failure, FailureKind, Observation, utc_now
from steps.kit.availability import Availability
from steps.kit.check import Check
from steps.kit.platform import NotDescribedError
from steps.service import health as module
from steps.service.health import Health
from steps.service.replicas import MOST_ASKS, asks_for
from tests.probes.servers import Behaviour, answer
from tests.steps.moody import FAILING, HEALTHY, UP, moody, saying
from tests.steps.platforms import HEALTH, a_platform, a_policy

HTML = answer(b"<html>please log in</html>", content_type="text/html")
NAMES = "Maria Musterfrau"
HEADER = "X-Served-By"
PODS = tuple(f"pod-{number}" for number in range(6))


def judged(
    folder: pathlib.Path, mood: Behaviour, rule: str, means: Meaning = Meaning.HOLD
) -> tuple[Judgement, ...]:
    """Read the endpoint once in one region and judge it by one rule."""
    with moody(mood) as service:
        policy = a_policy(confirm="30s" if means is Meaning.HOLD else "100ms")
        platform = a_platform(folder, {"eu": service.url}, policy=policy)
        check = Check("IV-A-1", platform.regions, means)
        health = Health(platform, Availability(platform), check, "api", "liveness")
        readings = health.read()
        {
            "status": lambda: health.answers(readings, 200),
            "healthy": lambda: health.says_healthy(readings),
            "release": lambda: health.says_release(readings),
            "lists": lambda: health.lists_services(readings, ("mail", "pay")),
            "services": lambda: health.services_healthy(readings, ("mail", "pay")),
        }[rule]()
    json.dumps([one.record() for one in check.noted()["eu"].judgements], allow_nan=False)
    return check.noted()["eu"].judgements


def body(**changes: Any) -> Behaviour:
    return saying({**HEALTHY, **changes})


MAIL, PAY = {"mail": {"status": "healthy"}}, {"pay": {"status": "healthy"}}


@pytest.mark.parametrize(
    ("rule", "mood"),
    [
        ("status", body()),
        ("healthy", body()),
        ("release", body()),
        ("lists", body(services={**MAIL, "pay": None})),
        ("services", body(services={**MAIL, **PAY})),
    ],
    ids=["status", "healthy", "release", "lists", "services"],
)
def test_a_body_as_the_runbook_shows_it_passes(
    tmp_path: pathlib.Path, rule: str, mood: Behaviour
) -> None:
    assert {one.outcome for one in judged(tmp_path, mood, rule)} == {Outcome.PASS}


WRONG_BODIES = {
    "an HTML page": ("healthy", HTML, "HTML"),
    "an empty body": ("healthy", answer(b""), "is empty"),
    "a cut body": ("healthy", answer(b'{"status": "healthy"'), "broken or cut off"),
    "a key twice": (
        "healthy",
        answer(b'{"status": "healthy", "status": "healthy"}'),
        "same key twice",
    ),
    "NaN": ("healthy", answer(b'{"status": "healthy", "x": NaN}'), "NaN"),
    "a list": ("healthy", saying(["healthy"]), "another value"),
    "a text": ("healthy", saying("healthy"), "another value"),
    "a patient's name as status": ("healthy", body(status=NAMES), "a text of 16 characters"),
    "a truth as status": ("healthy", body(status=True), "True"),
    "no status": ("healthy", body(status=None), "None"),
    "an object as status": ("healthy", body(status={"healthy": True}), "a value of type dict"),
    "another version": ("release", body(version="1.1.0"), "“1.1.0”"),
    "a tag as version": ("release", body(version="v1.2.0"), "“v1.2.0”"),
    "a number as version": ("release", body(version=1.2), "1.2"),
    "a login page with status 200": ("status", HTML, "JSON"),
    "404": ("status", saying(HEALTHY, "404 Not Found"), "404"),
    "204": ("status", saying(HEALTHY, "204 No Content"), "204"),
    "a redirect": ("status", saying(HEALTHY, "302 Found"), "302"),
    "one service missing": ("lists", body(services=MAIL), "lacks pay"),
    "services as a list": ("lists", body(services=["mail", "pay"]), "lacks mail, pay"),
    "no services": ("lists", body(), "lacks mail, pay"),
    "a service down": (
        "services",
        body(services={**MAIL, "pay": {"status": "down"}}),
        "pay is “down”",
    ),
    "a service without an object": (
        "services",
        body(services={**MAIL, "pay": "healthy"}),
        "pay is None",
    ),
    "a service missing": ("services", body(services=MAIL), "pay is None"),
    "services that are null": ("services", body(services=None), "mail is None"),
}


@pytest.mark.parametrize(("rule", "mood", "says"), WRONG_BODIES.values(), ids=WRONG_BODIES)
def test_a_wrong_body_fails_where_it_holds_at_once_saying_what_is_wrong(
    tmp_path: pathlib.Path, rule: str, mood: Behaviour, says: str
) -> None:
    started = time.monotonic()
    judgements = judged(tmp_path, mood, rule)
    assert time.monotonic() - started < 5
    assert Outcome.FAIL in {one.outcome for one in judgements}
    assert any(says in one.sentence for one in judgements), judgements
    assert NAMES not in str(judgements)


@pytest.mark.parametrize(("rule", "mood", "says"), WRONG_BODIES.values(), ids=WRONG_BODIES)
def test_a_wrong_body_fails_once_it_lasted_where_it_means_rollback(
    tmp_path: pathlib.Path, rule: str, mood: Behaviour, says: str
) -> None:
    judgements = judged(tmp_path, mood, rule, Meaning.ROLLBACK)
    failed = [one for one in judgements if one.outcome is Outcome.FAIL]
    assert any(says in one.sentence for one in failed), judgements
    assert all(re.search(r", for 0\.\d s \(asked \d+ times\)$", one.sentence) for one in failed)
    assert NAMES not in str(judgements)


@pytest.mark.parametrize(
    "once",
    [
        saying({}, "404 Not Found"),
        saying({}, "302 Found"),
        HTML,
        answer(b'{"status": "heal'),
        answer(b"x", headers={"Content-Length": "999999999"}),
    ],
    ids=["404", "a redirect", "a page", "a cut body", "too large"],
)
@pytest.mark.parametrize(
    ("on_recovery", "outcome"), [("hold", Outcome.INCONCLUSIVE), ("pass", Outcome.PASS)]
)
def test_one_bad_answer_of_any_kind_is_shown_and_the_policy_says_what_it_means(
    tmp_path: pathlib.Path, once: Behaviour, on_recovery: str, outcome: Outcome
) -> None:
    with moody(UP, once) as service:
        policy = a_policy(confirm="20s", on_recovery=on_recovery)
        platform = a_platform(tmp_path, {"eu": service.url}, policy=policy)
        check = Check("IV-A-1", platform.regions)
        health = Health(platform, Availability(platform), check, "api", "liveness")
        health.answers(health.read(), 200)
    assert check.outcome("eu") is outcome
    assert "it answered again" in str(check.noted()["eu"].judgements)


REFUSALS = {
    "throttled": (saying({}, "429 Too Many Requests"), "throttles the gate: status 429"),
    "unknown": (saying({}, "401 Unauthorized"), "does not let it in: status 401"),
    "behind a portal": (
        saying({}, "511 Network Authentication Required"),
        "does not let it in: status 511",
    ),
    "forbidden": (saying({}, "403 Forbidden"), "does not let it in: status 403"),
}


@pytest.mark.parametrize("means", [Meaning.ROLLBACK, Meaning.HOLD])
@pytest.mark.parametrize(("mood", "says"), REFUSALS.values(), ids=REFUSALS)
@pytest.mark.parametrize("rule", ["status", "healthy"])
def test_an_answer_that_refuses_the_gate_says_nothing_of_the_platform(
    tmp_path: pathlib.Path, mood: Behaviour, says: str, rule: str, means: Meaning
) -> None:
    (judgement,) = judged(tmp_path, mood, rule, means)
    assert judgement.outcome is Outcome.ERROR
    assert says in judgement.sentence


@pytest.mark.parametrize(
    "headers",
    [{"Age": "86400"}, {"X-Cache": "HIT"}, {"X-Cache": "Hit from cloudfront"},
     {"Cache-Status": "edge; hit; ttl=60"}, {"X-Cache-Status": "STALE"}, {"X-Cache": "TCP_HIT"},
     {"Date": "Sat, 31 Jan 2026 22:00:00 GMT"}],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("means", [Meaning.ROLLBACK, Meaning.HOLD])
def test_a_cached_answer_is_no_answer(
    tmp_path: pathlib.Path, headers: dict[str, str], means: Meaning
) -> None:
    cached = answer(json.dumps(HEALTHY).encode(), headers=headers)
    (judgement,) = judged(tmp_path, cached, "status", means)
    assert judgement.outcome is Outcome.INCONCLUSIVE
    assert "was answered by a cache" in judgement.sentence


@pytest.mark.parametrize(
    "headers",
    [{"Age": "0"}, {"Age": "soon"}, {"Age": "9" * 5000}, {"X-Cache": "Miss from cloudfront"},
     {"X-Cache": "RefreshHit from cloudfront"}, {"Cache-Status": "edge; fwd=uri-miss"},
     {"Date": "Sat, 31 Jan 2099 22:00:00 GMT"}, {"Date": "Mon, 99 Foo"}],
    ids=lambda one: str(one)[:40],
)  # fmt: skip
def test_an_answer_fetched_through_a_cache_counts(
    tmp_path: pathlib.Path, headers: dict[str, str]
) -> None:
    fetched = answer(json.dumps(HEALTHY).encode(), headers=headers)
    assert {one.outcome for one in judged(tmp_path, fetched, "status")} == {Outcome.PASS}


LATENCIES = {
    "all are fast": ([3] * 7, Outcome.PASS),
    "the median is fast": ([3, 3, 3, 3, 500, 500, 500], Outcome.PASS),
    "the median is at the limit": ([3, 3, 3, 50, 500, 500, 500], Outcome.FAIL),
    "the median is slow": ([3, 3, 3, 60, 500, 500, 500], Outcome.FAIL),
    "one is missing": ([3, 3, 3, None, 3, 3, 3], Outcome.FAIL),
    "one is text": ([3, 3, 3, "3", 3, 3, 3], Outcome.FAIL),
    "one is a truth": ([3, 3, 3, True, 3, 3, 3], Outcome.FAIL),
    "one is negative": ([3, 3, 3, -1, 3, 3, 3], Outcome.FAIL),
    "all are beyond floats": ([10**400] * 7, Outcome.FAIL),
}


@pytest.mark.parametrize(("latencies", "outcome"), LATENCIES.values(), ids=LATENCIES)
def test_the_median_of_seven_latencies_decides_and_all_are_kept(
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    latencies: list[object],
    outcome: Outcome,
) -> None:
    monkeypatch.setattr(module, "LATENCY_PAUSE_SECONDS", 0)
    with moody(body(), *(body(latency=one) for one in latencies)) as service:
        platform = a_platform(tmp_path, {"eu": service.url})
        check = Check("IV-A-1", platform.regions)
        health = Health(platform, Availability(platform), check, "api", "liveness")
        health.latency_below(health.read(module.LATENCY_PROBES), 50)
    noted = check.noted()["eu"]
    assert [one.outcome for one in noted.judgements] == [outcome, Outcome.PASS]
    assert len(noted.observations) == 7
    json.dumps(noted.judgements[0].record(), allow_nan=False)


@pytest.mark.parametrize(
    ("latency", "says"),
    [
        ("3", "latency is text in quotes, wanted a number of milliseconds below 50"),
        (None, "latency is null"),
        (-5, "latency is negative"),
        (True, "latency is true or false"),
        ([3], "latency is a list"),
        (10**400, "latency is beyond all bounds"),
    ],
)
def test_what_is_no_latency_is_named(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, latency: object, says: str
) -> None:
    monkeypatch.setattr(module, "LATENCY_PAUSE_SECONDS", 0)
    (first, *_) = latency_judgements(tmp_path, body(latency=latency))
    assert first.outcome is Outcome.FAIL
    assert first.sentence.startswith(f"7 of 7 answers: {says}")


def test_a_latency_that_is_missing_is_named(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LATENCY_PAUSE_SECONDS", 0)
    (first, *_) = latency_judgements(tmp_path, saying({"status": "healthy"}))
    assert "latency is missing" in first.sentence


def test_a_latency_is_not_believed_against_our_own_clock(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LATENCY_PAUSE_SECONDS", 0)
    said = body(latency=0.003)

    def late(connection: socket.socket, over: threading.Event) -> None:
        over.wait(0.6)
        said(connection, over)

    first, clock = latency_judgements(tmp_path, late)
    assert first.outcome is Outcome.PASS
    assert clock.outcome is Outcome.FAIL
    assert "by the gate's own clock" in clock.sentence


def latency_judgements(folder: pathlib.Path, mood: Behaviour) -> tuple[Judgement, ...]:
    with moody(mood) as service:
        platform = a_platform(folder, {"eu": service.url})
        check = Check("IV-A-1", platform.regions, Meaning.HOLD)
        health = Health(platform, Availability(platform), check, "api", "liveness")
        health.latency_below(health.read(module.LATENCY_PROBES), 50)
    return check.noted()["eu"].judgements


def test_the_worst_reading_speaks_for_all_and_not_the_last(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LATENCY_PAUSE_SECONDS", 0)
    with moody(UP, *[body(status="unhealthy")] * 6) as service:
        platform = a_platform(tmp_path, {"eu": service.url})
        check = Check("IV-A-1", platform.regions, Meaning.HOLD)
        health = Health(platform, Availability(platform), check, "api", "liveness")
        health.says_healthy(health.read(7))
    (judgement,) = check.noted()["eu"].judgements
    assert judgement.outcome is Outcome.FAIL
    assert judgement.sentence.startswith("6 of 7 answers: api /health status is “unhealthy”")


def test_a_wrong_answer_ends_the_reading_and_is_noted_once(tmp_path: pathlib.Path) -> None:
    too_large = answer(b"x", headers={"Content-Length": "999999999"})
    with moody(too_large) as service:
        platform = a_platform(tmp_path, {"eu": service.url})
        check = Check("IV-A-1", platform.regions, Meaning.HOLD)
        health = Health(platform, Availability(platform), check, "api", "liveness")
        readings = health.read(7)
        health.answers(readings, 200)
        health.says_healthy(readings)
    assert service.requests == 1
    assert [one.outcome for one in check.noted()["eu"].judgements] == [Outcome.FAIL]


def test_an_endpoint_that_the_environment_does_not_describe_is_named(
    tmp_path: pathlib.Path,
) -> None:
    platform = a_platform(tmp_path, {"eu": "http://eu"})
    check = Check("IV-A-1", platform.regions)
    with pytest.raises(NotDescribedError, match=r"lacks services\.api\.health\.cache; add it"):
        Health(platform, Availability(platform), check, "api", "cache")


class Replicas:
    """Replicas behind one address, taken in turn; each names itself, and some of them behave otherwise."""

    def __init__(self, *odd: Behaviour, names: tuple[str, ...] = PODS) -> None:
        good = json.dumps(HEALTHY).encode()
        named = [answer(good, headers={HEADER: name} if name else {}) for name in names]
        self.moods = [*odd, *named[len(odd) :]]
        self.turn = itertools.count()

    def __call__(self, connection: socket.socket, over: threading.Event) -> None:
        self.moods[next(self.turn) % len(self.moods)](connection, over)


def of_six(
    folder: pathlib.Path, behaviour: Behaviour, rule: str, means: Meaning, **described: Any
) -> tuple[Judgement, ...]:
    with moody(behaviour) as service:
        api = {"health": {"liveness": HEALTH}, "replicas": 6, "replica_header": HEADER}
        services = {"api": {**api, **described}}
        platform = a_platform(folder, {"eu": service.url}, services=services)
        check = Check("IV-A-1", platform.regions, means)
        health = Health(platform, Availability(platform), check, "api", "liveness")
        readings = health.read()
        health.answers(readings, 200) if rule == "status" else health.says_release(readings)
    return check.noted()["eu"].judgements


@pytest.fixture
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LATENCY_PAUSE_SECONDS", 0)


@pytest.mark.usefixtures("_no_pause")
def test_six_good_replicas_pass_saying_how_they_were_met(tmp_path: pathlib.Path) -> None:
    judgements = of_six(tmp_path, Replicas(), "status", Meaning.ROLLBACK)
    assert {one.outcome for one in judgements} == {Outcome.PASS}
    assert judgements[-1].sentence == "53 answers of api /health came from 6 replicas"


UNPROVED = {
    "nothing names them": (Replicas(), {"replica_header": None}, "services.api.replica_header"),
    "nobody says how many": (
        Replicas(),
        {"replica_header": None, "replicas": None},
        "nothing in the answers of api /health says which of 6 replicas gave them",
    ),
    "a sticky balancer": (Replicas(names=PODS[:1]), {}, "from 1 replicas, wanted 6: the balancer"),
    "the header is missing": (Replicas(names=("",)), {}, "53 answers have no header X-Served-By"),
    "one has no header": (
        Replicas(names=(*PODS[:5], "")),
        {},
        "answers have no header X-Served-By",
    ),
    "more than described": (Replicas(), {"replicas": 5}, "more replicas serve than"),
    "another name each time": (
        Replicas(names=tuple(f"request-{number}" for number in range(60))),
        {},
        "X-Served-By differs by answer and not by replica",
    ),
    "too many to meet": (Replicas(), {"replicas": 30}, "take more than 250 asks"),
}


@pytest.mark.usefixtures("_no_pause")
@pytest.mark.parametrize(("replicas", "described", "says"), UNPROVED.values(), ids=UNPROVED)
def test_replicas_of_which_one_may_not_have_been_met_are_undecided(
    tmp_path: pathlib.Path, replicas: Replicas, described: dict[str, Any], says: str
) -> None:
    found = of_six(tmp_path, replicas, "status", Meaning.ROLLBACK, **described)[-1]
    assert found.outcome is Outcome.INCONCLUSIVE
    assert says in found.sentence


@pytest.mark.usefixtures("_no_pause")
def test_a_replica_that_stands_alone_needs_no_name(tmp_path: pathlib.Path) -> None:
    alone = {"replicas": 1, "replica_header": None}
    (judgement,) = of_six(tmp_path, UP, "status", Meaning.ROLLBACK, **alone)
    assert judgement.outcome is Outcome.PASS


@pytest.mark.usefixtures("_no_pause")
def test_one_old_replica_of_six_fails_the_release(tmp_path: pathlib.Path) -> None:
    old = body(version="1.1.0")
    judgements = of_six(tmp_path, Replicas(old), "release", Meaning.HOLD)
    failed = [one for one in judgements if one.outcome is Outcome.FAIL]
    assert [one.sentence for one in failed] == [
        "9 of 53 answers: api /health version is “1.1.0”, wanted “1.2.0”"
    ]


@pytest.mark.usefixtures("_no_pause")
@pytest.mark.parametrize("on_recovery", ["hold", "pass"])
@pytest.mark.parametrize("bad", [FAILING, saying({}, "404 Not Found")], ids=["500", "404"])
def test_one_bad_replica_of_six_holds_whatever_a_recovery_means(
    tmp_path: pathlib.Path, bad: Behaviour, on_recovery: str
) -> None:
    with moody(Replicas(UP, bad)) as service:
        api = {"health": {"liveness": HEALTH}, "replicas": 6, "replica_header": HEADER}
        policy = a_policy(confirm="20s", on_recovery=on_recovery)
        platform = a_platform(tmp_path, {"eu": service.url}, policy=policy, services={"api": api})
        check = Check("IV-A-1", platform.regions)
        health = Health(platform, Availability(platform), check, "api", "liveness")
        health.answers(health.read(), 200)
    assert check.outcome("eu") is Outcome.INCONCLUSIVE
    assert re.search(
        r"9 of 5\d answers of api /health were bad", str(check.noted()["eu"].judgements)
    )


def test_a_fault_of_our_side_speaks_for_no_absence_beside_it() -> None:
    def seen(kind: FailureKind) -> Observation[HttpAnswer]:
        return Observation("http", "there", utc_now(), 0.1, {}, None, Failure(kind, "No."))

    away, wrong = seen(FailureKind.REFUSED), seen(FailureKind.PROTOCOL)
    ours = seen(FailureKind.CERTIFICATE_UNTRUSTED)
    assert module.worst_of([wrong, away, ours]) is away
    assert module.worst_of([ours, wrong, ours]) is wrong
    assert module.worst_of([ours]) is ours


@pytest.mark.parametrize(("replicas", "asks"), [(1, 1), (2, 17), (3, 26), (6, 53), (12, 109)])
def test_asks_follow_the_number_of_replicas(replicas: int, asks: int) -> None:
    assert asks_for(replicas) == asks


@pytest.mark.parametrize("replicas", range(2, 28))
def test_so_many_asks_meet_every_replica_and_a_half_bad_one_badly(replicas: int) -> None:
    asks = asks_for(replicas)
    assert asks <= MOST_ASKS
    assert replicas * (1 - 1 / replicas) ** asks <= 0.01
    assert (1 - 1 / (2 * replicas)) ** asks <= 0.01

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

from gates.decide.judgement import Judgement
from gates.decide.outcome import Meaning, Outcome
from probes.http import HttpAnswer
from probes.observation import Failure, FailureKind, Observation, utc_now
from steps.kit.check import Check
from steps.kit.platform import NotDescribedError
from steps.service import endpoint
from steps.service.endpoint import MOST_ASKS, asks_for
from steps.service.health_rules import worst_of
from tests.probes.servers import Behaviour, answer
from tests.steps.moody import FAILING, HEALTHY, UP, Moody, moody, saying
from tests.steps.platforms import HEALTH, a_platform, a_policy
from tests.steps.scenarios import all_of
from tests.steps.scenarios import judged as judged_by_id
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
    service: Moody,
    check_id: str,
    means: Meaning = Meaning.HOLD,
    *,
    policy: dict[str, Any] | None = None,
    **described: Any,
) -> Check:
    """Run a check on one region whose api answers so."""
    api = {"health": ENDPOINTS, "replicas": 1, **described}
    times = {"confirm": "30s" if means is Meaning.HOLD else "100ms", **(policy or {})}
    platform = a_platform(
        folder,
        {"eu": service.url},
        policy=a_policy(**times),
        services={"api": api},
        external=EXTERNAL,
    )
    return judged_by_id(check_id, platform, means=means)


def judged(
    folder: pathlib.Path, mood: Behaviour, check_id: str, means: Meaning = Meaning.HOLD, **more: Any
) -> list[Judgement]:
    with moody(mood) as service:
        return all_of(checked(folder, service, check_id, means, **more))


def body(**changes: Any) -> Behaviour:
    return saying({**HEALTHY, **changes})


MAIL, PAY = {"mail": {"status": "healthy"}}, {"pay": {"status": "healthy"}}


@pytest.mark.parametrize(
    ("check_id", "mood"),
    [
        (ANSWERS, body()),
        (HEALTHY_RELEASE, body()),
        (LISTS, body(services={**MAIL, "pay": None})),
        (SERVICES, body(services={**MAIL, **PAY})),
    ],
)
def test_a_body_as_the_runbook_shows_it_passes(
    tmp_path: pathlib.Path, check_id: str, mood: Behaviour
) -> None:
    assert {one.outcome for one in judged(tmp_path, mood, check_id)} == {Outcome.PASS}


# What else a body may hold, `tests.steps.service.said` goes through.
WRONG_BODIES = {
    "an HTML page": (HEALTHY_RELEASE, HTML, "HTML"),
    "a cut body": (HEALTHY_RELEASE, answer(b'{"status": "healthy"'), "broken or cut off"),
    "a list": (HEALTHY_RELEASE, saying(["healthy"]), "another value"),
    "a patient's name as status": (HEALTHY_RELEASE, body(status=NAMES), "a text of 16 characters"),
    "no status": (HEALTHY_RELEASE, body(status=None), "None"),
    "another version": (HEALTHY_RELEASE, body(version="1.1.0"), "“1.1.0”"),
    "a login page with status 200": (ANSWERS, HTML, "JSON"),
    "404": (ANSWERS, saying(HEALTHY, "404 Not Found"), "404"),
    "a redirect": (ANSWERS, saying(HEALTHY, "302 Found"), "302"),
    "one service missing": (LISTS, body(services=MAIL), "lacks pay"),
    "no services": (LISTS, body(), "lacks mail, pay"),
    "a service down": (
        SERVICES,
        body(services={**MAIL, "pay": {"status": "down"}}),
        "pay is “down”",
    ),
    "services that are null": (SERVICES, body(services=None), "mail is None"),
}


@pytest.mark.parametrize("means", [Meaning.HOLD, Meaning.ROLLBACK])
@pytest.mark.parametrize(("check_id", "mood", "says"), WRONG_BODIES.values(), ids=WRONG_BODIES)
def test_a_wrong_body_fails_at_once_or_once_it_lasted_where_it_means_rollback(
    tmp_path: pathlib.Path, check_id: str, mood: Behaviour, says: str, means: Meaning
) -> None:
    started = time.monotonic()
    judgements = judged(tmp_path, mood, check_id, means)
    assert time.monotonic() - started < 5
    failed = [one.sentence for one in judgements if one.outcome is Outcome.FAIL]
    assert any(says in one for one in failed), judgements
    lasted = [re.search(r", for \d+\.\d s \(asked (once|\d+ times)\)$", one) for one in failed]
    assert all(lasted) is (means is Meaning.ROLLBACK)
    assert NAMES not in str(judgements)


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
@pytest.mark.parametrize("check_id", [ANSWERS, HEALTHY_RELEASE])
def test_an_answer_that_refuses_the_gate_says_nothing_of_the_platform(
    tmp_path: pathlib.Path, mood: Behaviour, says: str, check_id: str, means: Meaning
) -> None:
    (judgement,) = judged(tmp_path, mood, check_id, means)
    assert judgement.outcome is Outcome.ERROR
    assert says in judgement.sentence


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
    judgements, cached = judged(tmp_path, found, ANSWERS, means), headers in CACHED
    wanted = Outcome.INCONCLUSIVE if cached else Outcome.PASS
    assert {one.outcome for one in judgements} == {wanted}
    assert ("was answered by a cache" in judgements[0].sentence) is cached


@cases(
    "latencies outcome",
    {
        "all are fast": ([3] * 7, Outcome.PASS),
        "the median is fast": ([3, 3, 3, 3, 500, 500, 500], Outcome.PASS),
        "the median is at the limit": ([3, 3, 3, 50, 500, 500, 500], Outcome.FAIL),
        "one is missing": ([3, 3, 3, None, 3, 3, 3], Outcome.FAIL),
    },
)
def test_the_median_of_seven_latencies_decides_and_all_are_kept(
    tmp_path: pathlib.Path, latencies: list[object], outcome: Outcome
) -> None:
    with moody(body(), *(body(latency=one) for one in latencies)) as service:
        check = checked(tmp_path, service, FAST, Meaning.ROLLBACK)
    assert [one.outcome for one in all_of(check)] == [Outcome.PASS, outcome, Outcome.PASS]
    assert len(check.noted()["eu"].observations) == 7


def test_a_latency_is_not_believed_against_our_own_clock(tmp_path: pathlib.Path) -> None:
    def late(connection: socket.socket, over: threading.Event) -> None:
        over.wait(0.6)
        body(latency=0.003)(connection, over)

    _, said, clock = judged(tmp_path, late, FAST)
    assert said.outcome is Outcome.PASS
    assert clock.outcome is Outcome.FAIL
    assert "by the gate's own clock" in clock.sentence


def test_the_worst_reading_speaks_for_all_and_not_the_last(tmp_path: pathlib.Path) -> None:
    with moody(UP, *[body(status="unhealthy")] * 6) as service:
        judgement = all_of(checked(tmp_path, service, FAST))[0]
    assert judgement.outcome is Outcome.FAIL
    assert judgement.sentence.startswith("6 of 7 answers: api /health status is “unhealthy”")


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
        judged_by_id("IV-HEALTH-3", platform)


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
    folder: pathlib.Path, mood: Behaviour, check_id: str = ANSWERS, **more: Any
) -> list[Judgement]:
    described = {"replicas": 6, "replica_header": HEADER, **more}
    return judged(folder, mood, check_id, **{"means": Meaning.ROLLBACK, **described})


def test_six_good_replicas_pass_saying_how_they_were_met(tmp_path: pathlib.Path) -> None:
    judgements = of_six(tmp_path, Replicas())
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


@pytest.mark.parametrize(("replicas", "described", "says"), UNPROVED.values(), ids=UNPROVED)
def test_replicas_of_which_one_may_not_have_been_met_are_undecided(
    tmp_path: pathlib.Path, replicas: Replicas, described: dict[str, Any], says: str
) -> None:
    found = of_six(tmp_path, replicas, **described)[-1]
    assert found.outcome is Outcome.INCONCLUSIVE
    assert says in found.sentence


def test_a_replica_that_stands_alone_needs_no_name(tmp_path: pathlib.Path) -> None:
    (judgement,) = of_six(tmp_path, UP, replicas=1, replica_header=None)
    assert judgement.outcome is Outcome.PASS


def test_one_old_replica_of_six_fails_the_release(tmp_path: pathlib.Path) -> None:
    old = Replicas(body(version="1.1.0"))
    judgements = of_six(tmp_path, old, HEALTHY_RELEASE, means=Meaning.HOLD)
    assert [one.sentence for one in judgements if one.outcome is Outcome.FAIL] == [
        "9 of 53 answers: api /health version is “1.1.0”, wanted “1.2.0”"
    ]


@pytest.mark.parametrize("on_recovery", ["hold", "pass"])
@cases("one_bad", {"500": FAILING, "404": saying({}, "404 Not Found")})
def test_one_bad_replica_of_six_holds_whatever_a_recovery_means(
    tmp_path: pathlib.Path, one_bad: Behaviour, on_recovery: str
) -> None:
    policy = {"confirm": "20s", "on_recovery": on_recovery}
    judgements = of_six(tmp_path, Replicas(UP, one_bad), policy=policy)
    outcomes = {one.outcome for one in judgements}
    assert outcomes - {Outcome.PASS} == {Outcome.INCONCLUSIVE}
    assert re.search(r"9 of 5\d answers of api /health were bad", str(judgements))


def test_a_fault_of_our_side_speaks_for_no_absence_beside_it() -> None:
    def seen(kind: FailureKind) -> Observation[HttpAnswer]:
        return Observation("http", "there", utc_now(), 0.1, {}, None, Failure(kind, "No."))

    away, wrong = seen(FailureKind.REFUSED), seen(FailureKind.PROTOCOL)
    ours = seen(FailureKind.CERTIFICATE_UNTRUSTED)
    assert worst_of([wrong, away, ours]) is away
    assert worst_of([ours, wrong, ours]) is wrong
    assert worst_of([ours]) is ours


@pytest.mark.parametrize(("replicas", "asks"), [(1, 1), (2, 17), (3, 26), (6, 53), (12, 109)])
def test_asks_follow_the_number_of_replicas(replicas: int, asks: int) -> None:
    assert asks_for(replicas) == asks


@pytest.mark.parametrize("replicas", range(2, 28))
def test_so_many_asks_meet_every_replica_and_a_half_bad_one_badly(replicas: int) -> None:
    asks = asks_for(replicas)
    assert asks <= MOST_ASKS
    assert replicas * (1 - 1 / replicas) ** asks <= 0.01
    assert (1 - 1 / (2 * replicas)) ** asks <= 0.01

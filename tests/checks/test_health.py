from __future__ import annotations

import json
import pathlib
import time
from typing import Any

import pytest

from checks import health as module
from checks.availability import Availability
from checks.check import Check
from checks.health import Health
from checks.platform import NotDescribedError
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from tests.checks.moody import HEALTHY, moody, saying
from tests.checks.platforms import a_platform, a_policy
from tests.probes.servers import Behaviour, answer

HTML = answer(b"<html>please log in</html>", content_type="text/html")
NAMES = "Maria Musterfrau"


def judged(folder: pathlib.Path, mood: Behaviour, rule: str) -> tuple[Judgement, ...]:
    """Read the endpoint once in one region and judge it by one rule."""
    with moody(mood) as service:
        policy = a_policy(confirm="30s")
        platform = a_platform(folder, {"eu": service.url}, policy=policy)
        check = Check("IV-A-1", platform.regions)
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
    "a list": ("healthy", saying(["healthy"]), "no object"),
    "a text": ("healthy", saying("healthy"), "no object"),
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
def test_a_wrong_body_fails_at_once_saying_what_is_wrong(
    tmp_path: pathlib.Path, rule: str, mood: Behaviour, says: str
) -> None:
    started = time.monotonic()
    judgements = judged(tmp_path, mood, rule)
    assert time.monotonic() - started < 5
    assert Outcome.FAIL in {one.outcome for one in judgements}
    assert any(says in one.sentence for one in judgements), judgements
    assert NAMES not in str(judgements)


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
    assert [one.outcome for one in noted.judgements] == [outcome]
    assert len(noted.observations) == 7
    json.dumps(noted.judgements[0].record(), allow_nan=False)


def test_a_wrong_answer_ends_the_reading_and_is_noted_once(tmp_path: pathlib.Path) -> None:
    too_large = answer(b"x", headers={"Content-Length": "999999999"})
    with moody(too_large) as service:
        platform = a_platform(tmp_path, {"eu": service.url})
        check = Check("IV-A-1", platform.regions)
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

from __future__ import annotations

import pathlib
import re
import ssl
import time
from collections.abc import Mapping
from typing import Any

import pytest

from probes import http
from probes.http import HttpAnswer, HttpTarget
from probes.observation import Observation
from steps.kit.availability import Availability, Reading, witness
from steps.kit.platform import Platform
from tests.golden import Said
from tests.probes.servers import Behaviour, answer, closed_port, hang, say, serving
from tests.steps.moody import DOWN, FAILING, UP, Moody, moody, saying, several
from tests.steps.platforms import NOWHERE, a_platform, a_policy
from tests.steps.scenarios import sentence
from tests.tables import cases

HEALTH = "api /health"
TOO_LARGE = answer(b"x" * 10, headers={"Content-Length": "999999999"})
NO_HTTP = say(b"SSH-2.0-OpenSSH_9.6\r\n")
CONFIRM_SECONDS = 0.3


def reach(
    availability: Availability, platform: Platform, region: str = "eu", subject: str = HEALTH
) -> Reading[HttpAnswer]:
    def probe() -> Observation[HttpAnswer]:
        deadline = platform.call_deadline()
        return http.request(platform.service(region, "api"), "GET", "/health", deadline=deadline)

    return availability.reach(region, "api", subject, probe)


def only(reading: Reading[HttpAnswer]) -> str:
    (judgement,) = reading.judgements
    return sentence(judgement)


def seconds_of(availability: Availability, platform: Platform, **which: str) -> float:
    started = time.monotonic()
    reach(availability, platform, **which)
    return time.monotonic() - started


def in_two_regions(
    folder: pathlib.Path, services: Mapping[str, Moody], **more: Any
) -> tuple[Availability, Platform]:
    platform = a_platform(folder, {name: one.url for name, one in services.items()}, **more)
    return Availability(platform), platform


THROTTLED = answer(b"", status="429 Too Many Requests", headers={"Retry-After": "0"})
FOR_AN_HOUR = answer(b"", status="429 Too Many Requests", headers={"Retry-After": "3600"})
HOLD, PASS = ({"confirm": "5s", "on_recovery": means} for means in ("hold", "pass"))
LONG, SHORT, SOON = {"confirm": "9s"}, {"confirm": "300ms"}, {**PASS, "confirm": "1s"}


@cases(
    "mood first policy",
    {
        "well": (UP, [], {}),
        "a 5xx, with no other witness": (FAILING, [], {}),
        "a 5xx that comes back": (UP, [FAILING], HOLD),
        "a 5xx that comes back, which passes": (UP, [FAILING], PASS),
        # A GET over a broken connection is asked once more, so that two broken ones are one absence.
        "an absence that comes back": (UP, [DOWN, DOWN], HOLD),
        "an absence that comes back, which passes": (UP, [DOWN, DOWN], PASS),
        "what comes back too large": (TOO_LARGE, [FAILING], {}),
        "what comes back too large passes never": (TOO_LARGE, [FAILING], SOON),
        "what comes back without HTTP": (NO_HTTP, [FAILING], {}),
        "what comes back without HTTP passes never": (NO_HTTP, [FAILING], SOON),
        "a refusal after an absence": (saying({}, "401 Unauthorized"), [FAILING], LONG),
        "throttled without end": (THROTTLED, [FAILING], SHORT),
        "throttled for nobody knows how long": (saying({}, "429 Too Many"), [FAILING], SHORT),
        "throttled for an hour": (FOR_AN_HOUR, [FAILING], LONG),
        "throttled amid, and still bad": (
            FAILING,
            [FAILING, THROTTLED, THROTTLED],
            {"confirm": "2s"},
        ),
        "throttled amid, and well again": (UP, [FAILING, THROTTLED, THROTTLED], {"confirm": "2s"}),
    },
)
def test_what_one_address_is_worth(
    tmp_path: pathlib.Path,
    mood: Behaviour,
    first: list[Behaviour],
    policy: dict[str, str],
    said: Said,
) -> None:
    started = time.monotonic()
    with moody(mood, *first) as service:
        platform = a_platform(tmp_path, {"eu": service.url}, policy=a_policy(**policy))
        reading = reach(Availability(platform), platform)
    took = time.monotonic() - started
    assert took < 8
    said({"judged": [*map(sentence, reading.judgements)], "decided": reading.decided})
    for one in reading.judgements:
        seconds = re.search(r"(\d\.\d) s after the first ask", one.sentence)
        assert seconds is None or 0 < float(seconds[1]) <= took + 0.1
    if mood is FAILING and not first:
        assert took >= CONFIRM_SECONDS
        assert service.requests > 2


@cases("wrong", {"too large": TOO_LARGE, "no HTTP": NO_HTTP})
def test_a_wrong_answer_fails_at_once_and_nobody_waits_for_a_better_one(
    tmp_path: pathlib.Path, wrong: Behaviour
) -> None:
    with moody(wrong) as service:
        platform = a_platform(tmp_path, {"eu": service.url}, policy=a_policy(confirm="30s"))
        assert only(reach(Availability(platform), platform)).startswith("FAIL")
    assert service.requests == 1


def test_an_absence_fails_once_confirmed_while_another_region_answers(
    tmp_path: pathlib.Path,
) -> None:
    with several("eu", "us") as services:
        services["eu"].mood = DOWN
        found = only(reach(*in_two_regions(tmp_path, services)))
    assert found.startswith("FAIL")
    assert found.endswith("while api in us answers")


def test_an_absence_is_our_error_when_nothing_else_answers_either(tmp_path: pathlib.Path) -> None:
    regions = {name: NOWHERE.format(closed_port()) for name in ("eu", "us")}
    platform = a_platform(tmp_path, regions)
    found = only(reach(Availability(platform), platform))
    assert found.startswith("ERROR")
    assert "it has no network here; no verdict about the platform" in found


def test_a_check_after_the_first_does_not_wait_again(tmp_path: pathlib.Path) -> None:
    with several("eu", "us") as services:
        services["eu"].mood = DOWN
        at = in_two_regions(tmp_path, services)
        assert seconds_of(*at, subject="api /health") >= CONFIRM_SECONDS
        assert seconds_of(*at, subject="api /health/db") < CONFIRM_SECONDS


def test_every_region_and_every_endpoint_has_a_clock_of_its_own(tmp_path: pathlib.Path) -> None:
    with several("eu", "us", mood=FAILING) as services:
        at = in_two_regions(tmp_path, services)
        for region, subject in (("eu", HEALTH), ("us", HEALTH), ("eu", "api /health/db")):
            assert seconds_of(*at, region=region, subject=subject) >= CONFIRM_SECONDS


@cases("mood", {"with 500s": FAILING, "unreachable": DOWN})
def test_an_answer_in_between_stops_the_clock(tmp_path: pathlib.Path, mood: Behaviour) -> None:
    with several("eu", "us") as services:
        service, at = services["eu"], in_two_regions(tmp_path, services)
        service.mood = mood
        reach(*at)
        service.mood = UP
        assert reach(*at).judgements == ()
        service.mood = mood
        assert seconds_of(*at) >= CONFIRM_SECONDS


def test_a_timeout_counts_from_when_it_was_asked(tmp_path: pathlib.Path) -> None:
    with several("eu", "us") as services:
        services["eu"].mood = hang
        at = in_two_regions(tmp_path, services, policy=a_policy(confirm="1s"))
        (found,) = reach(*at).judgements
    words = r"timeout for (\d\.\d) s \(asked once\), while api in us answers"
    said = re.search(words, found.sentence)
    assert said is not None, found.sentence
    assert float(said[1]) >= 2


def test_the_deadline_of_the_run_stops_the_waiting(tmp_path: pathlib.Path) -> None:
    with moody(FAILING) as service:
        platform = a_platform(
            tmp_path, {"eu": service.url}, policy=a_policy(confirm="30s"), run_seconds=0.2
        )
        started = time.monotonic()
        found = only(reach(Availability(platform), platform))
    assert time.monotonic() - started < 15
    assert found.startswith("INCONCLUSIVE")
    assert "the run's deadline came before that could be confirmed" in found


def test_a_deadline_that_has_passed_never_blames_the_platform(tmp_path: pathlib.Path) -> None:
    with several("eu", "us") as services:
        at = in_two_regions(tmp_path, services, run_seconds=0)
        for _ in range(2):
            assert only(reach(*at)).startswith(("INCONCLUSIVE", "ERROR"))


def test_a_certificate_of_an_unknown_authority_is_our_side(
    tmp_path: pathlib.Path, server_tls: ssl.SSLContext
) -> None:
    with serving(UP, tls=server_tls) as server:
        platform = a_platform(tmp_path, {"eu": f"https://localhost:{server.port}"})
        assert only(reach(Availability(platform), platform)).startswith("ERROR")


@pytest.mark.parametrize(
    ("time_scale", "confirm", "poll"), [(1, 120, 5), (10, 12, 0.5), (60, 2, 0.25), (600, 2, 0.25)]
)
def test_times_follow_the_environments_scale_down_to_their_floors(
    tmp_path: pathlib.Path, time_scale: float, confirm: float, poll: float
) -> None:
    policy = a_policy(confirm="2m", poll="5s")
    at = NOWHERE.format(1)
    platform = a_platform(tmp_path, {"eu": at}, policy=policy, time_scale=time_scale)
    assert (platform.confirm_seconds, platform.poll_seconds) == (confirm, poll)
    assert platform.service("eu", "api") == HttpTarget(at)


NOBODY = NOWHERE.format(closed_port())
LOGIN_PAGE = answer(b"<html>", content_type="text/html")


def test_nobody_answers_a_gate_without_network(tmp_path: pathlib.Path) -> None:
    controls = [NOWHERE.format(closed_port())]
    platform = a_platform(tmp_path, {"eu": NOBODY}, vantage_controls=controls)
    assert witness(platform, "eu") is None


@pytest.mark.parametrize("mood", [UP, FAILING, LOGIN_PAGE], ids=["well", "a 500", "a login page"])
def test_any_answer_of_another_region_proves_that_the_gate_has_network(
    tmp_path: pathlib.Path, mood: Behaviour
) -> None:
    with moody(mood) as other:
        platform = a_platform(tmp_path, {"eu": NOBODY, "us": other.url})
        assert witness(platform, "eu") == "api in us"


def test_a_region_is_no_witness_of_its_own_absence(tmp_path: pathlib.Path) -> None:
    with moody() as itself:
        assert witness(a_platform(tmp_path, {"eu": itself.url}), "eu") is None


def test_a_vantage_control_is_a_witness(tmp_path: pathlib.Path) -> None:
    with several("dead", "alive") as controls:
        controls["dead"].mood = DOWN
        addresses = [one.url for one in controls.values()]
        platform = a_platform(tmp_path, {"eu": NOBODY}, vantage_controls=addresses)
        assert witness(platform, "eu") == "vantage control 2"


def test_prometheus_is_a_witness(tmp_path: pathlib.Path) -> None:
    with moody() as prometheus:
        platform = a_platform(tmp_path, {"eu": NOBODY}, prometheus_at=prometheus.url)
        assert witness(platform, "eu") == "Prometheus"


def seconds_to_read(platform: Platform) -> float:
    def read(region: str) -> int | None:
        target = platform.service(region, "api")
        observed = http.request(target, "GET", "/health", deadline=platform.call_deadline())
        return None if observed.value is None else observed.value.status

    started = time.monotonic()
    assert set(platform.each_region(read).values()) == {200}
    return time.monotonic() - started


def test_ten_slow_regions_take_about_as_long_as_one(tmp_path: pathlib.Path) -> None:
    def slow(connection: object, over: object) -> None:
        over.wait(0.3)  # type: ignore[attr-defined]  # an Event: the server's latency, 300 ms
        UP(connection, over)  # type: ignore[arg-type]  # handed on

    names = [f"region-{number}" for number in range(10)]
    with several(*names, mood=slow) as services:
        addresses = {name: one.url for name, one in services.items()}
        one = seconds_to_read(a_platform(tmp_path, {"region-0": addresses["region-0"]}))
        ten = seconds_to_read(a_platform(tmp_path, addresses))
    # The figure is 1.3 (./harness bench); twice leaves room for a busy machine, ten times would fail.
    assert ten < 2 * one

from __future__ import annotations

import pathlib
import re
import ssl
import time

import pytest

from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes import http
from probes.http import HttpAnswer, HttpTarget
from probes.observation import Observation
from steps.kit.availability import Availability, Reading
from steps.kit.platform import Platform
from tests.probes.servers import Behaviour, answer, closed_port, hang, say, serving
from tests.steps.moody import DOWN, FAILING, UP, Moody, moody, saying, several
from tests.steps.platforms import NOWHERE, a_platform, a_policy

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


def only(reading: Reading[HttpAnswer]) -> Judgement:
    assert len(reading.judgements) == 1
    return reading.judgements[0]


def seconds_of(availability: Availability, platform: Platform, **which: str) -> float:
    started = time.monotonic()
    reach(availability, platform, **which)
    return time.monotonic() - started


def test_what_answers_at_once_leaves_everything_to_judge(tmp_path: pathlib.Path) -> None:
    with moody() as service:
        platform = a_platform(tmp_path, {"eu": service.url})
        reading = reach(Availability(platform), platform)
    assert reading.judgements == ()
    assert not reading.decided
    assert service.requests == 1


def test_a_5xx_fails_once_confirmed_and_needs_no_other_witness(tmp_path: pathlib.Path) -> None:
    with moody(FAILING) as service:
        platform = a_platform(tmp_path, {"eu": service.url})
        started = time.monotonic()
        reading = reach(Availability(platform), platform)
        took = time.monotonic() - started
    judgement = only(reading)
    assert judgement.outcome is Outcome.FAIL
    assert re.fullmatch(
        r"api /health: status 500 for 0\.\d s \(asked \d+ times\)", judgement.sentence
    )
    assert took >= CONFIRM_SECONDS
    assert service.requests > 2


def test_an_absence_fails_once_confirmed_while_another_region_answers(
    tmp_path: pathlib.Path,
) -> None:
    with several("eu", "us") as services:
        services["eu"].mood = DOWN
        platform = a_platform(tmp_path, {name: one.url for name, one in services.items()})
        judgement = only(reach(Availability(platform), platform))
    assert judgement.outcome is Outcome.FAIL
    assert judgement.sentence.endswith("while api in us answers")


def test_an_absence_is_our_error_when_nothing_else_answers_either(tmp_path: pathlib.Path) -> None:
    regions = {name: NOWHERE.format(closed_port()) for name in ("eu", "us")}
    platform = a_platform(tmp_path, regions)
    judgement = only(reach(Availability(platform), platform))
    assert judgement.outcome is Outcome.ERROR
    assert "it has no network here; no verdict about the platform" in judgement.sentence


@pytest.mark.parametrize("broken", [FAILING, DOWN], ids=["with 500s", "unreachable"])
@pytest.mark.parametrize(
    ("on_recovery", "outcome"), [("hold", Outcome.INCONCLUSIVE), ("pass", Outcome.PASS)]
)
def test_what_comes_back_in_time_is_shown_and_the_policy_says_what_it_means(
    tmp_path: pathlib.Path, broken: Behaviour, on_recovery: str, outcome: Outcome
) -> None:
    # A GET over a broken connection is asked once more, so that two broken ones are one absence.
    moods = [FAILING] if broken is FAILING else [DOWN, DOWN]
    with moody(UP, *moods) as service:
        policy = a_policy(confirm="5s", on_recovery=on_recovery)
        platform = a_platform(tmp_path, {"eu": service.url}, policy=policy)
        started = time.monotonic()
        reading = reach(Availability(platform), platform)
    assert only(reading).outcome is outcome
    words = "status 500" if broken is FAILING else "connection lost"
    said = rf"api /health: {words}; (\d\.\d) s after the first ask it answered again"
    seconds = re.fullmatch(said, only(reading).sentence)
    assert seconds is not None
    assert 0 < float(seconds[1]) <= time.monotonic() - started + 0.1
    assert reading.decided == (on_recovery == "hold")


@pytest.mark.parametrize("wrong", [TOO_LARGE, NO_HTTP], ids=["too large", "no HTTP"])
@pytest.mark.parametrize("on_recovery", ["hold", "pass"])
def test_what_comes_back_with_a_wrong_answer_fails(
    tmp_path: pathlib.Path, wrong: Behaviour, on_recovery: str
) -> None:
    with moody(wrong, FAILING) as service:
        policy = a_policy(on_recovery=on_recovery)
        platform = a_platform(tmp_path, {"eu": service.url}, policy=policy)
        reading = reach(Availability(platform), platform)
    assert Outcome.FAIL in [one.outcome for one in reading.judgements]
    assert reading.decided


@pytest.mark.parametrize("wrong", [TOO_LARGE, NO_HTTP], ids=["too large", "no HTTP"])
def test_a_wrong_answer_fails_at_once_and_nobody_waits_for_a_better_one(
    tmp_path: pathlib.Path, wrong: Behaviour
) -> None:
    with moody(wrong) as service:
        platform = a_platform(tmp_path, {"eu": service.url}, policy=a_policy(confirm="30s"))
        availability = Availability(platform)
        reading = reach(availability, platform)
    assert only(reading).outcome is Outcome.FAIL
    assert service.requests == 1


def test_a_check_after_the_first_does_not_wait_again(tmp_path: pathlib.Path) -> None:
    with several("eu", "us") as services:
        services["eu"].mood = DOWN
        platform = a_platform(tmp_path, {name: one.url for name, one in services.items()})
        availability = Availability(platform)
        first = seconds_of(availability, platform, subject="api /health")
        second = seconds_of(availability, platform, subject="api /health/db")
    assert first >= CONFIRM_SECONDS
    assert second < CONFIRM_SECONDS


def test_every_region_has_a_clock_of_its_own(tmp_path: pathlib.Path) -> None:
    with several("eu", "us", mood=FAILING) as services:
        platform = a_platform(tmp_path, {name: one.url for name, one in services.items()})
        availability = Availability(platform)
        for region in ("eu", "us"):
            assert seconds_of(availability, platform, region=region) >= CONFIRM_SECONDS


def test_a_5xx_of_one_endpoint_does_not_start_the_clock_of_another(tmp_path: pathlib.Path) -> None:
    with moody(FAILING) as service:
        platform = a_platform(tmp_path, {"eu": service.url})
        availability = Availability(platform)
        for subject in ("api /health/db", "api /health/redis"):
            assert seconds_of(availability, platform, subject=subject) >= CONFIRM_SECONDS


@pytest.mark.parametrize("broken", ["with 500s", "unreachable"])
def test_an_answer_in_between_stops_the_clock(tmp_path: pathlib.Path, broken: str) -> None:
    mood = FAILING if broken == "with 500s" else DOWN
    with several("eu", "us") as services:
        service: Moody = services["eu"]
        platform = a_platform(tmp_path, {name: one.url for name, one in services.items()})
        availability = Availability(platform)
        service.mood = mood
        reach(availability, platform)
        service.mood = UP
        assert reach(availability, platform).judgements == ()
        service.mood = mood
        assert seconds_of(availability, platform) >= CONFIRM_SECONDS


def test_a_timeout_counts_from_when_it_was_asked(tmp_path: pathlib.Path) -> None:
    with several("eu", "us") as services:
        services["eu"].mood = hang
        policy = a_policy(confirm="1s")
        addresses = {name: one.url for name, one in services.items()}
        platform = a_platform(tmp_path, addresses, policy=policy)
        sentence = only(reach(Availability(platform), platform)).sentence
    said = re.search(r"timeout for (\d\.\d) s \(asked once\), while api in us answers", sentence)
    assert said is not None, sentence
    assert float(said[1]) >= 2


THROTTLED = answer(b"", status="429 Too Many Requests", headers={"Retry-After": "0"})


@pytest.mark.parametrize(
    ("refused", "confirm"),
    [
        (saying({}, "401 Unauthorized"), "9s"),
        (THROTTLED, "300ms"),
        (saying({}, "429 Too Many Requests"), "300ms"),
        (answer(b"", status="429 Too Many Requests", headers={"Retry-After": "3600"}), "9s"),
    ],
    ids=["refused", "throttled without end", "without saying how long", "for an hour"],
)
def test_a_refusal_after_an_absence_decides_nothing(
    tmp_path: pathlib.Path, refused: Behaviour, confirm: str
) -> None:
    started = time.monotonic()
    with moody(refused, FAILING) as service:
        platform = a_platform(tmp_path, {"eu": service.url}, policy=a_policy(confirm=confirm))
        reading = reach(Availability(platform), platform)
    assert time.monotonic() - started < 8
    assert [one.outcome for one in reading.judgements] == [Outcome.INCONCLUSIVE, Outcome.ERROR]
    assert "status 500; then the gate got no usable answer" in reading.judgements[0].sentence


@pytest.mark.parametrize(
    ("then", "outcome", "says"),
    [(FAILING, Outcome.FAIL, "status 500 for"), (UP, Outcome.INCONCLUSIVE, "it answered again")],
    ids=["still bad", "well again"],
)
def test_a_throttled_ask_amid_a_confirmation_is_waited_out(
    tmp_path: pathlib.Path, then: Behaviour, outcome: Outcome, says: str
) -> None:
    with moody(then, FAILING, THROTTLED, THROTTLED) as service:
        platform = a_platform(tmp_path, {"eu": service.url})
        judgement = only(reach(Availability(platform), platform))
    assert judgement.outcome is outcome
    assert says in judgement.sentence


def test_the_deadline_of_the_run_stops_the_waiting(tmp_path: pathlib.Path) -> None:
    with moody(FAILING) as service:
        platform = a_platform(
            tmp_path, {"eu": service.url}, policy=a_policy(confirm="30s"), run_seconds=0.2
        )
        availability = Availability(platform)
        started = time.monotonic()
        judgement = only(reach(availability, platform))
    assert time.monotonic() - started < 3
    assert judgement.outcome is Outcome.INCONCLUSIVE
    assert "the run's deadline came before that could be confirmed" in judgement.sentence


def test_a_deadline_that_has_passed_never_blames_the_platform(tmp_path: pathlib.Path) -> None:
    with several("eu", "us") as services:
        addresses = {name: one.url for name, one in services.items()}
        platform = a_platform(tmp_path, addresses, run_seconds=0)
        availability = Availability(platform)
        outcomes = {only(reach(availability, platform)).outcome for _ in range(2)}
    assert outcomes <= {Outcome.INCONCLUSIVE, Outcome.ERROR}


def test_a_certificate_of_an_unknown_authority_is_our_side(
    tmp_path: pathlib.Path, server_tls: ssl.SSLContext
) -> None:
    with serving(UP, tls=server_tls) as server:
        platform = a_platform(tmp_path, {"eu": f"https://localhost:{server.port}"})
        judgement = only(reach(Availability(platform), platform))
    assert judgement.outcome is Outcome.ERROR


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

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis as redis_py
import trustme

from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes.redis import RedisTarget
from steps.flags.flags import temporary_gone
from steps.flags.reading import snapshot
from steps.kit.asked import Asked, Unread
from steps.kit.baseline import SHARED, CannotCollectError
from steps.kit.check import Check
from steps.kit.platform import NotDescribedError, Platform
from tests.probes.real_servers import PASSWORD, redis_server
from tests.steps.audit_server import TOKEN, AuditServer, audit_server
from tests.steps.flags.test_audit import section as audit_section
from tests.steps.platforms import a_platform
from tests.steps.scenarios import judged as by_id

FLAGS: dict[str, Any] = {
    "enabled_key": "flag.{flag}",
    "percentage_key": "flag.{flag}.share",
    "every_key": "flag.*",
    "word_for_on": "ON",
    "word_for_off": "OFF",
    "always": {"risky": {"enabled": False}},
    "states": {
        "before": {"calendar": {"enabled": True}},
        "safe": {"calendar": {"enabled": False}},
        "test": {"calendar": {"enabled": False, "percentage": 10}},
    },
    "temporary": ["banner"],
}
SAFE = {"flag.risky": "OFF", "flag.calendar": "OFF"}
TEST = {**SAFE, "flag.calendar.share": "10"}

SAFE_STATE, TEST_STATE, CONFIGURED = "D1.2-1", "D5.2-1", "T3-PREP-6"
SAFE_LOGGED, TEST_LOGGED = "D1.2-2", "D5.2-2"


@pytest.fixture(scope="module")
def cache() -> Iterator[RedisTarget]:
    with redis_server(trustme.CA()) as running:
        yield dataclasses.replace(running, user="default")


@pytest.fixture
def admin(cache: RedisTarget) -> Iterator[redis_py.Redis]:
    with redis_py.Redis(
        host="localhost", port=cache.port, password=PASSWORD, ssl=True, ssl_ca_certs=cache.ca_file
    ) as client:
        yield client
        client.flushall()


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[AuditServer]:
    monkeypatch.setenv("AUDIT_TOKEN", TOKEN)
    monkeypatch.setenv("REDIS_PASSWORD", PASSWORD)
    with audit_server() as serving:
        yield serving


@pytest.fixture
def platform_of(
    cache: RedisTarget, log: AuditServer, tmp_path: pathlib.Path
) -> Callable[..., Platform]:
    def make(*, flags: dict[str, Any] | None = None, **redis: Any) -> Platform:
        described = {
            "host": "localhost",
            "port": cache.port,
            "password": "env:REDIS_PASSWORD",
            "ca_file": cache.ca_file,
            **redis,
        }
        return a_platform(
            tmp_path,
            {"eu": log.url, "us": f"{log.url}/us"},
            redis=described,
            flags={**FLAGS, **(flags or {})},
            audit=audit_section(log.url),
        )

    return make


def judged(check_id: str, platform: Platform) -> list[Judgement]:
    """Return what is said in the first region; the second must hear the same."""
    noted = by_id(check_id, platform).noted()
    assert noted["eu"].judgements == noted["us"].judgements
    return list(noted["eu"].judgements)


def temporary(platform: Platform) -> list[Judgement]:
    """Return what NORMAL-1's part of the flags says; its other parts need a cluster."""
    check = Check("NORMAL-1", platform.regions)
    with contextlib.suppress(Unread):
        temporary_gone(Asked(platform, check, platform.regions))
    return list(check.noted()["eu"].judgements)


def failed(judgements: list[Judgement]) -> list[str]:
    """Return the subjects that failed."""
    assert {one.outcome for one in judgements} <= {Outcome.PASS, Outcome.FAIL}
    assert judgements
    return [one.subject for one in judgements if one.outcome is Outcome.FAIL]


class TestState:
    @pytest.mark.parametrize(
        ("check_id", "held", "wrong"),
        [
            pytest.param(SAFE_STATE, SAFE, [], id="safe"),
            pytest.param(TEST_STATE, TEST, [], id="test"),
            pytest.param(TEST_STATE, SAFE, ["flag.calendar.share"], id="no percentage yet"),
            pytest.param(SAFE_STATE, TEST, ["flag.calendar.share"], id="a percentage left over"),
            pytest.param(
                SAFE_STATE, {**SAFE, "flag.risky": "ON"}, ["flag.risky"], id="on that is always off"
            ),
            pytest.param(
                SAFE_STATE, {**SAFE, "flag.calendar": "Off "}, ["flag.calendar"], id="a blank"
            ),
            pytest.param(
                SAFE_STATE, {"flag.risky": "OFF"}, ["flag.calendar"], id="a flag that is gone"
            ),
            pytest.param(
                SAFE_STATE,
                {**SAFE, "flag.new": "ON"},
                ["keys flag.* that nobody described"],
                id="a flag nobody described",
            ),
            pytest.param(SAFE_STATE, {**SAFE, "flag.banner": "ON"}, [], id="a temporary flag"),
            pytest.param(SAFE_STATE, {**SAFE, "session:1": "x"}, [], id="keys of others"),
        ],
    )
    def test_every_key_is_held_against_its_moment(
        self,
        platform_of: Callable[..., Platform],
        admin: redis_py.Redis,
        check_id: str,
        held: dict[str, str],
        wrong: list[str],
    ) -> None:
        admin.mset(held)
        assert failed(judged(check_id, platform_of())) == wrong

    def test_strangers_may_be_ignored(
        self, platform_of: Callable[..., Platform], admin: redis_py.Redis
    ) -> None:
        admin.mset({**SAFE, "flag.new": "ON"})
        assert failed(judged(SAFE_STATE, platform_of(flags={"unknown": "ignore"}))) == []

    @pytest.mark.parametrize("check_id", [SAFE_STATE, CONFIGURED])
    def test_a_redis_that_is_away_is_an_error(
        self, platform_of: Callable[..., Platform], check_id: str
    ) -> None:
        found = judged(check_id, platform_of(port=1))
        assert {one.outcome for one in found} == {Outcome.ERROR}

    def test_a_login_that_may_not_read_is_an_error(
        self, platform_of: Callable[..., Platform]
    ) -> None:
        found = judged(SAFE_STATE, platform_of(user="gate"))
        assert Outcome.ERROR in {one.outcome for one in found}
        assert Outcome.FAIL not in {one.outcome for one in found}

    def test_an_unknown_moment_names_the_key(self, platform_of: Callable[..., Platform]) -> None:
        states = {"night": FLAGS["states"]["safe"]}
        with pytest.raises(NotDescribedError, match=r"flags\.states\.safe"):
            judged(SAFE_STATE, platform_of(flags={"states": states}))


class TestConfigured:
    @pytest.mark.parametrize(
        ("held", "wrong"),
        [
            pytest.param({"flag.risky": "OFF", "flag.calendar": "ON"}, [], id="in any state"),
            pytest.param(
                {"flag.risky": "OFF", "flag.calendar": "yes"}, ["flag.calendar"], id="mistyped"
            ),
            pytest.param({**SAFE, "flag.calendar.share": "10%"}, ["flag.calendar.share"], id="10%"),
            pytest.param({**SAFE, "flag.risky": "ON"}, ["flag.risky"], id="on that is always off"),
        ],
    )
    def test_values_can_be_read_and_what_never_changes_is_so(
        self,
        platform_of: Callable[..., Platform],
        admin: redis_py.Redis,
        held: dict[str, str],
        wrong: list[str],
    ) -> None:
        admin.mset(held)
        assert failed(judged(CONFIGURED, platform_of())) == wrong


class TestTemporary:
    def test_they_are_gone(
        self, platform_of: Callable[..., Platform], admin: redis_py.Redis
    ) -> None:
        admin.mset(SAFE)
        assert failed(temporary(platform_of())) == []
        admin.set("flag.banner", "OFF")
        (found,) = temporary(platform_of())
        assert found.sentence == "temporary flags are still there: flag.banner"

    def test_a_redis_that_is_away_is_an_error(self, platform_of: Callable[..., Platform]) -> None:
        (found,) = temporary(platform_of(port=1))
        assert found.outcome is Outcome.ERROR


class TestBaseline:
    def test_it_holds_every_key(
        self, platform_of: Callable[..., Platform], admin: redis_py.Redis
    ) -> None:
        admin.mset(SAFE)
        assert snapshot(platform_of()) == {
            SHARED: {
                "flag.risky": "OFF",
                "flag.risky.share": "<nothing>",
                "flag.calendar": "OFF",
                "flag.calendar.share": "<nothing>",
            }
        }

    def test_flags_that_cannot_be_read_are_none(self, platform_of: Callable[..., Platform]) -> None:
        with pytest.raises(CannotCollectError, match="refused"):
            snapshot(platform_of(port=1))


class TestChangeLog:
    def test_a_change_with_its_entry_passes(
        self, platform_of: Callable[..., Platform], admin: redis_py.Redis, log: AuditServer
    ) -> None:
        admin.mset(SAFE)
        log.add(target="flag.calendar", old="ON", new="OFF")
        assert failed(judged(SAFE_LOGGED, platform_of())) == []

    def test_an_entry_may_come_late(
        self, platform_of: Callable[..., Platform], admin: redis_py.Redis, log: AuditServer
    ) -> None:
        admin.mset(SAFE)
        log.add(target="flag.calendar", old="ON", new="OFF")
        log.late_looks = 1
        assert failed(judged(SAFE_LOGGED, platform_of())) == []

    def test_the_changes_of_two_phases_make_one_story(
        self, platform_of: Callable[..., Platform], admin: redis_py.Redis, log: AuditServer
    ) -> None:
        admin.mset(TEST)
        log.add(target="flag.calendar", old="ON", new="OFF")
        log.add(target="flag.calendar.share", old=None, new="10")
        assert failed(judged(TEST_LOGGED, platform_of())) == []

    def test_a_phase_that_was_not_carried_out_fails_at_once(
        self, platform_of: Callable[..., Platform], admin: redis_py.Redis, log: AuditServer
    ) -> None:
        admin.mset({"flag.risky": "OFF", "flag.calendar": "ON"})
        assert failed(judged(SAFE_LOGGED, platform_of())) == ["changes of flag.calendar"]
        assert log.looks == 1

    def test_an_old_entry_is_none(
        self, platform_of: Callable[..., Platform], admin: redis_py.Redis, log: AuditServer
    ) -> None:
        admin.mset(SAFE)
        log.add(target="flag.calendar", old="ON", new="OFF", at="2020-01-01T00:00:00Z")
        assert failed(judged(SAFE_LOGGED, platform_of())) == ["changes of flag.calendar"]
        assert log.looks > 1

    def test_what_else_the_log_tells_of_a_flag_is_no_change(
        self, platform_of: Callable[..., Platform], admin: redis_py.Redis, log: AuditServer
    ) -> None:
        admin.mset(SAFE)
        log.add(target="flag.calendar", old="ON", new="OFF")
        log.add(target="flag.calendar", action="flag.looked.at")
        # A log that does not know the parameter answers with all that it has.
        log.body = {"entries": log.entries, "next": None}
        assert failed(judged(SAFE_LOGGED, platform_of())) == []

    def test_nothing_private_is_in_the_evidence(
        self, platform_of: Callable[..., Platform], admin: redis_py.Redis, log: AuditServer
    ) -> None:
        admin.mset({**SAFE, "flag.calendar": "jane@example.org"})
        log.add(target="flag.calendar", old="ON", new="jane@example.org", actor="Jane Doe")
        found = judged(SAFE_LOGGED, platform_of())
        assert failed(found) == ["changes of flag.calendar"]
        evidence = repr([one.record() for one in found])
        assert "jane" not in evidence
        assert "Jane" not in evidence

    @pytest.mark.parametrize(
        ("behaviour", "outcome"),
        [
            pytest.param({"log_status": 503}, Outcome.ERROR, id="away"),
            pytest.param({"log_status": 401}, Outcome.ERROR, id="refuses the gate"),
            pytest.param({"body": {}}, Outcome.INCONCLUSIVE, id="answers something else"),
        ],
    )
    def test_a_log_that_cannot_be_read_decides_nothing(
        self,
        platform_of: Callable[..., Platform],
        admin: redis_py.Redis,
        log: AuditServer,
        behaviour: dict[str, Any],
        outcome: Outcome,
    ) -> None:
        admin.mset(SAFE)
        for name, value in behaviour.items():
            setattr(log, name, value)
        (found,) = judged(SAFE_LOGGED, platform_of())
        assert found.outcome is outcome

    def test_a_redis_that_is_away_is_an_error(self, platform_of: Callable[..., Platform]) -> None:
        (found,) = judged(SAFE_LOGGED, platform_of(port=1))
        assert found.outcome is Outcome.ERROR

    @pytest.mark.parametrize("moments", [("before", "test"), ("safe", "test")])
    def test_a_moment_that_nothing_leads_to_is_not_described(
        self, platform_of: Callable[..., Platform], moments: tuple[str, ...]
    ) -> None:
        states = {moment: FLAGS["states"][moment] for moment in moments}
        with pytest.raises(NotDescribedError):
            judged(SAFE_LOGGED, platform_of(flags={"states": states}))


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "other flags at another moment": (
        {"states": {"before": FLAGS["states"]["before"], "safe": {"x": {"enabled": True}}}},
        "states.safe and states.before name different flags",
    ),
    "no moment": ({"states": {}}, "states is empty"),
    "a flag twice": ({"always": {"calendar": {"enabled": False}}}, "calendar is described twice"),
    "a temporary flag that stays": ({"temporary": ["calendar"]}, "calendar is described twice"),
    "one word for both": ({"word_for_off": "ON"}, "are the same"),
    "a key without a flag": ({"enabled_key": "flag"}, "enabled_key"),
}


@pytest.mark.parametrize(("flags", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_section_that_cannot_be_meant_is_refused(
    platform_of: Callable[..., Platform], flags: dict[str, Any], said: str
) -> None:
    with pytest.raises(Exception, match=said):
        platform_of(flags=flags)


def test_the_action_of_a_change_is_asked_for(
    platform_of: Callable[..., Platform], admin: redis_py.Redis, log: AuditServer
) -> None:
    admin.mset(SAFE)
    log.add(target="flag.calendar", old="ON", new="OFF", action="else")
    assert failed(judged(SAFE_LOGGED, platform_of())) == ["changes of flag.calendar"]

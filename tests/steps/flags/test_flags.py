"""Feature flags in Redis against a moment, the log of their changes, and the trial of that log."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
import redis as redis_py
import trustme

from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes.redis import RedisTarget
from steps.flags.doctor import examine_audit
from steps.flags.flags import temporary_gone
from steps.flags.reading import snapshot
from steps.kit import settling
from steps.kit.asked import Asked, Unread
from steps.kit.baseline import SHARED, CannotCollectError
from steps.kit.check import Check
from steps.kit.findings import Subject
from steps.kit.platform import NotDescribedError, Platform
from tests.golden import Said
from tests.probes.real_servers import PASSWORD, redis_server
from tests.steps.audit_server import TOKEN, AuditServer, audit_server, section
from tests.steps.platforms import a_platform
from tests.steps.scenarios import judged, sentence
from tests.tables import cases


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have an entry that is late given up a second after it was due."""
    monkeypatch.setattr(settling, "FLOOR_SECONDS", 1.0)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[AuditServer]:
    monkeypatch.setenv("AUDIT_TOKEN", TOKEN)
    with audit_server() as serving:
        yield serving


@cases(
    "behaviour",
    {
        "exactly one entry": {},
        "an entry that takes its time": {"late_looks": 3},
        "kept twice": {"copies": 2},
        "of nobody": {"changes": {"actor": " "}},
        "of another action": {"changes": {"action": "x"}},
        "of another time": {"changes": {"at": "2020-01-01T00:00:00Z"}},
        "the log is off": {"copies": 0},
        "the id is not kept": {"changes": {"request_id": "other"}},
        "the log is away": {"log_status": 503},
        "the log refuses the gate": {"log_status": 401},
        "the log answers something else": {"body": []},
        "the read itself fails": {"service_status": 500},
        "the read is refused": {"service_status": 401},
    },
)
def test_a_harmless_read_has_exactly_one_true_entry(
    server: AuditServer, tmp_path: pathlib.Path, behaviour: dict[str, Any], said: Said
) -> None:
    server.add()  # what else there is does not count
    for name, value in behaviour.items():
        setattr(server, name, value)
    platform = a_platform(tmp_path, {"eu": server.url}, audit=section(server.url), time_scale=60)
    (found,) = judged("T7-SEC-6", platform).noted()["eu"].judgements
    said([UNIQUE.sub("ID", sentence(found)), found.clears])


UNIQUE = re.compile(r"(?<=audit-)[0-9a-f]+")
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
SAFE_LOGGED, TEST_LOGGED, TEMPORARY = "D1.2-2", "D5.2-2", "NORMAL-1"


@pytest.fixture(scope="module")
def cache() -> Iterator[RedisTarget]:
    with redis_server(trustme.CA()) as running:
        yield dataclasses.replace(running, user="default")


@dataclasses.dataclass(frozen=True, slots=True)
class Scene:
    """A platform of two regions with flags in a real Redis, and an audit log that is scripted."""

    folder: pathlib.Path
    cache: RedisTarget
    redis: redis_py.Redis
    log: AuditServer

    def platform(self, flags: dict[str, Any] | None = None, **redis: Any) -> Platform:
        described = {
            "host": "localhost",
            "port": self.cache.port,
            "password": "env:REDIS_PASSWORD",
            "ca_file": self.cache.ca_file,
            **redis,
        }
        return a_platform(
            self.folder,
            {"eu": self.log.url, "us": f"{self.log.url}/us"},
            redis=described,
            flags={**FLAGS, **(flags or {})},
            audit=section(self.log.url),
        )

    def said(self, check_id: str, **changes: Any) -> list[Judgement]:
        """Return what is said in the first region; the second must hear the same."""
        platform = self.platform(**changes)
        check = temporary(platform) if check_id == TEMPORARY else judged(check_id, platform)
        noted = check.noted()
        assert noted["eu"].judgements == noted["us"].judgements
        return list(noted["eu"].judgements)

    def failed(self, check_id: str, **changes: Any) -> list[str]:
        """Return the subjects that failed; nothing is left open."""
        found = self.said(check_id, **changes)
        assert {one.outcome for one in found} <= {Outcome.PASS, Outcome.FAIL}
        assert found
        return [one.subject for one in found if one.outcome is Outcome.FAIL]


@pytest.fixture
def scene(
    cache: RedisTarget, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Scene]:
    monkeypatch.setenv("AUDIT_TOKEN", TOKEN)
    monkeypatch.setenv("REDIS_PASSWORD", PASSWORD)
    # Else each connection reads every authority of the machine first.
    monkeypatch.setenv("SSL_CERT_FILE", str(cache.ca_file))
    client = redis_py.Redis(
        host="localhost", port=cache.port, password=PASSWORD, ssl=True, ssl_ca_certs=cache.ca_file
    )
    with client, audit_server() as log:
        yield Scene(tmp_path, cache, client, log)
        client.flushall()


def temporary(platform: Platform) -> Check:
    """Run NORMAL-1's part of the flags; its other parts need a cluster."""
    check = Check(TEMPORARY, platform.regions)
    with contextlib.suppress(Unread):
        temporary_gone(Asked(platform, check, platform.regions))
    return check


@cases(
    "check_id held",
    {
        "safe": (SAFE_STATE, SAFE),
        "test": (TEST_STATE, TEST),
        "no percentage yet": (TEST_STATE, SAFE),
        "a percentage left over": (SAFE_STATE, TEST),
        "on that is always off": (SAFE_STATE, {**SAFE, "flag.risky": "ON"}),
        "a blank": (SAFE_STATE, {**SAFE, "flag.calendar": "Off "}),
        "a flag that is gone": (SAFE_STATE, {"flag.risky": "OFF"}),
        "a flag nobody described": (SAFE_STATE, {**SAFE, "flag.new": "ON"}),
        "a temporary flag": (SAFE_STATE, {**SAFE, "flag.banner": "ON"}),
        "keys of others": (SAFE_STATE, {**SAFE, "session:1": "x"}),
        "configured, in any state": (CONFIGURED, {**SAFE, "flag.calendar": "ON"}),
        "mistyped": (CONFIGURED, {**SAFE, "flag.calendar": "yes"}),
        "10%": (CONFIGURED, {**SAFE, "flag.calendar.share": "10%"}),
        "configured, but on": (CONFIGURED, {**SAFE, "flag.risky": "ON"}),
        "temporary flags gone": (TEMPORARY, SAFE),
        "a temporary flag left": (TEMPORARY, {**SAFE, "flag.banner": "OFF"}),
    },
)
def test_every_key_is_held_against_its_moment(
    scene: Scene, check_id: str, held: dict[str, str], said: Said
) -> None:
    scene.redis.mset(held)
    said([*map(sentence, scene.said(check_id))])


def test_strangers_may_be_ignored(scene: Scene) -> None:
    scene.redis.mset({**SAFE, "flag.new": "ON"})
    assert scene.failed(SAFE_STATE, flags={"unknown": "ignore"}) == []


@pytest.mark.parametrize("check_id", [SAFE_STATE, CONFIGURED, TEMPORARY, SAFE_LOGGED])
@cases("login", {"away": {"port": 1}, "may not read": {"user": "gate"}})
def test_a_redis_that_can_not_be_read_is_one_error(
    scene: Scene, check_id: str, login: dict[str, Any]
) -> None:
    assert [one.outcome for one in scene.said(check_id, **login)] == [Outcome.ERROR]


@cases(
    "check_id moments",
    {
        "no such moment": (SAFE_STATE, ("test",)),
        "a first moment": (SAFE_LOGGED, ("safe", "test")),
        "no such moment in the log": (SAFE_LOGGED, ("before", "test")),
    },
)
def test_a_moment_that_is_not_described_is_named(
    scene: Scene, check_id: str, moments: tuple[str, ...]
) -> None:
    states = {moment: FLAGS["states"][moment] for moment in moments}
    with pytest.raises(NotDescribedError, match=r"flags\.states.* safe|flags\.states\.safe"):
        scene.said(check_id, flags={"states": states})


def test_a_baseline_holds_every_key(scene: Scene) -> None:
    scene.redis.mset(SAFE)
    nothing = dict.fromkeys(("flag.risky.share", "flag.calendar.share"), "<nothing>")
    assert snapshot(scene.platform()) == {SHARED: {**SAFE, **nothing}}
    with pytest.raises(CannotCollectError, match="refused"):
        snapshot(scene.platform(port=1))


ON = {"flag.calendar": "ON"}
OFF = {"target": "flag.calendar", "old": "ON", "new": "OFF"}
TO_TEN = {"target": "flag.calendar.share", "old": None, "new": "10"}
UNLOGGED = ["changes of flag.calendar"]


@cases(
    "check_id held entries late wrong",
    {
        "a change with its entry": (SAFE_LOGGED, SAFE, [OFF], 0, []),
        "the changes of two phases": (TEST_LOGGED, TEST, [OFF, TO_TEN], 0, []),
        "an old entry": (SAFE_LOGGED, SAFE, [{**OFF, "at": "2020-01-01T00:00:00Z"}], 0, UNLOGGED),
        "another action": (SAFE_LOGGED, SAFE, [{**OFF, "action": "else"}], 0, UNLOGGED),
        "an entry that comes late": (SAFE_LOGGED, SAFE, [OFF], 1, []),
        "a phase that was not carried out": (SAFE_LOGGED, {**SAFE, **ON}, [], 0, UNLOGGED),
    },
)
def test_the_log_tells_of_every_change(
    scene: Scene,
    check_id: str,
    held: dict[str, str],
    entries: list[dict[str, Any]],
    late: int,
    wrong: list[str],
) -> None:
    scene.redis.mset(held)
    scene.log.late_looks = late
    for entry in entries:
        scene.log.add(**entry)
    assert scene.failed(check_id) == wrong
    assert (scene.log.looks > 1) is bool(late or (wrong and entries))  # a late one is waited for


def test_what_else_the_log_tells_of_a_flag_is_no_change(scene: Scene) -> None:
    scene.redis.mset(SAFE)
    scene.log.add(**OFF)
    scene.log.add(target="flag.calendar", action="flag.looked.at")
    # A log that does not know the parameter answers with all that it has.
    scene.log.body = {"entries": scene.log.entries, "next": None}
    assert scene.failed(SAFE_LOGGED) == []


def test_nothing_private_is_in_the_evidence(scene: Scene) -> None:
    scene.redis.mset({**SAFE, "flag.calendar": "jane@example.org"})
    scene.log.add(target="flag.calendar", old="ON", new="jane@example.org", actor="Jane Doe")
    found = scene.said(SAFE_LOGGED)
    assert [one.subject for one in found if one.outcome is Outcome.FAIL] == UNLOGGED
    assert "jane" not in repr([one.record() for one in found]).lower()


@cases(
    "behaviour outcome",
    {
        "away": ({"log_status": 503}, Outcome.ERROR),
        "refuses the gate": ({"log_status": 401}, Outcome.ERROR),
        "answers something else": ({"body": {}}, Outcome.INCONCLUSIVE),
    },
)
def test_a_log_that_cannot_be_read_decides_nothing(
    scene: Scene, behaviour: dict[str, Any], outcome: Outcome
) -> None:
    scene.redis.mset(SAFE)
    for name, value in behaviour.items():
        setattr(scene.log, name, value)
    (found,) = scene.said(SAFE_LOGGED)
    assert found.outcome is outcome


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


@cases("flags said", MISTAKES)
def test_a_section_that_cannot_be_meant_is_refused(
    scene: Scene, flags: dict[str, Any], said: str
) -> None:
    with pytest.raises(Exception, match=said):
        scene.platform(flags=flags)


@cases(
    "bent",
    {
        "it opens to the token alone": {},
        "it opens to anybody": {"open_to_all": True},
        "a token that is refused": {"log_status": 401},
        "a log that is away": {"log_status": 503},
        "no log at that path": {"log_status": 404},
    },
)
def test_what_is_said_of_the_audit_log(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, bent: dict[str, Any], said: Said
) -> None:
    monkeypatch.setenv("AUDIT_TOKEN", TOKEN)
    with audit_server() as server:
        for name, value in bent.items():
            setattr(server, name, value)
        platform = a_platform(tmp_path, {"eu": server.url}, audit=section(server.url))
        found = examine_audit(Subject(platform, release_known=True))
    places = {str(tmp_path): "FOLDER", server.url.partition("//")[2]: "SERVER"}
    said([one.record() for one in found], places)

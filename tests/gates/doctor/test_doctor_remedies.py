"""The remedies that the doctor prints, applied to real servers: afterwards nothing is BAD."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis as redis_py
import trustme
from pydantic import SecretStr

from gates.doctor.look import subject_of
from probes import redis
from probes.observation import Deadline
from probes.redis import RedisTarget
from settings.data import Data, Postgres, TableOfRecords
from settings.flags import Redis
from steps.data.doctor import examine_grants, examine_postgres, login_sql
from steps.flags.doctor import acl_lines, examine_redis
from steps.kit.findings import Finding, Level, Subject
from steps.kit.platform import Platform
from tests.checkout import ROOT
from tests.environments.files import loaded
from tests.probes.real_servers import PASSWORD, Database, postgres_server, redis_server
from tests.steps.platforms import a_platform
from tests.tables import cases

CONTRACT = (ROOT / "docs" / "platform-contract.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, str]:
    authority = trustme.CA()
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return authority, str(path)


@pytest.fixture(scope="module")
def database(authority: tuple[trustme.CA, str]) -> Iterator[Database]:
    with postgres_server(authority[1]) as running:
        yield running


@pytest.fixture(scope="module")
def cache(authority: tuple[trustme.CA, str]) -> Iterator[RedisTarget]:
    with redis_server(authority[0]) as running:
        yield running


@pytest.fixture
def subject(tmp_path: pathlib.Path, secrets: None) -> Subject:  # noqa: ARG001 - its file refers to them
    return subject_of(loaded(tmp_path), None, ())


def run(client: redis_py.Redis, *words: str) -> None:
    """Send a command as an administrator."""
    send: Callable[..., object] = client.execute_command
    send(*words)


def bad(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.level is Level.BAD]


def section(user: str) -> Postgres:
    return Postgres(
        host="localhost",
        database="clinic",
        user=user,
        password="env:CLINIC_POSTGRES_PASSWORD",
        created_record=TableOfRecords(table="visits", id_column="id"),
    )


WRITERS = ("writer", "columnist", "climber", "maker", "builder", "everywhere")


class TestPostgres:
    # Another row may have fixed the writer, whom the climber can become.
    @cases(
        "user prepared sentence",
        {
            **{
                f"{user} can write": (
                    user,
                    [f"GRANT SELECT (id) ON visits TO {user}", "GRANT INSERT ON visits TO writer"],
                    f"the login {user} can write: ",
                )
                for user in WRITERS
            },
            "everybody may": (
                "reader",
                ["GRANT DELETE ON visits TO PUBLIC"],
                "the login reader can",
            ),
            "one may not read": ("blind", [], "the login blind may not read visits.id"),
        },
    )
    def test_a_login_is_fixed_by_what_is_printed(
        self, database: Database, subject: Subject, user: str, prepared: list[str], sentence: str
    ) -> None:
        target = database.target(user, sslmode="disable")
        database.as_superuser(*prepared)
        (found,) = bad(examine_postgres(subject, section(user), target))
        assert found.sentence.startswith(sentence)
        if user == "reader":
            assert found.remedy == ("REVOKE DELETE ON public.visits FROM reader, PUBLIC;",)
        database.as_superuser(*found.remedy)
        assert bad(examine_postgres(subject, section(user), target)) == []

    def test_a_login_that_does_not_exist_is_made_and_a_table_that_does_not_is_named(
        self, database: Database, subject: Subject
    ) -> None:
        target = database.target("release_gate", sslmode="disable")
        (found,) = bad(examine_postgres(subject, section("release_gate"), target))
        statements = login_sql(section("release_gate"))
        assert found.remedy[: len(statements)] == statements
        database.as_superuser(*(one.replace("…", PASSWORD) for one in statements))
        assert bad(examine_postgres(subject, section("release_gate"), target)) == []
        other = TableOfRecords(table="clinic.bookings", id_column="id")
        elsewhere = section("reader").model_copy(update={"created_record": other})
        target = database.target("reader", sslmode="disable")
        (found,) = bad(examine_postgres(subject, elsewhere, target))
        assert found.sentence == "there is no clinic.bookings.id"


DATA = Data.model_validate(
    {
        "tables": {
            "visits": {"columns": ["id"], "counted": "grows", "nulls": ["patient"]},
            "archive.Stay": {"columns": ["id"], "counted": "grows"},
            "later": {"columns": ["id"], "counted": "grows"},
        },
        "references": [{"table": "visits", "column": "id", "to_table": "archive.Stay"}],
    }
)


def test_rights_for_the_checks_of_the_data_are_printed_and_mend_a_login_that_can_do_nothing(
    database: Database, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.as_superuser(
        f"CREATE ROLE newcomer LOGIN PASSWORD '{PASSWORD}'",
        "CREATE SCHEMA archive",
        'CREATE TABLE archive."Stay" (id int)',
    )
    target = database.target("newcomer", sslmode="disable")
    monkeypatch.setattr(Platform, "postgres", lambda _: target)
    found = bad(examine_grants(subject, DATA))
    assert [one.remedy for one in found] == [
        ("GRANT pg_read_all_stats TO newcomer;",),
        (
            "GRANT USAGE ON SCHEMA archive TO newcomer;",
            'GRANT SELECT (ctid, id) ON archive."Stay" TO newcomer;',
            "GRANT SELECT (ctid, id, patient) ON public.visits TO newcomer;",
        ),
    ]
    database.as_superuser(*(line for one in found for line in one.remedy))
    assert [one.level for one in examine_grants(subject, DATA)] == [Level.OK]
    # A login that fails is said elsewhere.
    stranger = database.target("nobody", sslmode="disable")
    monkeypatch.setattr(Platform, "postgres", lambda _: stranger)
    assert examine_grants(subject, DATA) == []


class TestRedis:
    @pytest.fixture
    def admin(self, cache: RedisTarget) -> Iterator[redis_py.Redis]:
        at: dict[str, Any] = {"host": cache.host, "port": cache.port, "ssl_ca_certs": cache.ca_file}
        with redis_py.Redis(**at, password=PASSWORD, ssl=True) as client:
            yield client

    def examined(self, subject: Subject, cache: RedisTarget, user: str) -> list[Finding]:
        target = dataclasses.replace(cache, user=user)
        return examine_redis(subject, Redis(host="localhost", user=user), target)

    def test_a_user_that_can_write_is_fixed(
        self, cache: RedisTarget, admin: redis_py.Redis, subject: Subject
    ) -> None:
        run(admin, "ACL", "SETUSER", "loose", "on", f">{PASSWORD}", "~*", "+@all")
        (found,) = bad(self.examined(subject, cache, "loose"))
        assert found.sentence.startswith("the user loose may run APPEND, BITFIELD, BITOP, ")
        for line in found.remedy:
            run(admin, *line.split())
        assert bad(self.examined(subject, cache, "loose")) == []

    def test_everybodys_user_is_replaced_by_one_of_the_gates_own(
        self, cache: RedisTarget, admin: redis_py.Redis, subject: Subject
    ) -> None:
        (found,) = bad(self.examined(subject, cache, "default"))
        for line in found.remedy[:2]:
            run(admin, *line.replace("PASSWORD", PASSWORD).split())
        assert found.remedy[2].endswith("redis.user: release_gate")
        findings = self.examined(subject, cache, "release_gate")
        assert [one.level for one in findings] == [Level.OK, Level.OK]

    def test_what_is_not_known_can_be_made_known(
        self, cache: RedisTarget, admin: redis_py.Redis, subject: Subject
    ) -> None:
        (_, found) = self.examined(subject, cache, "plain")
        assert found.level is Level.WARN
        run(admin, *found.remedy[0].split())
        levels = [one.level for one in self.examined(subject, cache, "plain")]
        assert levels == [Level.OK, Level.OK]

    @cases(
        "version sentence",
        {
            "no ACLs": ("5.0.7", "Redis 5.0.7 has no ACLs: every login may do everything"),
            "no dry run": ("6.2.14", "it is not proved that the user older can only read"),
        },
    )
    def test_an_older_server_proves_nothing(
        self,
        cache: RedisTarget, admin: redis_py.Redis, subject: Subject,
        monkeypatch: pytest.MonkeyPatch, version: str, sentence: str,
    ) -> None:  # fmt: skip
        words = ("reset", "on", f">{PASSWORD}", "-@all", "+ping", "+info", "+role")
        run(admin, "ACL", "SETUSER", "older", *words)
        state = redis.ping(cache, deadline=Deadline.after(3))
        assert state.value is not None
        old = dataclasses.replace(state, value=dataclasses.replace(state.value, version=version))
        monkeypatch.setattr(redis, "ping", lambda *_, **__: old)
        (_, found) = self.examined(subject, cache, "older")
        assert (found.level, found.sentence) == (Level.WARN, sentence)

    def test_a_user_that_cannot_read_the_flags_is_given_the_right(
        self,
        cache: RedisTarget, admin: redis_py.Redis,
        tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        run(admin, "ACL", "SETUSER", "blind", "on", f">{PASSWORD}", "-@all", "+acl|dryrun")
        run(admin, "ACL", "SETUSER", "blind", "+ping", "+info", "+role", "+command|info")
        monkeypatch.setenv("REDIS_PASSWORD", PASSWORD)
        at = {"host": cache.host, "port": cache.port, "ca_file": cache.ca_file}
        described = {**at, "user": "blind", "password": "env:REDIS_PASSWORD"}
        flags = {"states": {"safe": {"calendar": {"enabled": False}}}}
        region = {"eu": "http://127.0.0.1:9"}
        platform = a_platform(tmp_path, region, redis=described, flags=flags)
        seen = Subject(platform, release_known=True)
        (found,) = bad(self.examined(seen, cache, "blind"))
        assert found.sentence == "the user blind may not read the feature flags"
        run(admin, *found.remedy[0].split())
        assert bad(self.examined(seen, cache, "blind")) == []

    def test_a_refused_login_gets_the_line_that_makes_it(
        self, cache: RedisTarget, subject: Subject
    ) -> None:
        target = dataclasses.replace(cache, password=SecretStr("another"))
        (found,) = bad(examine_redis(subject, Redis(host="localhost", user="gate"), target))
        assert found.remedy[:2] == acl_lines("gate", "7", new=True, flags=None)


def test_the_contract_carries_the_same_lines() -> None:
    settings = Postgres(
        host="db",
        database="unified_health_prod",
        user="release_gate",
        password="env:X",
        created_record=TableOfRecords(table="appointments", id_column="id"),
    )
    for line in (
        *login_sql(settings),
        *acl_lines("release_gate", "7", new=True, flags="feature:*"),
    ):
        assert line in CONTRACT

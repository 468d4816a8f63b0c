"""The gate's own look at Redis and Postgres, a second source beside the platform's word."""

from __future__ import annotations

import contextlib
import pathlib
import shutil
from collections.abc import Callable, Iterator

import pytest
import redis as redis_py
import trustme

from gates.decide.judgement import Judgement
from gates.decide.outcome import Meaning, Outcome
from probes.redis import RedisTarget
from steps.kit import availability
from tests.probes import real_servers
from tests.probes.real_servers import PASSWORD
from tests.probes.servers import closed_port, wait_until
from tests.steps.moody import several
from tests.steps.platforms import HEALTH, a_platform, a_policy
from tests.steps.scenarios import all_of, judged
from tests.tables import cases

Seen = Callable[..., list[Judgement]]


@pytest.fixture(scope="module")
def target() -> Iterator[RedisTarget]:
    with real_servers.redis_server(trustme.CA()) as running:
        yield running


@pytest.fixture
def admin(target: RedisTarget) -> Iterator[redis_py.Redis]:
    client = redis_py.Redis(
        host="localhost", port=target.port, password=PASSWORD, ssl=True, ssl_ca_certs=target.ca_file
    )
    with contextlib.closing(client):
        yield client
        client.replicaof("NO", "ONE")
        client.config_set("maxmemory", 0)
        client.config_set("maxmemory-policy", "noeviction")


@pytest.fixture(scope="module")
def addresses() -> Iterator[dict[str, str]]:
    with several("eu", "us") as apis:
        yield {name: one.url for name, one in apis.items()}


@pytest.fixture
def seen(tmp_path: pathlib.Path, target: RedisTarget, addresses: dict[str, str]) -> Seen:
    """Return how to look at Redis, which all regions share; the api itself is sound."""

    def look(
        means: Meaning = Meaning.ROLLBACK, confirm: str = "300ms", **changes: object
    ) -> list[Judgement]:
        (tmp_path / "password").write_text(PASSWORD)
        section = {
            "host": "localhost",
            "port": target.port,
            "user": target.user,
            "password": "file:password",
            "ca_file": target.ca_file,
            **changes,
        }
        services = {"api": {"health": {"cache": HEALTH}, "replicas": 1}}
        policy = a_policy(confirm=confirm)
        platform = a_platform(tmp_path, addresses, policy=policy, services=services, redis=section)
        check = judged("IV-HEALTH-3", platform, means=means)
        assert all_of(check, "eu") == all_of(check, "us")
        return [one for one in all_of(check, "eu") if one.subject.startswith("Redis")]

    return look


def test_a_redis_that_takes_writes_passes(seen: Seen) -> None:
    (judgement,) = seen()
    assert (judgement.outcome, judgement.sentence) == (Outcome.PASS, "Redis answers the gate")


@pytest.mark.parametrize("means", [Meaning.ROLLBACK, Meaning.HOLD])
def test_a_stale_replica_fails_saying_what_it_is(
    seen: Seen, admin: redis_py.Redis, means: Meaning
) -> None:
    admin.replicaof("127.0.0.1", str(closed_port()))
    (judgement,) = seen(means)
    assert judgement.outcome is Outcome.FAIL
    assert judgement.sentence.startswith(
        "Redis answers the gate, but it is a replica, which takes no writes, and its link to the "
        "primary is down: its data are old"
    )


def test_a_full_redis_fails_and_one_that_evicts_does_not(seen: Seen, admin: redis_py.Redis) -> None:
    admin.config_set("maxmemory", 1024 * 512)
    (judgement,) = seen()
    assert judgement.outcome is Outcome.FAIL
    assert "it is out of memory (" in judgement.sentence
    assert "of 0.5 MB, noeviction) and refuses writes, for 0." in judgement.sentence
    with pytest.raises(redis_py.exceptions.OutOfMemoryError):
        admin.set("session:1", "x")
    admin.config_set("maxmemory-policy", "allkeys-lru")
    assert [one.outcome for one in seen()] == [Outcome.PASS]
    admin.config_set("maxmemory-policy", "volatile-lru")
    assert "MB, volatile-lru) and refuses writes" in seen()[0].sentence


def test_a_redis_whose_snapshot_failed_is_undecided(seen: Seen, admin: redis_py.Redis) -> None:
    # A file can't take the place of a folder that holds something.
    in_the_way = pathlib.Path(str(admin.config_get("dir")["dir"])) / "dump.rdb"
    (in_the_way / "full").mkdir(parents=True)
    try:
        admin.bgsave()
        wait_until(
            lambda: admin.info("persistence")["rdb_last_bgsave_status"] == "err", "it failed"
        )
        good, doubt = seen()
    finally:
        shutil.rmtree(in_the_way)
        admin.save()
    assert (good.outcome, doubt.outcome) == (Outcome.PASS, Outcome.INCONCLUSIVE)
    assert "its last snapshot failed" in doubt.sentence


def test_a_failover_that_ends_is_shown_and_holds(
    seen: Seen, admin: redis_py.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin.replicaof("127.0.0.1", str(closed_port()))
    # It ends between the first look and the second.
    monkeypatch.setattr(availability, "pause", lambda _: admin.replicaof("NO", "ONE"))
    judgement, *_ = seen(confirm="20s")
    assert judgement.outcome is Outcome.INCONCLUSIVE
    assert judgement.sentence.endswith("s after the first ask it answered again")


def test_a_redis_out_of_the_gates_reach_is_no_finding(seen: Seen) -> None:
    assert [one.outcome for one in seen(port=closed_port())] == [Outcome.ERROR]


@cases(
    "check_id says",
    {
        "the database": (
            "IV-HEALTH-2",
            "the database was not asked: the environment has no section postgres",
        ),
        "Redis": ("IV-HEALTH-3", "Redis was not asked: the environment has no section redis"),
    },
)
def test_what_was_not_asked_passes_nothing(
    tmp_path: pathlib.Path, addresses: dict[str, str], check_id: str, says: str
) -> None:
    services = {"api": {"health": {"database": HEALTH, "cache": HEALTH}, "replicas": 1}}
    check = judged(check_id, a_platform(tmp_path, addresses, services=services))
    assert check.outcome("eu") is Outcome.INCONCLUSIVE
    assert all_of(check)[-1].sentence.startswith(says)

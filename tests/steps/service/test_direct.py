"""The gate's own look at Redis and Postgres, a second source beside the platform's word."""

from __future__ import annotations

import contextlib
import pathlib
import shutil
from collections.abc import Callable, Iterator

import pytest
import redis as redis_py
import trustme

from gates.decide.outcome import Meaning
from probes.redis import RedisTarget
from steps.kit import availability
from tests.golden import Said
from tests.probes import real_servers
from tests.probes.real_servers import PASSWORD
from tests.probes.servers import closed_port, wait_until
from tests.steps.moody import several
from tests.steps.platforms import HEALTH, a_platform, a_policy
from tests.steps.scenarios import all_of, judged, told

Seen = Callable[..., list[str]]


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
    ) -> list[str]:
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
        return [one for one in told(check) if ": Redis" in one]

    return look


def test_a_redis_that_takes_writes_passes(seen: Seen) -> None:
    assert seen() == ["PASS: Redis answers the gate"]
    assert seen(port=closed_port())[0].startswith("ERROR")  # out of the gate's reach


@pytest.mark.parametrize("means", [Meaning.ROLLBACK, Meaning.HOLD])
def test_a_stale_replica_fails_saying_what_it_is(
    seen: Seen, admin: redis_py.Redis, means: Meaning
) -> None:
    admin.replicaof("127.0.0.1", str(closed_port()))
    (found,) = seen(means)
    assert found.startswith(
        "FAIL: Redis answers the gate, but it is a replica, which takes no writes, and its link to "
        "the primary is down: its data are old"
    )


def test_a_full_redis_fails_and_one_that_evicts_does_not(seen: Seen, admin: redis_py.Redis) -> None:
    admin.config_set("maxmemory", 1024 * 512)
    (found,) = seen()
    assert found.startswith("FAIL")
    assert "it is out of memory (" in found
    assert "of 0.5 MB, noeviction) and refuses writes, for … s" in found
    with pytest.raises(redis_py.exceptions.OutOfMemoryError):
        admin.set("session:1", "x")
    admin.config_set("maxmemory-policy", "allkeys-lru")
    assert seen() == ["PASS: Redis answers the gate"]
    admin.config_set("maxmemory-policy", "volatile-lru")
    assert "MB, volatile-lru) and refuses writes" in seen()[0]


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
    assert good.startswith("PASS")
    assert doubt.startswith("INCONCLUSIVE")
    assert "its last snapshot failed" in doubt


def test_a_failover_that_ends_is_shown_and_holds(
    seen: Seen, admin: redis_py.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin.replicaof("127.0.0.1", str(closed_port()))
    # It ends between the first look and the second.
    monkeypatch.setattr(availability, "pause", lambda _: admin.replicaof("NO", "ONE"))
    found, *_ = seen(confirm="20s")
    assert found.startswith("INCONCLUSIVE")
    assert found.endswith("s after the first ask it answered again")


@pytest.mark.parametrize("check_id", ["IV-HEALTH-2", "IV-HEALTH-3"])
def test_what_was_not_asked_passes_nothing(
    tmp_path: pathlib.Path, addresses: dict[str, str], check_id: str, said: Said
) -> None:
    services = {"api": {"health": {"database": HEALTH, "cache": HEALTH}, "replicas": 1}}
    said(told(judged(check_id, a_platform(tmp_path, addresses, services=services))))

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
from steps.kit.availability import Availability
from steps.kit.check import Check
from steps.kit.platform import Platform
from steps.service.direct import judge_database, judge_redis
from tests.probes import real_servers
from tests.probes.real_servers import PASSWORD
from tests.probes.servers import closed_port, wait_until
from tests.steps.platforms import NOWHERE, a_platform, a_policy


@pytest.fixture(scope="module")
def target() -> Iterator[RedisTarget]:
    with real_servers.redis_server(trustme.CA()) as running:
        yield running


@pytest.fixture
def admin(target: RedisTarget) -> Iterator[redis_py.Redis]:
    client = redis_py.Redis(
        host="localhost",
        port=target.port,
        password=PASSWORD,
        ssl=True,
        ssl_ca_certs=target.ca_file,
    )
    with contextlib.closing(client):
        yield client
        client.replicaof("NO", "ONE")
        client.config_set("maxmemory", 0)
        client.config_set("maxmemory-policy", "noeviction")


def platform_of(folder: pathlib.Path, target: RedisTarget, confirm: str = "300ms") -> Platform:
    (folder / "password").write_text(PASSWORD)
    section = {
        "host": "localhost",
        "port": target.port,
        "user": target.user,
        "password": "file:password",
        "ca_file": target.ca_file,
    }
    addresses = {name: NOWHERE.format(closed_port()) for name in ("eu", "us")}
    return a_platform(folder, addresses, policy=a_policy(confirm=confirm), redis=section)


def judged(platform: Platform, means: Meaning = Meaning.ROLLBACK) -> Judgement:
    check = Check("IV-A-1", platform.regions, means)
    judge_redis(platform, Availability(platform), check)
    noted = check.noted()
    assert noted["eu"].judgements == noted["us"].judgements
    return noted["eu"].judgements[0]


def test_a_redis_that_takes_writes_passes(tmp_path: pathlib.Path, target: RedisTarget) -> None:
    judgement = judged(platform_of(tmp_path, target))
    assert (judgement.outcome, judgement.sentence) == (Outcome.PASS, "Redis answers the gate")


@pytest.mark.parametrize("means", [Meaning.ROLLBACK, Meaning.HOLD])
def test_a_stale_replica_fails_saying_what_it_is(
    tmp_path: pathlib.Path, target: RedisTarget, admin: redis_py.Redis, means: Meaning
) -> None:
    admin.replicaof("127.0.0.1", str(closed_port()))
    judgement = judged(platform_of(tmp_path, target), means)
    assert judgement.outcome is Outcome.FAIL
    assert judgement.sentence.startswith(
        "Redis answers the gate, but it is a replica, which takes no writes, and its link to the "
        "primary is down: its data are old"
    )


def test_a_full_redis_fails_and_one_that_evicts_does_not(
    tmp_path: pathlib.Path, target: RedisTarget, admin: redis_py.Redis
) -> None:
    admin.config_set("maxmemory", 1024 * 512)
    platform = platform_of(tmp_path, target)
    judgement = judged(platform)
    assert judgement.outcome is Outcome.FAIL
    assert "it is out of memory (" in judgement.sentence
    assert "of 0.5 MB, noeviction) and refuses writes, for 0." in judgement.sentence
    with pytest.raises(redis_py.exceptions.OutOfMemoryError):
        admin.set("session:1", "x")
    admin.config_set("maxmemory-policy", "allkeys-lru")
    assert judged(platform).outcome is Outcome.PASS
    admin.config_set("maxmemory-policy", "volatile-lru")
    assert "MB, volatile-lru) and refuses writes" in judged(platform).sentence


def test_a_redis_whose_snapshot_failed_is_undecided(
    tmp_path: pathlib.Path, target: RedisTarget, admin: redis_py.Redis
) -> None:
    # A file can't take the place of a folder that holds something.
    in_the_way = pathlib.Path(str(admin.config_get("dir")["dir"])) / "dump.rdb"
    (in_the_way / "full").mkdir(parents=True)
    platform = platform_of(tmp_path, target)
    try:
        admin.bgsave()
        wait_until(
            lambda: admin.info("persistence")["rdb_last_bgsave_status"] == "err", "it failed"
        )
        check = Check("IV-A-1", platform.regions, Meaning.ROLLBACK)
        judge_redis(platform, Availability(platform), check)
    finally:
        shutil.rmtree(in_the_way)
        admin.save()
    assert check.outcome("eu") is Outcome.INCONCLUSIVE
    assert "its last snapshot failed" in check.noted()["eu"].judgements[-1].sentence


def test_a_failover_that_ends_is_shown_and_holds(
    tmp_path: pathlib.Path,
    target: RedisTarget,
    admin: redis_py.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    admin.replicaof("127.0.0.1", str(closed_port()))
    # It ends between the first look and the second.
    monkeypatch.setattr(availability, "pause", lambda _: admin.replicaof("NO", "ONE"))
    judgement = judged(platform_of(tmp_path, target, confirm="20s"))
    assert judgement.outcome is Outcome.INCONCLUSIVE
    assert judgement.sentence.endswith("s after the first ask it answered again")


def test_a_redis_out_of_the_gates_reach_is_no_finding(
    tmp_path: pathlib.Path, target: RedisTarget
) -> None:
    away = RedisTarget("localhost", closed_port(), user="gate", ca_file=target.ca_file)
    assert judged(platform_of(tmp_path, away)).outcome is Outcome.ERROR


@pytest.mark.parametrize(
    ("judge", "says"),
    [
        (judge_database, "the database was not asked: the environment has no section postgres"),
        (judge_redis, "Redis was not asked: the environment has no section redis"),
    ],
    ids=["the database", "Redis"],
)
def test_what_was_not_asked_passes_nothing(
    tmp_path: pathlib.Path, judge: Callable[[Platform, Availability, Check], None], says: str
) -> None:
    platform = a_platform(tmp_path, {"eu": NOWHERE.format(closed_port())})
    check = Check("IV-A-1", platform.regions)
    judge(platform, Availability(platform), check)
    assert check.outcome("eu") is Outcome.INCONCLUSIVE
    assert check.noted()["eu"].judgements[0].sentence.startswith(says)

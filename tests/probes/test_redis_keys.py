from __future__ import annotations

import dataclasses
import hashlib
import socket
import threading
from collections.abc import Iterator

import pytest
import redis as redis_py

from probes.observation import Deadline, FailureKind, Observation
from probes.redis import RedisTarget
from probes.redis import keys as redis_keys
from probes.redis import rights as redis_rights
from sandbox.systems.data.redis_server import gate_line
from tests.probes.real_servers import PASSWORD
from tests.probes.servers import Behaviour, Server, brought, failed, serving


def _soon() -> Deadline:
    return Deadline.after(5)


@pytest.fixture
def admin(redis_target: RedisTarget) -> Iterator[redis_py.Redis]:
    with redis_py.Redis(
        host="localhost",
        port=redis_target.port,
        password=PASSWORD,
        ssl=True,
        ssl_ca_certs=redis_target.ca_file,
    ) as client:
        yield client
        client.flushall()


@pytest.fixture
def gate(redis_target: RedisTarget, admin: redis_py.Redis) -> RedisTarget:
    """Return the gate's user, made by exactly the line that operators apply."""
    line = gate_line(hashlib.sha256(PASSWORD.encode()).hexdigest(), (7, 0))
    admin.execute_command("ACL", "SETUSER", *line.split()[1:])  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
    return dataclasses.replace(redis_target, user="release_gate")


def test_values_are_read_to_the_letter(gate: RedisTarget, admin: redis_py.Redis) -> None:
    admin.mset({"feature:a": "true", "feature:b": "False ", "feature:c": b"\xff"})
    admin.lpush("feature:d", "x")
    names = [f"feature:{letter}" for letter in "abcde"]
    observed = redis_keys.texts(gate, names, deadline=_soon())
    held = brought(observed).held
    assert [held[name].text for name in names] == [b"true", b"False ", b"\xff", None, None]
    assert [held[name].other_type for name in names] == [False, False, False, True, False]


@pytest.mark.parametrize("text", ["jane.doe@example.org", "Maria.Schmidt", "123-45-6789"])
def test_what_is_no_plain_word_is_shown_by_size_and_digest(
    gate: RedisTarget, admin: redis_py.Redis, text: str
) -> None:
    admin.mset({"feature:a": "true", "feature:b": text})
    names = ["feature:a", "feature:b", "feature:none"]
    observed = redis_keys.texts(gate, names, deadline=_soon())
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    assert observed.record()["facts"] == {
        "feature:a": "true",
        "feature:b": f"<{len(text)} bytes, sha256 {digest}…>",
        "feature:none": "<nothing>",
    }
    assert text not in repr(observed)


def test_names_are_found_over_many_batches_and_none_is_shown(
    gate: RedisTarget, admin: redis_py.Redis
) -> None:
    admin.mset({f"session:{number}": b"x" for number in range(3000)})
    admin.mset({"feature:a": "true", "feature:a:percentage": "5"})
    observed = redis_keys.key_names(gate, "feature:*", deadline=_soon())
    assert observed.value is not None
    assert observed.value.names == {"feature:a", "feature:a:percentage"}
    assert observed.value.batches > 1
    assert "feature:a" not in repr(observed)


def test_more_names_than_anybody_can_describe_are_a_failure(
    gate: RedisTarget, admin: redis_py.Redis
) -> None:
    admin.mset({f"feature:{number}": b"x" for number in range(1500)})
    observed = redis_keys.key_names(gate, "feature:*", deadline=_soon())
    failed(observed, FailureKind.UNUSABLE_ANSWER)


def test_an_unfinished_scan_is_a_failure(gate: RedisTarget, admin: redis_py.Redis) -> None:
    admin.mset({f"session:{number}": b"x" for number in range(3000)})
    observed = redis_keys.key_names(gate, "feature:*", deadline=_soon(), max_iterations=2)
    failed(observed, FailureKind.UNUSABLE_ANSWER)


FORBIDDEN = [
    "GET session:1",
    "MGET session:1",
    "GETDEL feature:a",
    "SET feature:a true",
    "DEL feature:a",
    "RENAME feature:a feature:b",
    "EXPIRE feature:a 1",
    "KEYS *",
    "RANDOMKEY",
    "FLUSHALL",
    "FLUSHDB",
    "CONFIG GET maxmemory",
    "CONFIG SET maxmemory 1",
    "LATENCY RESET",
    "EVAL return 0",
    "SLOWLOG GET",
    "MONITOR",
    "CLIENT LIST",
    "CLIENT KILL 127.0.0.1:1",
    "SUBSCRIBE channel",
    "PUBLISH channel x",
    "ACL LIST",
    "ACL SETUSER release_gate ~*",
    "REPLICAOF NO ONE",
    "SHUTDOWN",
    "HGETALL feature:a",
    "SMEMBERS feature:a",
]


@pytest.mark.parametrize("command", FORBIDDEN)
def test_the_operators_line_forbids_everything_else(
    gate: RedisTarget, admin: redis_py.Redis, command: str
) -> None:
    admin.mset({"feature:a": "true", "session:1": "x"})
    with (
        redis_py.Redis(
            host="localhost",
            port=gate.port,
            username=gate.user,
            password=PASSWORD,
            ssl=True,
            ssl_ca_certs=gate.ca_file,
        ) as client,
        pytest.raises(redis_py.exceptions.NoPermissionError),
    ):
        client.execute_command(*command.split())


def test_the_doctors_proof_finds_nothing_in_excess(gate: RedisTarget) -> None:
    observed = redis_rights.excess_rights(gate, deadline=_soon())
    assert observed.value is not None
    assert (observed.value.excess, observed.value.proved) == ((), True)


def test_a_user_that_may_not_read_values_is_told(redis_target: RedisTarget) -> None:
    observed = redis_keys.texts(redis_target, ["feature:a"], deadline=_soon())
    failed(observed, FailureKind.FORBIDDEN)


def says(**replies: bytes) -> Behaviour:
    """Answer each command by its first word, as a server in another place of a deployment does."""

    def behave(connection: socket.socket, _over: threading.Event) -> None:
        while command := connection.recv(65536):
            word = command.split(b"\r\n")[2].decode()
            connection.sendall(replies.get(word, b"-ERR unknown command\r\n"))

    return behave


def replica(state: bytes) -> bytes:
    """Return what ROLE says on a replica."""
    return b"*5\r\n$5\r\nslave\r\n$5\r\nredis\r\n:6379\r\n$%d\r\n%s\r\n:7\r\n" % (len(state), state)


MASTER = b"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"
OFF = b"$5\r\nfalse\r\n"


def one_text(server: Server) -> Observation[redis_keys.Texts]:
    target = RedisTarget("127.0.0.1", server.port, tls=False)
    return redis_keys.texts(target, ["feature:a"], deadline=_soon())


@pytest.mark.parametrize(
    "role",
    [
        pytest.param(MASTER, id="the master"),
        pytest.param(replica(b"connected"), id="a replica that follows it"),
        pytest.param(b"-ERR unknown command 'ROLE'\r\n", id="a proxy without roles"),
    ],
)
def test_who_has_what_the_master_has_is_read(role: bytes) -> None:
    with serving(says(ROLE=role, GET=OFF)) as server:
        observed = one_text(server)
    assert brought(observed).held["feature:a"].text == b"false"


@pytest.mark.parametrize("state", [b"connect", b"connecting", b"sync"])
def test_a_replica_that_lost_its_master_shows_what_was(state: bytes) -> None:
    with serving(says(ROLE=replica(state), GET=OFF, SCAN=b"*2\r\n$1\r\n0\r\n*0\r\n")) as server:
        target = RedisTarget("127.0.0.1", server.port, tls=False)
        names = redis_keys.key_names(target, "feature:*", deadline=_soon())
        for observed in (one_text(server), names):
            assert observed.value is None
            assert "cut off from its master" in failed(observed, FailureKind.UNUSABLE_ANSWER).detail


@pytest.mark.parametrize("redirection", ["MOVED", "ASK"])
def test_one_node_of_a_cluster_is_told_as_that(redirection: str) -> None:
    moved = f"-{redirection} 3999 10.0.0.7:6379\r\n".encode()
    with serving(says(ROLE=MASTER, GET=moved)) as server:
        observed = one_text(server)
    failure = failed(observed, FailureKind.QUERY_REJECTED)
    assert "one node of a cluster" in failure.detail
    assert "10.0.0.7" not in failure.detail

from __future__ import annotations

import dataclasses
import hashlib
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis as redis_py
import trustme
from pydantic import SecretStr

from probes import redis
from probes.observation import Deadline, Observation
from probes.observation import FailureKind as Kind
from probes.redis import RedisTarget
from probes.redis import keys as redis_keys
from probes.redis import rights as redis_rights
from sandbox.systems.data.redis_server import gate_line
from tests.probes import servers
from tests.probes.real_servers import PASSWORD
from tests.probes.servers import Behaviour, Server, brought, failed, serving
from tests.tables import cases


def client(target: RedisTarget, user: str = "default") -> redis_py.Redis:
    return redis_py.Redis(
        host="localhost",
        port=target.port,
        username=user,
        password=PASSWORD,
        ssl=True,
        ssl_ca_certs=target.ca_file,
    )


@pytest.fixture
def admin(redis_target: RedisTarget) -> Iterator[redis_py.Redis]:
    with client(redis_target) as connected:
        yield connected
        connected.flushall()


@pytest.fixture
def gate(redis_target: RedisTarget, admin: redis_py.Redis) -> RedisTarget:
    """Return the gate's user, made by exactly the line that operators apply."""
    line = gate_line(hashlib.sha256(PASSWORD.encode()).hexdigest(), (7, 0))
    admin.execute_command("ACL", "SETUSER", *line.split()[1:])  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
    return dataclasses.replace(redis_target, user="release_gate")


def _soon(seconds: float = 10) -> Deadline:
    return Deadline.after(seconds)


def test_ping_tells_the_servers_state(redis_target: RedisTarget) -> None:
    observed = redis.ping(redis_target, deadline=_soon())
    facts = brought(observed)
    assert (facts.role, facts.loading, facts.connected_replicas) == ("master", False, 0)
    assert facts.used_memory_bytes > 100_000
    assert 0 < facts.ping_seconds < observed.elapsed_seconds
    assert list(observed.phases) == ["resolve", "connect", "tls", "login", "command"]
    assert all(seconds is not None for seconds in observed.phases.values())


@pytest.fixture
def crowded(gate: RedisTarget, admin: redis_py.Redis) -> RedisTarget:
    """Return a Redis with 3,000 sessions beside two keys of a flag."""
    admin.mset({f"session:{number}": b"x" for number in range(3000)})
    admin.mset({"feature:a": "true", "feature:a:percentage": "5"})
    return gate


def test_keys_are_found_over_many_batches_and_none_is_shown(crowded: RedisTarget) -> None:
    counted = redis.count_keys(crowded, "session:*", deadline=_soon())
    named = redis_keys.key_names(crowded, "feature:*", deadline=_soon())
    assert brought(counted).count == 3000
    assert brought(named).names == {"feature:a", "feature:a:percentage"}
    assert brought(counted).batches > 1 < brought(named).batches
    assert not re.search(r"session:1|feature:a", f"{counted!r} {named!r}")


def test_a_scan_that_does_not_come_round_or_finds_too_much_is_a_failure(
    crowded: RedisTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    too_much = redis_keys.key_names(crowded, "session:*", deadline=_soon())
    assert "More than 1000 keys" in failed(too_much, Kind.UNUSABLE_ANSWER).detail
    monkeypatch.setattr(redis, "MOST_BATCHES", 2)
    for ask in (redis.count_keys, redis_keys.key_names):
        unfinished: Observation[Any] = ask(crowded, "feature:*", deadline=_soon())
        assert "did not come round" in failed(unfinished, Kind.UNUSABLE_ANSWER).detail


def test_no_probe_sends_a_command_that_blocks_or_writes(
    redis_target: RedisTarget, admin: redis_py.Redis
) -> None:
    admin.config_resetstat()
    redis.ping(redis_target, deadline=_soon())
    redis.count_keys(redis_target, "*", deadline=_soon())
    redis_rights.excess_rights(redis_target, deadline=_soon())
    # Refused calls are counted too, so this is all that was sent.
    sent = set(admin.info("commandstats")) - {"cmdstat_config|resetstat"}
    allowed = {"auth", "ping", "role", "info", "scan", "client|setinfo", "hello"}
    allowed |= {"acl|dryrun", "command|info"}
    assert sent <= {f"cmdstat_{name}" for name in allowed}


NEEDED = "-@all +ping +role +info +scan"
ASKED = f"{NEEDED} +command|info +acl|dryrun"

RIGHTS = {
    "as it should be": (f"%R~feature:* {ASKED} +get", True, set(), {"GET"}),
    "with every reading command, for the flags alone": (
        f"%R~feature:* {ASKED} +@read -keys -randomkey -xread",
        True,
        set(),
        {"GET", "HGETALL"},
    ),
    "with every reading command": (
        f"~* {ASKED} +@read",
        True,
        {"GET", "HGETALL", "KEYS", "DUMP"},
        {"SET", "DEL", "CONFIG|GET"},
    ),
    "with a command that writes": (f"~feature:* {ASKED} +hset", True, {"HSET"}, {"SET"}),
    "with everything but what writes": (
        "~* &* +@all -@write",
        True,
        {"GET", "CONFIG|SET", "SHUTDOWN", "MONITOR", "ACL|SETUSER", "DEBUG"},
        {"SET"},
    ),
    "with everything but what is dangerous": (
        "~* &* +@all -@dangerous +role +info +command|info +acl|dryrun",
        True,
        {"SET", "GETDEL", "EVAL", "SUBSCRIBE", "PUBLISH", "SCRIPT|FLUSH"},
        {"CONFIG|SET", "FLUSHALL", "KEYS"},
    ),
    "with everything": ("~* &* allcommands", True, {"SET", "CONFIG|SET", "BLPOP"}, {"PING"}),
    "with a selector that writes": (f"{ASKED} (+set ~feature:*)", True, {"SET"}, {"GET"}),
    "with a selector that reads the flags": (f"{ASKED} (+get %R~f:*)", True, set(), {"GET"}),
    "that may not list the commands": (f"{NEEDED} +acl|dryrun", False, set(), {"SET"}),
    "that may not ask and may write": (f"{NEEDED} +set ~*", False, {"SET"}, {"EVAL", "FLUSHALL"}),
    "that may not ask": (NEEDED, False, set(), {"SET", "EVAL", "FLUSHALL"}),
}


@cases("rules proved excess not_excess", RIGHTS)
def test_rights_are_judged_without_using_them(
    *,
    redis_target: RedisTarget,
    admin: redis_py.Redis,
    rules: str,
    proved: bool,
    excess: set[str],
    not_excess: set[str],
) -> None:
    admin.set("kept", "1")
    words = re.findall(r"\(.*?\)|\S+", rules)
    admin.execute_command("ACL", "SETUSER", "judged", "reset", "on", f">{PASSWORD}", *words)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
    target = dataclasses.replace(redis_target, user="judged")
    seen = brought(redis_rights.excess_rights(target, deadline=_soon()))
    found = set(seen.excess)
    assert seen.proved is proved
    assert excess <= found
    assert not found & not_excess
    assert bool(found) is bool(excess)
    assert admin.keys() == [b"kept"]


REFUSED: dict[str, tuple[dict[str, object], Kind]] = {
    "with a wrong password": ({"password": SecretStr("wrong")}, Kind.CREDENTIAL_REFUSED),
    "of an unknown user": ({"user": "nobody-here"}, Kind.CREDENTIAL_REFUSED),
    "without a password": ({"password": None}, Kind.CREDENTIAL_REFUSED),
    "without TLS": ({"tls": False}, Kind.CONNECTION_LOST),
    "with public authorities": ({"ca_file": None}, Kind.CERTIFICATE_UNTRUSTED),
    "with a missing CA file": ({"ca_file": "/none"}, Kind.OUR_FAULT),
    "to another name": ({"host": "127.0.0.1"}, Kind.CERTIFICATE_INVALID),
    "to an unknown name": ({"host": "no-such.invalid"}, Kind.NAME_NOT_RESOLVED),
    "to a port where nobody listens": ({"port": 1}, Kind.REFUSED),
    "to a database it may not use": ({"database": 3}, Kind.FORBIDDEN),
}


@cases("changes kind", REFUSED)
def test_a_login_that_fails_says_why(
    redis_target: RedisTarget, changes: dict[str, object], kind: Kind
) -> None:
    target = dataclasses.replace(redis_target, **changes)  # type: ignore[arg-type]  # rows of a table
    failed(redis.ping(target, deadline=_soon()), kind)


def test_a_certificate_for_another_host_is_refused(
    authority: trustme.CA, redis_target: RedisTarget
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("other.test").configure_cert(context)
    with serving(servers.hang, tls=context) as server:
        target = dataclasses.replace(redis_target, port=server.port)
        observed = redis.ping(target, deadline=_soon())
    failed(observed, Kind.CERTIFICATE_INVALID)


def bare(server: Server) -> RedisTarget:
    return RedisTarget("127.0.0.1", server.port, tls=False)


def _after_first_command(reply: bytes) -> Behaviour:
    def behave(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(reply)
        over.wait(10)

    return behave


REPLIES = {
    "speaks HTTP": (b"HTTP/1.1 400 Bad Request\r\n\r\n", Kind.PROTOCOL),
    "sends a gigabyte": (b"$1000000000\r\n" + b"x" * (20 << 20), Kind.TOO_LARGE),
    "permits nothing": (b"-NOPERM no\r\n", Kind.FORBIDDEN),
    "is loading its data": (b"-LOADING Redis is loading the dataset\r\n" * 9, Kind.SERVER_BUSY),
}


@cases("reply kind", REPLIES)
def test_a_strange_reply_is_a_failure(reply: bytes, kind: Kind) -> None:
    with serving(_after_first_command(reply)) as server:
        failed(redis.ping(bare(server), deadline=_soon(3)), kind)


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


FORBIDDEN = """
GET session:1 · MGET session:1 · GETDEL feature:a · SET feature:a true
DEL feature:a · RENAME feature:a feature:b · EXPIRE feature:a 1 · KEYS * · RANDOMKEY
FLUSHALL · FLUSHDB · CONFIG GET maxmemory · CONFIG SET maxmemory 1 · LATENCY RESET
EVAL return 0 · SLOWLOG GET · MONITOR · CLIENT LIST · CLIENT KILL 127.0.0.1:1
SUBSCRIBE channel · PUBLISH channel x · ACL LIST · ACL SETUSER release_gate ~*
REPLICAOF NO ONE · SHUTDOWN · HGETALL feature:a · SMEMBERS feature:a
"""


@pytest.mark.parametrize("command", re.split(r" · |\n", FORBIDDEN.strip()))
def test_the_operators_line_forbids_everything_else(crowded: RedisTarget, command: str) -> None:
    with client(crowded, crowded.user) as own:  # noqa: SIM117 - what raises stands alone
        with pytest.raises(redis_py.exceptions.NoPermissionError):
            own.execute_command(*command.split())


def test_the_doctors_proof_finds_nothing_in_excess(gate: RedisTarget) -> None:
    found = brought(redis_rights.excess_rights(gate, deadline=_soon()))
    assert (found.excess, found.proved) == ((), True)


def test_a_user_that_may_not_read_values_is_told(redis_target: RedisTarget) -> None:
    failed(redis_keys.texts(redis_target, ["feature:a"], deadline=_soon()), Kind.FORBIDDEN)


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


def moved(word: str) -> bytes:
    return f"-{word} 3999 10.0.0.7:6379\r\n".encode()


PLACES: dict[str, tuple[bytes, bytes, Kind | None, str]] = {
    "the master": (MASTER, OFF, None, ""),
    "a replica that follows it": (replica(b"connected"), OFF, None, ""),
    "a proxy without roles": (b"-ERR unknown command 'ROLE'\r\n", OFF, None, ""),
    **{
        f"a replica in state {state}": (
            replica(state.encode()),
            OFF,
            Kind.UNUSABLE_ANSWER,
            "cut off from its master",
        )
        for state in ("connect", "connecting", "sync")
    },
    **{
        f"a node that says {word}": (
            MASTER,
            moved(word),
            Kind.QUERY_REJECTED,
            "one node of a cluster",
        )
        for word in ("MOVED", "ASK")
    },
}


@cases("role get kind words", PLACES)
def test_what_the_master_has_is_read_and_what_was_is_not(
    role: bytes, get: bytes, kind: Kind | None, words: str
) -> None:
    with serving(says(ROLE=role, GET=get, SCAN=b"*2\r\n$1\r\n0\r\n*0\r\n")) as server:
        text = redis_keys.texts(bare(server), ["feature:a"], deadline=_soon())
        names = redis_keys.key_names(bare(server), "feature:*", deadline=_soon())
    if kind is None:
        assert brought(text).held["feature:a"].text == b"false"
        return
    failure = failed(text, kind)
    assert words in failure.detail
    assert "10.0.0.7" not in failure.detail
    assert names.failure == (failure if kind is Kind.UNUSABLE_ANSWER else None)

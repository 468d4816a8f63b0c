from __future__ import annotations

import dataclasses
import hashlib
import re
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis as redis_py
from pydantic import SecretStr

from probes import redis
from probes.observation import Deadline
from probes.observation import FailureKind as Kind
from probes.redis import RedisTarget
from probes.redis import keys as redis_keys
from probes.redis import rights as redis_rights
from sandbox.systems.data.redis_server import gate_line
from tests.probes import servers
from tests.probes.real_servers import PASSWORD
from tests.probes.servers import Behaviour, Server, brought, failed, reading, serving
from tests.tables import cases

Said = Callable[..., None]


def client(target: RedisTarget, user: str = "default") -> redis_py.Redis:
    tls: dict[str, Any] = {"ssl": True, "ssl_ca_certs": target.ca_file}
    return redis_py.Redis("localhost", target.port, username=user, password=PASSWORD, **tls)


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
    named = redis_keys.key_names(crowded, "feature:*", deadline=_soon())
    assert brought(named).names == {"feature:a", "feature:a:percentage"}
    assert brought(named).batches > 1
    assert "feature:a" not in repr(named)


def test_a_scan_that_does_not_come_round_or_finds_too_much_is_a_failure(
    crowded: RedisTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    too_much = redis_keys.key_names(crowded, "session:*", deadline=_soon())
    assert "More than 1000 keys" in failed(too_much, Kind.UNUSABLE_ANSWER).detail
    monkeypatch.setattr(redis, "MOST_BATCHES", 2)
    unfinished = redis_keys.key_names(crowded, "feature:*", deadline=_soon())
    assert "did not come round" in failed(unfinished, Kind.UNUSABLE_ANSWER).detail


def test_no_probe_sends_a_command_that_blocks_or_writes(
    redis_target: RedisTarget, admin: redis_py.Redis
) -> None:
    admin.config_resetstat()
    redis.ping(redis_target, deadline=_soon())
    redis_keys.key_names(redis_target, "*", deadline=_soon())
    redis_rights.excess_rights(redis_target, deadline=_soon())
    # Refused calls are counted too, so this is all that was sent.
    sent = set(admin.info("commandstats")) - {"cmdstat_config|resetstat"}
    allowed = {"auth", "ping", "role", "info", "scan", "client|setinfo", "hello"}
    allowed |= {"acl|dryrun", "command|info"}
    assert sent <= {f"cmdstat_{name}" for name in allowed}


NEEDED = "-@all +ping +role +info +scan"
ASKED = f"{NEEDED} +command|info +acl|dryrun"

_FLAGS_ALONE = f"%R~feature:* {ASKED} +@read -keys -randomkey -xread"
_HARMLESS = "~* &* +@all -@dangerous +role +info +command|info +acl|dryrun"
RIGHTS: dict[str, tuple[str, bool, str, str]] = {
    "as it should be": (f"%R~feature:* {ASKED} +get", True, "", "GET"),
    "with every reading command, for the flags alone": (_FLAGS_ALONE, True, "", "GET HGETALL"),
    "with every reading command": (
        f"~* {ASKED} +@read",
        True,
        "GET HGETALL KEYS DUMP",
        "SET DEL CONFIG|GET",
    ),
    "with a command that writes": (f"~feature:* {ASKED} +hset", True, "HSET", "SET"),
    "with everything but what writes": (
        "~* &* +@all -@write",
        True,
        "GET CONFIG|SET SHUTDOWN MONITOR ACL|SETUSER DEBUG",
        "SET",
    ),
    "with everything but what is dangerous": (
        _HARMLESS,
        True,
        "SET GETDEL EVAL SUBSCRIBE PUBLISH SCRIPT|FLUSH",
        "CONFIG|SET FLUSHALL KEYS",
    ),
    "with everything": ("~* &* allcommands", True, "SET CONFIG|SET BLPOP", "PING"),
    "with a selector that writes": (f"{ASKED} (+set ~feature:*)", True, "SET", "GET"),
    "with a selector that reads the flags": (f"{ASKED} (+get %R~f:*)", True, "", "GET"),
    "that may not list the commands": (f"{NEEDED} +acl|dryrun", False, "", "SET"),
    "that may not ask and may write": (f"{NEEDED} +set ~*", False, "SET", "EVAL FLUSHALL"),
    "that may not ask": (NEEDED, False, "", "SET EVAL FLUSHALL"),
}


@cases("rules proved excess not_excess", RIGHTS)
def test_rights_are_judged_without_using_them(
    redis_target: RedisTarget, admin: Any, rules: str, *, proved: bool, excess: str, not_excess: str
) -> None:
    admin.set("kept", "1")
    words = re.findall(r"\(.*?\)|\S+", rules)
    admin.execute_command("ACL", "SETUSER", "judged", "reset", "on", f">{PASSWORD}", *words)
    target = dataclasses.replace(redis_target, user="judged")
    seen = brought(redis_rights.excess_rights(target, deadline=_soon()))
    assert seen.proved is proved
    assert set(excess.split()) <= set(seen.excess)
    assert not set(seen.excess) & set(not_excess.split())
    assert bool(seen.excess) is bool(excess)
    assert admin.keys() == [b"kept"]


REFUSED: dict[str, dict[str, Any]] = {
    "with a wrong password": {"password": SecretStr("wrong")},
    "of an unknown user": {"user": "nobody-here"},
    "without a password": {"password": None},
    "without TLS": {"tls": False},
    "with public authorities": {"ca_file": None},
    "with a missing CA file": {"ca_file": "/none"},
    "to another name": {"host": "127.0.0.1"},
    "to an unknown name": {"host": "no-such.invalid"},
    "to a database it may not use": {"database": 3},
}


def test_a_login_that_fails_says_why(redis_target: RedisTarget, said: Said) -> None:
    targets = {name: dataclasses.replace(redis_target, **how) for name, how in REFUSED.items()}
    said({name: reading(redis.ping(one, deadline=_soon())) for name, one in targets.items()})


def bare(server: Server) -> RedisTarget:
    return RedisTarget("127.0.0.1", server.port, tls=False)


REPLIES = {
    "speaks HTTP": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "sends a gigabyte": b"$1000000000\r\n" + b"x" * (20 << 20),
    "permits nothing": b"-NOPERM no\r\n",
    "is loading its data": b"-LOADING Redis is loading the dataset\r\n" * 9,
}


def test_a_strange_reply_is_a_failure(said: Said) -> None:
    found = {}
    for name, reply in REPLIES.items():
        with serving(servers.after_first(reply)) as server:
            found[name] = reading(redis.ping(bare(server), deadline=_soon(3)))
    said(found)


def test_values_are_read_to_the_letter(gate: RedisTarget, admin: redis_py.Redis) -> None:
    admin.mset({"feature:a": "true", "feature:b": "False ", "feature:c": b"\xff"})
    admin.lpush("feature:d", "x")
    names = [f"feature:{letter}" for letter in "abcde"]
    observed = redis_keys.texts(gate, names, deadline=_soon())
    held = brought(observed).held
    assert [held[name].text for name in names] == [b"true", b"False ", b"\xff", None, None]
    assert [held[name].other_type for name in names] == [False, False, False, True, False]


def test_what_is_no_plain_word_is_shown_by_size_and_digest(
    gate: RedisTarget, admin: redis_py.Redis, said: Said
) -> None:
    words = ["true", "jane.doe@example.org", "Maria.Schmidt", "123-45-6789"]
    admin.mset({f"feature:{n}": word for n, word in enumerate(words)})
    names = [*(f"feature:{n}" for n in range(len(words))), "feature:none"]
    observed = redis_keys.texts(gate, names, deadline=_soon())
    said(observed.record()["facts"])
    assert not [word for word in words[1:] if word in repr(observed)]


FORBIDDEN = """
GET session:1 · MGET session:1 · GETDEL feature:a · SET feature:a true
DEL feature:a · RENAME feature:a feature:b · EXPIRE feature:a 1 · KEYS * · RANDOMKEY
FLUSHALL · FLUSHDB · CONFIG GET maxmemory · CONFIG SET maxmemory 1 · LATENCY RESET
EVAL return 0 · SLOWLOG GET · MONITOR · CLIENT LIST · CLIENT KILL 127.0.0.1:1
SUBSCRIBE channel · PUBLISH channel x · ACL LIST · ACL SETUSER release_gate ~*
REPLICAOF NO ONE · SHUTDOWN · HGETALL feature:a · SMEMBERS feature:a
"""


def test_the_operators_line_forbids_everything_else(crowded: RedisTarget) -> None:
    def refused(command: str) -> bool:
        try:
            own.execute_command(*command.split())
        except redis_py.exceptions.NoPermissionError:
            return True
        return False

    with client(crowded, crowded.user) as own:
        assert [one for one in re.split(r" · |\n", FORBIDDEN.strip()) if not refused(one)] == []


def test_the_doctors_proof_finds_nothing_in_excess(
    gate: RedisTarget, redis_target: RedisTarget
) -> None:
    found = brought(redis_rights.excess_rights(gate, deadline=_soon()))
    assert (found.excess, found.proved) == ((), True)
    # The user without the operators' line may not read values.
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


PLACES: dict[str, tuple[bytes, bytes]] = {
    "the master": (MASTER, OFF),
    "a replica that follows it": (replica(b"connected"), OFF),
    "a proxy without roles": (b"-ERR unknown command 'ROLE'\r\n", OFF),
    **{
        f"a replica in state {state}": (replica(state.encode()), OFF)
        for state in ("connect", "connecting", "sync")
    },
    **{f"a node that says {word}": (MASTER, moved(word)) for word in ("MOVED", "ASK")},
}


@cases("role get", PLACES)
def test_what_the_master_has_is_read_and_what_was_is_not(
    role: bytes, get: bytes, said: Said
) -> None:
    with serving(says(ROLE=role, GET=get, SCAN=b"*2\r\n$1\r\n0\r\n*0\r\n")) as server:
        text = redis_keys.texts(bare(server), ["feature:a"], deadline=_soon())
        names = redis_keys.key_names(bare(server), "feature:*", deadline=_soon())
    said({"text": reading(text), "names": reading(names)})

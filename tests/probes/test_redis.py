from __future__ import annotations

import dataclasses
import re
import socket
import ssl
import threading

import pytest
import redis as redis_py
import trustme
from pydantic import SecretStr

from probes import redis
from probes.observation import Deadline, FailureKind
from probes.redis import RedisTarget
from probes.redis import rights as redis_rights
from tests.probes import servers
from tests.probes.real_servers import PASSWORD
from tests.probes.servers import Behaviour, brought, failed, serving, soonest


@pytest.fixture(scope="module")
def admin(redis_target: RedisTarget) -> redis_py.Redis:
    return redis_py.Redis(
        host="localhost",
        port=redis_target.port,
        password=PASSWORD,
        ssl=True,
        ssl_ca_certs=redis_target.ca_file,
    )


def _soon(seconds: float = 10) -> Deadline:
    return Deadline.after(seconds)


def test_ping_tells_the_servers_state(redis_target: RedisTarget) -> None:
    observed = redis.ping(redis_target, deadline=_soon())
    assert observed.failure is None
    facts = brought(observed)
    assert (facts.role, facts.loading, facts.connected_replicas) == ("master", False, 0)
    assert facts.used_memory_bytes > 100_000
    assert 0 < facts.ping_seconds < observed.elapsed_seconds
    assert list(observed.phases) == ["resolve", "connect", "tls", "login", "command"]
    assert all(seconds is not None for seconds in observed.phases.values())


def test_keys_are_counted_over_many_batches(
    redis_target: RedisTarget, admin: redis_py.Redis
) -> None:
    admin.mset({f"session:{number}": b"x" for number in range(3000)})
    admin.mset({f"other:{number}": b"x" for number in range(500)})
    observed = redis.count_keys(redis_target, "session:*", deadline=_soon())
    admin.flushall()
    assert observed.value is not None
    assert observed.value.count == 3000
    assert observed.value.batches > 1
    assert "session:1" not in repr(observed)


def test_a_scan_that_does_not_come_round_has_no_count(
    redis_target: RedisTarget, admin: redis_py.Redis
) -> None:
    admin.mset({f"session:{number}": b"x" for number in range(3000)})
    observed = redis.count_keys(redis_target, "*", deadline=_soon(), max_iterations=2)
    admin.flushall()
    assert observed.value is None
    failed(observed, FailureKind.UNUSABLE_ANSWER)


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


@pytest.mark.parametrize(
    ("rules", "proved", "excess", "not_excess"),
    RIGHTS.values(),
    ids=[f"a user {x}" for x in RIGHTS],
)
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
    observed = redis_rights.excess_rights(target, deadline=_soon())
    assert observed.value is not None
    assert observed.value.proved is proved
    found = set(observed.value.excess)
    assert excess <= found
    assert not found & not_excess
    assert bool(found) is bool(excess)
    assert admin.keys() == [b"kept"]
    admin.flushall()


REFUSED: dict[str, tuple[dict[str, object], FailureKind]] = {
    "with a wrong password": ({"password": SecretStr("wrong")}, FailureKind.CREDENTIAL_REFUSED),
    "of an unknown user": ({"user": "nobody-here"}, FailureKind.CREDENTIAL_REFUSED),
    "without a password": ({"password": None}, FailureKind.CREDENTIAL_REFUSED),
    "without TLS": ({"tls": False}, FailureKind.CONNECTION_LOST),
    "with public authorities": ({"ca_file": None}, FailureKind.CERTIFICATE_UNTRUSTED),
    "with a missing CA file": ({"ca_file": "/none"}, FailureKind.OUR_FAULT),
    "to another name": ({"host": "127.0.0.1"}, FailureKind.CERTIFICATE_INVALID),
    "to an unknown name": ({"host": "no-such.invalid"}, FailureKind.NAME_NOT_RESOLVED),
    "to a port where nobody listens": ({"port": 1}, FailureKind.REFUSED),
    "to a database it may not use": ({"database": 3}, FailureKind.FORBIDDEN),
}


@pytest.mark.parametrize(
    ("changes", "kind"), REFUSED.values(), ids=[f"a login {x}" for x in REFUSED]
)
def test_a_login_that_fails_says_why(
    redis_target: RedisTarget, changes: dict[str, object], kind: FailureKind
) -> None:
    target = dataclasses.replace(redis_target, **changes)  # type: ignore[arg-type]  # rows of a table
    observed = redis.ping(target, deadline=_soon())
    failed(observed, kind)


def test_a_certificate_for_another_host_is_refused(
    authority: trustme.CA, redis_target: RedisTarget
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("other.test").configure_cert(context)
    with serving(servers.hang, tls=context) as server:
        target = dataclasses.replace(redis_target, port=server.port)
        observed = redis.ping(target, deadline=_soon())
    failed(observed, FailureKind.CERTIFICATE_INVALID)


def _after_first_command(reply: bytes) -> Behaviour:
    def behave(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(reply)
        over.wait(10)

    return behave


STRANGERS: dict[str, tuple[Behaviour, FailureKind]] = {
    "hangs": (servers.hang, FailureKind.TIMEOUT),
    "drips": (servers.drip(b"+" + b"x" * 999), FailureKind.TIMEOUT),
    "resets": (servers.reset, FailureKind.CONNECTION_LOST),
    "closes at once": (servers.say(b""), FailureKind.CONNECTION_LOST),
    "is loading its data": (
        _after_first_command(b"-LOADING Redis is loading the dataset in memory\r\n" * 9),
        FailureKind.SERVER_BUSY,
    ),
}


@pytest.mark.parametrize(
    ("behaviour", "kind"), STRANGERS.values(), ids=[f"a server that {x}" for x in STRANGERS]
)
def test_a_server_that_misbehaves_is_a_failure(behaviour: Behaviour, kind: FailureKind) -> None:
    with serving(behaviour) as server:
        target = RedisTarget("127.0.0.1", server.port, tls=False)
        seconds = 0.4 if kind is FailureKind.TIMEOUT else 5
        observed = soonest(seconds + 0.3, lambda: redis.ping(target, deadline=_soon(seconds)))
    failed(observed, kind)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", FailureKind.PROTOCOL, id="speaks HTTP"),
        pytest.param(
            b"$1000000000\r\n" + b"x" * (20 << 20), FailureKind.TOO_LARGE, id="sends a gigabyte"
        ),
        pytest.param(b"-NOPERM no\r\n", FailureKind.FORBIDDEN, id="permits nothing"),
    ],
)
def test_a_strange_reply_is_a_failure(reply: bytes, kind: FailureKind) -> None:
    with serving(_after_first_command(reply)) as server:
        target = RedisTarget("127.0.0.1", server.port, tls=False)
        observed = redis.ping(target, deadline=_soon(3))
    failed(observed, kind)

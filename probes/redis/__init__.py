"""The Redis probe: health and counts by commands that neither write nor block the server.

KEYS is never sent; counting is a bounded SCAN, and a scan that did not come round is a failure.
Names of keys can hold patients' numbers, so only their count leaves this module.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeAlias, TypeVar

import redis
from pydantic import SecretStr
from redis.backoff import NoBackoff
from redis.retry import Retry

from probes.observation import Deadline, Facts, Failure, FailureKind, Observation, utc_now
from probes.phases import PhaseClock
from probes.redis.connection import DeadlineRedisConnection, DeadlineSocket, open_socket
from probes.redis.failures import SENTENCES, FoundError, failure_kind

__all__ = [
    "KeyCount",
    "RedisFacts",
    "RedisTarget",
    "count_keys",
    "failure_kind",
    "observe",
    "ping",
    "run",
    "scan",
]

PHASES: Final = ("resolve", "connect", "tls", "login", "command")

_KEYS_PER_BATCH: Final = 500


@dataclasses.dataclass(frozen=True, slots=True)
class RedisTarget:
    """A Redis and the gate's user on it; the password is masked in every repr."""

    host: str
    port: int = 6379
    database: int = 0
    user: str = "default"
    password: SecretStr | None = None
    tls: bool = True
    ca_file: str | None = None

    @property
    def address(self) -> str:
        """Return the target as reports show it."""
        return f"redis{'s' if self.tls else ''}://{self.host}:{self.port}/{self.database}"


@dataclasses.dataclass(frozen=True, slots=True)
class RedisFacts:
    """What a Redis that answered PING says of itself."""

    version: str
    role: str
    """`master`, `slave` or `sentinel`, as ROLE says."""
    loading: bool
    connected_replicas: int
    used_memory_bytes: int
    max_memory_bytes: int
    """0: no limit is set."""
    ping_seconds: float
    policy: str = "noeviction"
    evicts: bool = False
    """Whether it has keys that its policy drops when memory is full, instead of refusing writes."""
    append_failed: bool = False
    """Whether its append-only file can't be written: it refuses writes."""
    save_failed: bool = False
    """Whether its last snapshot failed: it refuses writes, unless stop-writes-on-bgsave-error is off."""
    primary_is_linked: bool = True
    """Of a replica: whether it gets what its primary writes."""

    @property
    def out_of_memory(self) -> bool:
        """Whether it refuses writes for want of memory."""
        return 0 < self.max_memory_bytes <= self.used_memory_bytes and not self.evicts

    def facts(self) -> Mapping[str, object]:
        """Return everything: none of it is private."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True, slots=True)
class KeyCount:
    """How many different keys match a pattern."""

    count: int
    batches: int

    def facts(self) -> Mapping[str, object]:
        """Return the count, never a key."""
        return {"count": self.count, "batches": self.batches}


V = TypeVar("V", bound=Facts)
Client: TypeAlias = "redis.Redis"


def ping(target: RedisTarget, *, deadline: Deadline) -> Observation[RedisFacts]:
    """Send PING, ROLE and INFO; the time of PING alone is in the facts."""

    def ask(client: Client) -> RedisFacts:
        began = time.monotonic()
        run(client, "PING")
        ping_seconds = time.monotonic() - began
        role = run(client, "ROLE")
        server, memory, replication, persistence, keyspace = (
            _info(client, section)
            for section in ("server", "memory", "replication", "persistence", "keyspace")
        )
        policy = _text(memory, "maxmemory_policy")
        return RedisFacts(
            version=_text(server, "redis_version"),
            role=_role(role),
            loading=_number(persistence, "loading") != 0,
            connected_replicas=_number(replication, "connected_slaves"),
            used_memory_bytes=_number(memory, "used_memory"),
            max_memory_bytes=_number(memory, "maxmemory"),
            ping_seconds=ping_seconds,
            policy=policy,
            evicts=policy.startswith("allkeys")
            or (policy != "noeviction" and any(map(_expires, keyspace.values()))),
            append_failed=persistence.get("aof_last_write_status", "ok") != "ok"
            and _number(persistence, "aof_enabled") != 0,
            save_failed=persistence.get("rdb_last_bgsave_status", "ok") != "ok",
            primary_is_linked=replication.get("master_link_status", "up") == "up",
        )

    return observe(target, deadline, ask)


def count_keys(
    target: RedisTarget, pattern: str, *, deadline: Deadline, max_iterations: int = 10_000
) -> Observation[KeyCount]:
    """Count the keys that match, by SCAN in batches of about 500; an unfinished scan is a failure."""

    def ask(client: Client) -> KeyCount:
        # A scan may bring a key twice. Its hash tells it apart as well as its name, in less memory.
        found: set[int] = set()
        batches = 0
        for keys in scan(client, pattern, max_iterations):
            found.update(map(hash, keys))
            batches += 1
        return KeyCount(len(found), batches)

    return observe(target, deadline, ask)


def scan(client: Client, pattern: str, max_iterations: int) -> Iterator[list[bytes]]:
    """Yield the names that match, batch by batch; raises FoundError when the scan does not come round."""
    cursor = 0
    for _ in range(max_iterations):
        answer = run(client, "SCAN", cursor, "MATCH", pattern, "COUNT", _KEYS_PER_BATCH)
        cursor = int(answer[0])
        yield answer[1]
        if cursor == 0:
            return
    raise FoundError(
        FailureKind.UNUSABLE_ANSWER,
        f"The scan did not come round in {max_iterations} batches; what there is, is unknown.",
    )


def observe(target: RedisTarget, deadline: Deadline, ask: Callable[[Client], V]) -> Observation[V]:
    """Log in, let `ask` send its commands, and return what it found or why it found nothing."""
    started_at, started = utc_now(), time.monotonic()
    clock = PhaseClock(*PHASES)
    value, failure = None, None
    try:
        with _client(target, deadline, clock) as client:
            value = ask(client)
    except FoundError as exc:
        failure = Failure(exc.kind, str(exc), clock.current)
    except Exception as exc:
        kind = failure_kind(exc)
        if kind is None:
            raise
        failure = Failure(kind, f"{target.address}: {SENTENCES[kind]}.", clock.current)
    clock.stop()
    return Observation(
        probe="redis",
        target=target.address,
        started_at=started_at,
        elapsed_seconds=time.monotonic() - started,
        phases=clock.seconds(),
        value=value,
        failure=failure,
    )


@contextmanager
def _client(target: RedisTarget, deadline: Deadline, clock: PhaseClock) -> Iterator[Client]:
    opened = open_socket(
        target.host,
        target.port,
        tls=target.tls,
        ca_file=target.ca_file,
        deadline=deadline,
        clock=clock,
    )
    clock.enter("login")
    pool = redis.ConnectionPool(
        connection_class=DeadlineRedisConnection,
        max_connections=1,
        opened=opened,
        host=target.host,
        port=target.port,
        db=target.database,
        protocol=2,
        # Without a password the default user needs no AUTH.
        username=target.user if target.password else None,
        password=target.password and target.password.get_secret_value(),
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
        driver_info=None,
    )
    client = redis.Redis(connection_pool=pool)
    try:
        pool.release(pool.get_connection())
        clock.enter("command")
        yield client
    except redis.exceptions.RedisError as exc:
        raise _sharper(exc, opened) from exc
    finally:
        client.close()
        pool.disconnect()
        opened.close()


def _sharper(exc: Exception, opened: DeadlineSocket) -> Exception:
    if opened.too_large:
        return FoundError(FailureKind.TOO_LARGE, f"The server {SENTENCES[FailureKind.TOO_LARGE]}.")
    return exc


def run(client: Client, *words: str | int) -> Any:
    """Send one command and return the answer; raises redis.exceptions.RedisError and OSError."""
    send: Callable[..., Any] = client.execute_command
    return send(*words)


def _info(client: Client, section: str) -> Mapping[str, object]:
    answer = run(client, "INFO", section)
    if not isinstance(answer, dict):
        raise FoundError(FailureKind.UNUSABLE_ANSWER, "INFO brought no list of fields.")
    return answer


def _text(fields: Mapping[str, object], name: str) -> str:
    if name not in fields:
        raise FoundError(FailureKind.UNUSABLE_ANSWER, f"INFO does not tell {name}.")
    return str(fields[name])


def _number(fields: Mapping[str, object], name: str) -> int:
    text = _text(fields, name)
    if not text.isdigit():
        raise FoundError(FailureKind.UNUSABLE_ANSWER, f"INFO tells no number for {name}.")
    return int(text)


def _expires(database: object) -> bool:
    return isinstance(database, dict) and bool(database.get("expires"))


def _role(answer: Any) -> str:
    role = answer[0] if isinstance(answer, list) and answer else None
    if not isinstance(role, bytes):
        raise FoundError(FailureKind.UNUSABLE_ANSWER, "ROLE does not tell the role.")
    return role.decode("ascii", "replace")

"""The Redis probe: health and counts by commands that neither write nor block the server.

KEYS is never sent; counting is a bounded SCAN, and a scan that did not come round is a failure.
Names of keys can hold patients' numbers, so only their count leaves this module.
"""

from __future__ import annotations

import dataclasses
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import redis
from pydantic import SecretStr
from redis.backoff import NoBackoff
from redis.connection import Connection
from redis.retry import Retry

from probes import network
from probes.observation import (
    EVERYTHING,
    Deadline,
    FailureKind,
    FoundError,
    Kinds,
    Observation,
    PhaseClock,
    Shown,
    V,
    explained,
    failures_of,
    observed,
    unusable,
)

# The one mapping of this module; a test walks the library's exceptions.
_KINDS: Final[Kinds] = {
    redis.exceptions.AuthenticationError: FailureKind.CREDENTIAL_REFUSED,
    redis.exceptions.AuthenticationWrongNumberOfArgsError: FailureKind.CREDENTIAL_REFUSED,
    redis.exceptions.ExternalAuthProviderError: FailureKind.OUR_FAULT,
    redis.exceptions.AuthorizationError: FailureKind.FORBIDDEN,
    redis.exceptions.NoPermissionError: FailureKind.FORBIDDEN,
    redis.exceptions.BusyLoadingError: FailureKind.SERVER_BUSY,
    redis.exceptions.MaxConnectionsError: FailureKind.OUR_FAULT,
    redis.exceptions.TimeoutError: FailureKind.TIMEOUT,
    redis.exceptions.ConnectionError: FailureKind.CONNECTION_LOST,
    redis.exceptions.InvalidResponse: FailureKind.PROTOCOL,
    redis.exceptions.OutOfMemoryError: FailureKind.SERVER_BUSY,
    redis.exceptions.TryAgainError: FailureKind.SERVER_BUSY,
    redis.exceptions.ClusterDownError: FailureKind.SERVER_BUSY,
    redis.exceptions.ResponseError: FailureKind.QUERY_REJECTED,
    # What is left belongs to features that the gate does not use: locks, scripts, cluster clients.
    redis.exceptions.RedisError: FailureKind.OUR_FAULT,
    redis.exceptions.RedisClusterException: FailureKind.OUR_FAULT,
    redis.exceptions.ChildDeadlockedError: FailureKind.OUR_FAULT,
    redis.exceptions.IncorrectPolicyType: FailureKind.OUR_FAULT,
}
SENTENCES: Final = failures_of("redis", key="ca_file")


def failure_kind(exc: BaseException) -> FailureKind | None:
    """Return what an exception of redis-py or the operating system means; None: not theirs."""
    return network.kind_of_any(exc, _KINDS)


MAX_ANSWER_BYTES: Final = 16 * 1_048_576


class AnswerTooLargeError(OSError):
    """The server sent more than a probe ever asks for."""


class DeadlineSocket:
    """A connected socket: one deadline for all of it, one bound on the bytes of each answer."""

    def __init__(self, connection: socket.socket, deadline: Deadline) -> None:
        self._connection = connection
        self._deadline = deadline
        self._bytes_left = MAX_ANSWER_BYTES
        self._patience: float | None = None
        self.too_large = False

    def recv(self, size: int) -> bytes:
        """Return what has arrived; raises TimeoutError, AnswerTooLargeError or another OSError."""
        left = network.seconds_left(self._deadline)
        self._connection.settimeout(left if self._patience is None else min(left, self._patience))
        data = self._connection.recv(size)
        self._bytes_left -= len(data)
        if self._bytes_left < 0:
            self.too_large = True
            raise AnswerTooLargeError
        return data

    def sendall(self, data: bytes) -> None:
        """Send everything, after which a new answer begins; raises OSError."""
        self._bytes_left = MAX_ANSWER_BYTES
        self._connection.settimeout(network.seconds_left(self._deadline))
        self._connection.sendall(data)

    def settimeout(self, seconds: float | None) -> None:
        """Let redis-py wait shorter than the deadline (0: only look), never longer."""
        self._patience = seconds

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class DeadlineRedisConnection(Connection):
    """Speaks the Redis protocol over a socket that was connected before."""

    def __init__(self, opened: DeadlineSocket | None = None, **settings: Any) -> None:
        self._opened = opened
        super().__init__(**settings)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped

    def _connect(self) -> DeadlineSocket:
        opened, self._opened = self._opened, None
        if opened is None:
            raise ConnectionResetError("redis-py wanted to connect again")
        return opened


PHASES: Final = ("resolve", "connect", "tls", "login", "command")
MOST_BATCHES: Final = 10_000
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
class RedisFacts(Shown):
    """What a Redis that answered PING says of itself."""

    KEPT = EVERYTHING

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
        databases = [one for one in keyspace.values() if isinstance(one, dict)]
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
            or (policy != "noeviction" and any(one.get("expires") for one in databases)),
            append_failed=persistence.get("aof_last_write_status", "ok") != "ok"
            and _number(persistence, "aof_enabled") != 0,
            save_failed=persistence.get("rdb_last_bgsave_status", "ok") != "ok",
            primary_is_linked=replication.get("master_link_status", "up") == "up",
        )

    return observe(target, deadline, ask)


def scan(client: Client, pattern: str) -> Iterator[list[bytes]]:
    """Yield the names that match, batch by batch; raises FoundError when the scan does not come round."""
    cursor = 0
    for _ in range(MOST_BATCHES):
        answer = run(client, "SCAN", cursor, "MATCH", pattern, "COUNT", _KEYS_PER_BATCH)
        cursor = int(answer[0])
        yield answer[1]
        if cursor == 0:
            return
    raise unusable(
        f"The scan did not come round in {MOST_BATCHES} batches; what there is, is unknown."
    )


def observe(target: RedisTarget, deadline: Deadline, ask: Callable[[Client], V]) -> Observation[V]:
    """Log in, let `ask` send its commands, and return what it found or why it found nothing."""

    def measured(clock: PhaseClock) -> V:
        with _client(target, deadline, clock) as client:
            return ask(client)

    explain = explained(target.address, failure_kind, SENTENCES)
    return observed("redis", target.address, measured, explain, PHASES)


@contextmanager
def _client(target: RedisTarget, deadline: Deadline, clock: PhaseClock) -> Iterator[Client]:
    context = network.tls_context(target.ca_file) if target.tls else None
    connection = network.open_tcp(target.host, target.port, deadline, clock)
    if context is not None:
        clock.enter("tls")
        connection = network.wrap_tls(connection, target.host, context, deadline)
    opened = DeadlineSocket(connection, deadline)
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
        if not opened.too_large:
            raise
        sentence = f"{target.address}: {SENTENCES[FailureKind.TOO_LARGE]}."
        raise FoundError(FailureKind.TOO_LARGE, sentence) from exc
    finally:
        client.close()
        pool.disconnect()
        opened.close()


def run(client: Client, *words: str | int) -> Any:
    """Send one command and return the answer; raises redis.exceptions.RedisError and OSError."""
    send: Callable[..., Any] = client.execute_command
    return send(*words)


def _info(client: Client, section: str) -> Mapping[str, object]:
    answer = run(client, "INFO", section)
    if not isinstance(answer, dict):
        raise unusable("INFO brought no list of fields.")
    return answer


def _text(fields: Mapping[str, object], name: str) -> str:
    if name not in fields:
        raise unusable(f"INFO does not report {name}.")
    return str(fields[name])


def _number(fields: Mapping[str, object], name: str) -> int:
    text = _text(fields, name)
    if not text.isdigit():
        raise unusable(f"INFO reports no number for {name}.")
    return int(text)


def _role(answer: Any) -> str:
    role = answer[0] if isinstance(answer, list) and answer else None
    if not isinstance(role, bytes):
        raise unusable("ROLE does not report the role.")
    return role.decode("ascii", "replace")

"""What a failure of Redis, redis-py or the system means; the server's own texts are never passed on."""

from __future__ import annotations

from typing import Final

import redis

from probes import network
from probes.observation import FailureKind

# The one mapping of this module, most specific first; a test walks the library's exceptions.
_KINDS: Final[tuple[tuple[type[Exception], FailureKind], ...]] = (
    (redis.exceptions.AuthenticationError, FailureKind.CREDENTIAL_REFUSED),
    (redis.exceptions.AuthenticationWrongNumberOfArgsError, FailureKind.CREDENTIAL_REFUSED),
    (redis.exceptions.ExternalAuthProviderError, FailureKind.OUR_FAULT),
    (redis.exceptions.AuthorizationError, FailureKind.FORBIDDEN),
    (redis.exceptions.NoPermissionError, FailureKind.FORBIDDEN),
    (redis.exceptions.BusyLoadingError, FailureKind.SERVER_BUSY),
    (redis.exceptions.MaxConnectionsError, FailureKind.OUR_FAULT),
    (redis.exceptions.TimeoutError, FailureKind.TIMEOUT),
    (redis.exceptions.ConnectionError, FailureKind.CONNECTION_LOST),
    (redis.exceptions.InvalidResponse, FailureKind.PROTOCOL),
    (redis.exceptions.OutOfMemoryError, FailureKind.SERVER_BUSY),
    (redis.exceptions.TryAgainError, FailureKind.SERVER_BUSY),
    (redis.exceptions.ClusterDownError, FailureKind.SERVER_BUSY),
    (redis.exceptions.ResponseError, FailureKind.QUERY_REJECTED),
    # What is left belongs to features that the gate does not use: locks, scripts, cluster clients.
    (redis.exceptions.RedisError, FailureKind.OUR_FAULT),
    (redis.exceptions.RedisClusterException, FailureKind.OUR_FAULT),
    (redis.exceptions.ChildDeadlockedError, FailureKind.OUR_FAULT),
    (redis.exceptions.IncorrectPolicyType, FailureKind.OUR_FAULT),
)

SENTENCES: Final = {
    FailureKind.NAME_NOT_RESOLVED: "its name has no address here; check it and this machine's DNS",
    FailureKind.NO_ROUTE: "there is no route from here; check this machine's network",
    FailureKind.REFUSED: "it refused the connection; nothing listens there",
    FailureKind.TIMEOUT: "it gave no complete answer before the deadline",
    FailureKind.CONNECTION_LOST: "it broke the connection off",
    FailureKind.CERTIFICATE_UNTRUSTED: network.untrusted("ca_file"),
    FailureKind.CERTIFICATE_INVALID: (
        "its certificate is expired, not yet valid or made out to another name"
    ),
    FailureKind.TLS_FAILED: "it completes no TLS handshake; does it speak TLS on this port?",
    FailureKind.PROTOCOL: "it does not speak the Redis protocol",
    FailureKind.CREDENTIAL_REFUSED: "it refused the login; check user and password",
    FailureKind.FORBIDDEN: "the gate's user may not run this command; widen its ACL",
    FailureKind.SERVER_BUSY: "it cannot serve now: loading its data, out of memory or its cluster down",
    FailureKind.QUERY_REJECTED: "it rejected the command",
    FailureKind.TOO_LARGE: "it sent more than a probe ever asks for",
    FailureKind.OUR_FAULT: "the connection could not be used from here",
}


class FoundError(Exception):
    """A failure whose kind and sentence are known."""

    def __init__(self, kind: FailureKind, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


def failure_kind(exc: BaseException) -> FailureKind | None:
    """Return what an exception of redis-py or the operating system means; None: not theirs."""
    if isinstance(exc, OSError):
        return network.os_failure_kind(exc)
    return next((kind for known, kind in _KINDS if isinstance(exc, known)), None)

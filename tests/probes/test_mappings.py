"""Every exception that a client library can raise has a meaning."""

from __future__ import annotations

import errno
import inspect
import socket
from types import ModuleType
from typing import Any

import botocore.exceptions
import dns.exception
import dns.message
import dns.query
import httpcore
import httpx
import psycopg
import psycopg.errors
import pytest
import redis.exceptions
from httpx._transports.default import map_httpcore_exceptions

from probes import aws, http, network, postgres
from probes import dns as dns_probe
from probes import redis as redis_probe
from probes.observation import FailureKind
from tests.tables import cases


def _exceptions_of(*modules: ModuleType) -> list[type[Exception]]:
    found = {
        member
        for module in modules
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, Exception) and not issubclass(member, Warning | OSError)
        if member.__module__ != "builtins"
    }
    return sorted(found, key=lambda one: (one.__module__, one.__qualname__))


LIBRARIES = {
    "http": (http, httpx),
    "postgres": (postgres, psycopg, psycopg.errors),
    "aws": (aws, botocore.exceptions),
    "redis": (redis_probe, redis.exceptions),
    "dns": (dns_probe, dns.exception, dns.query, dns.message),
}
EXCEPTIONS = {
    f"{probe}: {kind.__module__}.{kind.__qualname__}": (module, kind)
    for probe, (module, *libraries) in LIBRARIES.items()
    for kind in _exceptions_of(*libraries)
}


@cases("probe kind", EXCEPTIONS)
def test_every_exception_of_a_client_library_has_a_meaning(
    probe: Any, kind: type[Exception]
) -> None:
    made = kind.__new__(kind)
    if isinstance(made, botocore.exceptions.ClientError):
        made.response = {}
    meaning = probe.failure_kind(made)
    assert meaning in (aws.SENTENCES if probe is aws else FailureKind)


@pytest.mark.parametrize("probe", [module for module, *_ in LIBRARIES.values()])
def test_an_exception_of_nobody_is_not_swallowed(probe: Any) -> None:
    assert probe.failure_kind(RuntimeError("a bug of ours")) is None


@pytest.mark.parametrize("kind", _exceptions_of(httpcore))
def test_httpx_turns_every_exception_of_httpcore_into_its_own(kind: type[Exception]) -> None:
    # Of a full pool httpcore tells itself alone.
    own = kind if kind is httpcore.ConnectionNotAvailable else httpx.HTTPError
    with pytest.raises(own), map_httpcore_exceptions():
        raise kind


ERRORS = {
    "refused": (ConnectionRefusedError(errno.ECONNREFUSED, ""), FailureKind.REFUSED),
    "no route to host": (OSError(errno.EHOSTUNREACH, ""), FailureKind.NO_ROUTE),
    "no network": (OSError(errno.ENETUNREACH, ""), FailureKind.NO_ROUTE),
    "local firewall": (OSError(errno.EPERM, ""), FailureKind.NO_ROUTE),
    "broken pipe": (BrokenPipeError(errno.EPIPE, ""), FailureKind.CONNECTION_LOST),
    "timeout": (TimeoutError(), FailureKind.TIMEOUT),
    "the system's timeout": (OSError(errno.ETIMEDOUT, ""), FailureKind.TIMEOUT),
    "no such name": (socket.gaierror(-2, ""), FailureKind.NAME_NOT_RESOLVED),
    "resolver silent": (network.ResolverSilent(), FailureKind.NAME_NOT_RESOLVED),
    "out of file descriptors": (OSError(errno.EMFILE, ""), FailureKind.OUR_FAULT),
    "an unknown number": (OSError(9999, ""), FailureKind.OUR_FAULT),
}
STATES = {
    FailureKind.CREDENTIAL_REFUSED: "28P01 28000",
    FailureKind.FORBIDDEN: "42501",
    FailureKind.TIMEOUT: "57014",
    FailureKind.SERVER_BUSY: "53300 57P03 55P03 40001",
    FailureKind.CONNECTION_LOST: "57P01 08006",
    FailureKind.QUERY_REJECTED: "42P01 22P02 25006",
    FailureKind.SERVER_ERROR: "XX001 58030",
}


@cases("error kind", ERRORS)
def test_the_systems_errors_are_told_apart(error: OSError, kind: FailureKind) -> None:
    assert network.os_failure_kind(error) is kind


@cases("kind states", {kind.name: (kind, states) for kind, states in STATES.items()})
def test_sqlstates_are_told_apart(kind: FailureKind, states: str) -> None:
    found = {postgres.failure_kind(psycopg.errors.lookup(one)()) for one in states.split()}
    assert found == {kind}

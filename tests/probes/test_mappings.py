"""Every exception that a client library can raise has a meaning."""

from __future__ import annotations

import errno
import inspect
import pkgutil
import socket
from types import ModuleType

import botocore.exceptions
import httpcore
import httpx
import prometheus_api_client.exceptions
import psycopg
import psycopg.errors
import pytest
import redis.exceptions
import requests.exceptions

from probes import aws, http, network, postgres, prometheus
from probes import redis as redis_probe
from probes.observation import FailureKind


def _exceptions_of(*modules: ModuleType) -> list[type[Exception]]:
    found = {
        member
        for module in modules
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, Exception) and not issubclass(member, Warning | OSError)
        # requests shows urllib3's base exception; urllib3 sends nothing here.
        if member.__module__.partition(".")[0] not in {"builtins", "urllib3"}
    }
    return sorted(found, key=lambda one: (one.__module__, one.__qualname__))


def _name(kind: type[Exception]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _made(kind: type[Exception]) -> Exception:
    return kind.__new__(kind)


@pytest.mark.parametrize("kind", _exceptions_of(httpx, httpcore), ids=_name)
def test_http_maps_every_exception_of_httpx_and_httpcore(kind: type[Exception]) -> None:
    assert http.failure_kind(_made(kind)) is not None


@pytest.mark.parametrize("kind", _exceptions_of(psycopg, psycopg.errors), ids=_name)
def test_postgres_maps_every_exception_of_psycopg(kind: type[Exception]) -> None:
    assert postgres.failure_kind(_made(kind)) is not None


@pytest.mark.parametrize("kind", _exceptions_of(botocore.exceptions), ids=_name)
def test_aws_maps_every_exception_of_botocore(kind: type[Exception]) -> None:
    made = _made(kind)
    if isinstance(made, botocore.exceptions.ClientError):
        made.response = {}
    assert aws.failure_kind(made) in aws.SENTENCES


@pytest.mark.parametrize("kind", _exceptions_of(redis.exceptions), ids=_name)
def test_redis_maps_every_exception_of_redis_py(kind: type[Exception]) -> None:
    assert redis_probe.failure_kind(_made(kind)) is not None


@pytest.mark.parametrize(
    "kind",
    _exceptions_of(requests.exceptions, prometheus_api_client.exceptions),
    ids=_name,
)
def test_prometheus_maps_every_exception_of_its_client(kind: type[Exception]) -> None:
    assert prometheus.failure_kind(_made(kind)) is not None


def test_the_client_library_of_prometheus_has_no_other_module_of_exceptions() -> None:
    names = {module.name for module in pkgutil.iter_modules(prometheus_api_client.__path__)}
    assert {name for name in names if "exception" in name or "error" in name} == {"exceptions"}


@pytest.mark.parametrize(
    "failure_kind",
    [http.failure_kind, postgres.failure_kind, redis_probe.failure_kind, prometheus.failure_kind],
    ids=["http", "postgres", "redis", "prometheus"],
)
def test_an_exception_of_nobody_is_not_swallowed(failure_kind: object) -> None:
    assert callable(failure_kind)
    assert failure_kind(RuntimeError("a bug of ours")) is None


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        pytest.param(
            ConnectionRefusedError(errno.ECONNREFUSED, ""), FailureKind.REFUSED, id="refused"
        ),
        pytest.param(OSError(errno.EHOSTUNREACH, ""), FailureKind.NO_ROUTE, id="no route to host"),
        pytest.param(OSError(errno.ENETUNREACH, ""), FailureKind.NO_ROUTE, id="no network"),
        pytest.param(OSError(errno.EPERM, ""), FailureKind.NO_ROUTE, id="local firewall"),
        pytest.param(
            BrokenPipeError(errno.EPIPE, ""), FailureKind.CONNECTION_LOST, id="broken pipe"
        ),
        pytest.param(TimeoutError(), FailureKind.TIMEOUT, id="timeout"),
        pytest.param(OSError(errno.ETIMEDOUT, ""), FailureKind.TIMEOUT, id="the system's timeout"),
        pytest.param(socket.gaierror(-2, ""), FailureKind.NAME_NOT_RESOLVED, id="no such name"),
        pytest.param(network.ResolverSilent(), FailureKind.NAME_NOT_RESOLVED, id="resolver silent"),
        pytest.param(
            OSError(errno.EMFILE, ""), FailureKind.OUR_FAULT, id="out of file descriptors"
        ),
        pytest.param(OSError(9999, ""), FailureKind.OUR_FAULT, id="an unknown number"),
    ],
)
def test_the_systems_errors_are_told_apart(error: OSError, kind: FailureKind) -> None:
    assert network.os_failure_kind(error) is kind


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("28P01", FailureKind.CREDENTIAL_REFUSED),
        ("28000", FailureKind.CREDENTIAL_REFUSED),
        ("42501", FailureKind.FORBIDDEN),
        ("57014", FailureKind.TIMEOUT),
        ("53300", FailureKind.SERVER_BUSY),
        ("57P03", FailureKind.SERVER_BUSY),
        ("57P01", FailureKind.CONNECTION_LOST),
        ("08006", FailureKind.CONNECTION_LOST),
        ("55P03", FailureKind.SERVER_BUSY),
        ("40001", FailureKind.SERVER_BUSY),
        ("42P01", FailureKind.QUERY_REJECTED),
        ("22P02", FailureKind.QUERY_REJECTED),
        ("25006", FailureKind.QUERY_REJECTED),
        ("XX001", FailureKind.SERVER_ERROR),
        ("58030", FailureKind.SERVER_ERROR),
    ],
)
def test_sqlstates_are_told_apart(state: str, kind: FailureKind) -> None:
    assert postgres.failure_kind(psycopg.errors.lookup(state)()) is kind

"""What every probe promises: it ends with its deadline, and no secret leaves it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr

from probes import http, kubernetes, postgres, prometheus, redis
from probes.http import HeaderValue, HttpTarget
from probes.kubernetes import KubernetesTarget
from probes.observation import Deadline, Observation
from probes.observation import FailureKind as Kind
from probes.postgres import PostgresTarget
from probes.prometheus import PrometheusTarget
from probes.redis import RedisTarget
from probes.redis import rights as redis_rights
from tests.probes import servers
from tests.probes.servers import Behaviour, failed, serving, soonest
from tests.tables import cases

_SECRET = "sentinel-9f2"

Probe = Callable[[int, Deadline], Observation[Any]]


def _http_target(port: int) -> HttpTarget:
    headers: dict[str, HeaderValue] = {
        "Authorization": SecretStr(f"Bearer {_SECRET}"),
        "X-Api-Key": _SECRET,
    }
    return HttpTarget(f"http://127.0.0.1:{port}", headers=headers)


def _postgres_target(port: int) -> PostgresTarget:
    return PostgresTarget("127.0.0.1", port, "clinic", "gate", SecretStr(_SECRET), "disable")


def _redis_target(port: int) -> RedisTarget:
    return RedisTarget("127.0.0.1", port, password=SecretStr(_SECRET), tls=False)


def _prometheus_target(port: int) -> PrometheusTarget:
    return PrometheusTarget(f"http://127.0.0.1:{port}", SecretStr(_SECRET))


def _kubernetes_target(port: int) -> KubernetesTarget:
    return KubernetesTarget(f"http://127.0.0.1:{port}", SecretStr(_SECRET))


PROBES: dict[str, Probe] = {
    "http": lambda port, deadline: http.request(
        _http_target(port), "GET", f"/v1?token={_SECRET}", deadline=deadline
    ),
    "http POST": lambda port, deadline: http.request(
        _http_target(port), "POST", "/v1", deadline=deadline, json={"password": _SECRET}
    ),
    "postgres read_only": lambda port, deadline: postgres.read_only(
        _postgres_target(port), "SELECT %s", (_SECRET,), deadline=deadline
    ),
    "postgres record_exists": lambda port, deadline: postgres.record_exists(
        _postgres_target(port), "visits", "id", _SECRET, deadline=deadline
    ),
    "postgres privileges": lambda port, deadline: postgres.privileges(
        _postgres_target(port), deadline=deadline
    ),
    "postgres server_state": lambda port, deadline: postgres.server_state(
        _postgres_target(port), deadline=deadline
    ),
    "redis ping": lambda port, deadline: redis.ping(_redis_target(port), deadline=deadline),
    "redis count_keys": lambda port, deadline: redis.count_keys(
        _redis_target(port), f"{_SECRET}*", deadline=deadline
    ),
    "redis excess_rights": lambda port, deadline: redis_rights.excess_rights(
        _redis_target(port), deadline=deadline
    ),
    "prometheus instant": lambda port, deadline: prometheus.instant(
        _prometheus_target(port), "up", deadline=deadline
    ),
    "prometheus instrument": lambda port, deadline: prometheus.instrument(
        _prometheus_target(port), deadline=deadline
    ),
    "kubernetes": lambda port, deadline: kubernetes.workload(
        _kubernetes_target(port), "health", {"app": "api"}, "version", deadline=deadline
    ),
}


@cases("probe", PROBES)
def test_a_probe_into_a_black_hole_ends_with_its_deadline(probe: Probe) -> None:
    with servers.unreachable_listener() as port:
        observed = soonest(0.6, lambda: probe(port, Deadline.after(0.3)))
    failed(observed, Kind.TIMEOUT, "connect" if "connect" in observed.phases else None)
    assert observed.elapsed_seconds > 0.25


FAULTS = {
    "hangs": (lambda _: servers.hang, Kind.TIMEOUT),
    "sends a byte now and then": (lambda probe: servers.drip(BEGINNINGS[probe]), Kind.TIMEOUT),
    "breaks the connection off": (lambda _: servers.reset, Kind.CONNECTION_LOST),
    "closes at once": (lambda _: servers.say(b""), Kind.CONNECTION_LOST),
    "speaks another protocol": (lambda _: servers.say(b"SSH-2.0-x\r\n"), Kind.PROTOCOL),
}
_HEADERS = b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 999
BEGINNINGS: dict[str, bytes] = {
    "http": _HEADERS,
    "kubernetes": _HEADERS,
    "prometheus instant": _HEADERS,
    "prometheus instrument": _HEADERS,
    "postgres server_state": b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0",
    "redis ping": b"+" + b"x" * 999,
}
"""Probes, one for each protocol and way to ask, and how a server of theirs begins to answer."""


@cases("made kind", FAULTS)
@pytest.mark.parametrize("probe", BEGINNINGS)
def test_what_a_server_does_wrong_has_one_kind_whoever_asks(
    made: Callable[[str], Behaviour], kind: Kind, probe: str
) -> None:
    seconds = 0.4 if kind is Kind.TIMEOUT else 5
    with serving(made(probe)) as server:
        observed = soonest(
            seconds + 0.3, lambda: PROBES[probe](server.port, Deadline.after(seconds))
        )
    assert _SECRET not in failed(observed, kind).detail


@pytest.mark.parametrize("probe", BEGINNINGS)
def test_a_port_on_which_nothing_listens_refuses(probe: str) -> None:
    observed = PROBES[probe](servers.closed_port(), Deadline.after(5))
    failed(observed, Kind.REFUSED, "connect" if "connect" in observed.phases else None)


ECHOES: dict[str, Behaviour] = {
    "echoes what it gets": lambda connection, _over: connection.sendall(connection.recv(65536)),
    "repeats the secret as a page": servers.answer(
        f"<html>{_SECRET}</html>".encode(),
        status=f"500 {_SECRET}",
        headers={"X-Debug": _SECRET, "Set-Cookie": f"session={_SECRET}"},
    ),
    "repeats the secret as JSON": servers.answer(
        json.dumps({"status": "error", "error": _SECRET, "errorType": _SECRET}).encode()
    ),
    "repeats the secret as an error of Postgres": servers.say(
        b"E\0\0\0\x30SFATAL\0C28P01\0Mpassword " + _SECRET.encode() + b" refused\0\0"
    ),
    "repeats the secret as an error of Redis": servers.say(f"-ERR {_SECRET}\r\n".encode() * 9),
}


@cases("probe", PROBES)
@cases("behaviour", ECHOES)
def test_no_secret_leaves_a_probe(
    probe: Probe,
    behaviour: Behaviour,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    with serving(behaviour) as server:
        observed = probe(server.port, Deadline.after(0.2))
    output = capfd.readouterr()
    shown = [repr(observed), json.dumps(observed.record()), output.out, output.err, caplog.text]
    assert not [text for text in shown if _SECRET in text]


@pytest.mark.parametrize(
    "made", [_http_target, _postgres_target, _redis_target, _prometheus_target, _kubernetes_target]
)
def test_no_target_shows_its_secret(made: Callable[[int], object]) -> None:
    assert _SECRET not in f"{made(1)!r} {made(1)}"

"""What every probe promises: it ends with its deadline, and no secret leaves it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr

from probes import http, postgres, prometheus, redis
from probes.http import HeaderValue, HttpTarget
from probes.observation import Deadline, FailureKind, Observation
from probes.postgres import PostgresTarget
from probes.prometheus import PrometheusTarget
from probes.redis import RedisTarget
from probes.redis import rights as redis_rights
from tests.probes import servers
from tests.probes.servers import Behaviour, failed, serving, soonest

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
}


@pytest.mark.parametrize("probe", PROBES.values(), ids=PROBES)
def test_a_probe_into_a_black_hole_ends_with_its_deadline(probe: Probe) -> None:
    with servers.unreachable_listener() as port:
        observed = soonest(0.6, lambda: probe(port, Deadline.after(0.3)))
    failed(observed, FailureKind.TIMEOUT)
    assert observed.elapsed_seconds > 0.25


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


@pytest.mark.parametrize("probe", PROBES.values(), ids=PROBES)
@pytest.mark.parametrize("behaviour", ECHOES.values(), ids=[f"from one that {x}" for x in ECHOES])
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
    "target",
    [_http_target(1), _postgres_target(1), _redis_target(1), _prometheus_target(1)],
    ids=["http", "postgres", "redis", "prometheus"],
)
def test_no_target_shows_its_secret(target: object) -> None:
    assert _SECRET not in f"{target!r} {target}"

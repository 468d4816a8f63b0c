"""What every probe promises: it ends with its deadline, no secret leaves it, each exception has a meaning."""

from __future__ import annotations

import errno
import functools
import importlib
import inspect
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
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
from pydantic import SecretStr

import probes
from probes import aws, http, network, postgres
from probes import dns as dns_probe
from probes import observation as waiting
from probes import redis as redis_probe
from probes.audit import AuditTarget, Query
from probes.aws import AwsTarget
from probes.files import EvidenceStore
from probes.http import HeaderValue, HttpTarget
from probes.kubernetes import KubernetesTarget
from probes.observation import Deadline, Observation, utc_now
from probes.observation import FailureKind as Kind
from probes.postgres import PostgresTarget
from probes.prometheus import PrometheusTarget
from probes.redis import RedisTarget
from tests.probes import servers
from tests.probes.servers import Behaviour, answer, failed, reading, serving, soonest
from tests.tables import cases

_SECRET = "sentinel-9f2"
_HIDDEN = SecretStr(_SECRET)
_HEADERS: dict[str, HeaderValue] = {
    "Authorization": SecretStr(f"Bearer {_SECRET}"),
    "X-Api-Key": _SECRET,
}
_AT = "http://127.0.0.1:{}".format
TARGETS: dict[str, Callable[[int], Any]] = {
    "http": lambda port: HttpTarget(_AT(port), headers=_HEADERS),
    "postgres": lambda port: PostgresTarget(
        "127.0.0.1", port, "clinic", "gate", _HIDDEN, "disable"
    ),
    "redis": lambda port: RedisTarget("127.0.0.1", port, password=_HIDDEN, tls=False),
    "prometheus": lambda port: PrometheusTarget(_AT(port), _HIDDEN),
    "kubernetes": lambda port: KubernetesTarget(_AT(port), _HIDDEN),
    "aws": lambda port: AwsTarget("us-east-1", _AT(port), _HIDDEN, _HIDDEN),
    "audit": lambda port: AuditTarget(_AT(port), "/v1/audit", _HIDDEN),
    "files": lambda port: EvidenceStore(url=_AT(port), token=_HIDDEN),
}
_POSTED = functools.partial(http.request, json={"password": _SECRET})
PROBES: dict[str, tuple[Any, ...]] = {
    "http": (http.request, "GET", f"/v1?token={_SECRET}"),
    "http POST": (_POSTED, "POST", "/v1"),
    "postgres read_only": (postgres.read_only, "SELECT %s", (_SECRET,)),
    "postgres record_exists": (postgres.record_exists, "visits", "id", _SECRET),
    "postgres privileges": (postgres.privileges,),
    "postgres server_state": (postgres.server_state,),
    "redis ping": (redis_probe.ping,),
    "redis key_names": (probes.redis_keys.key_names, f"{_SECRET}*"),
    "redis excess_rights": (probes.redis_rights.excess_rights,),
    "prometheus instant": (probes.prometheus.instant, "up"),
    "prometheus instrument": (probes.prometheus.instrument,),
    "kubernetes": (probes.kubernetes.workload, "health", {"app": "api"}, "version"),
    "aws": (aws.tags, "api"),
    "audit": (probes.audit.entries, Query(utc_now(), "flag.changed")),
    "files": (probes.files.evidence, "v1.2.0", "image-build"),
}
"""What probes are asked, and with which words."""


def ask(probe: str, port: int, seconds: float) -> Observation[Any]:
    question, *words = PROBES[probe]
    made = TARGETS[probe.partition(" ")[0]]
    asked: Observation[Any] = question(made(port), *words, deadline=Deadline.after(seconds))
    return asked


@pytest.mark.parametrize("probe", PROBES)
def test_a_probe_into_a_black_hole_ends_with_its_deadline(probe: str) -> None:
    with servers.unreachable_listener() as port:
        observed = soonest(0.6, lambda: ask(probe, port, 0.3))
    failed(observed, Kind.TIMEOUT, "connect" if "connect" in observed.phases else None)
    assert observed.elapsed_seconds > 0.25


@pytest.mark.parametrize("probe", PROBES)
def test_a_deadline_that_has_passed_asks_nobody(probe: str) -> None:
    with serving(answer(b"{}")) as server:
        failed(ask(probe, server.port, -1), Kind.TIMEOUT)
        assert server.connections == 0


FAULTS = {
    "hangs": (lambda _: servers.hang, Kind.TIMEOUT),
    "sends a byte now and then": (lambda probe: servers.drip(BEGINNINGS[probe]), Kind.TIMEOUT),
    "breaks the connection off": (lambda _: servers.reset, Kind.CONNECTION_LOST),
    "closes at once": (lambda _: servers.say(b""), Kind.CONNECTION_LOST),
    "speaks another protocol": (lambda _: servers.say(b"SSH-2.0-x\r\n"), Kind.PROTOCOL),
}
_HEAD = b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 999
OVER_HTTP = ("http", "kubernetes", "prometheus instant", "prometheus instrument", "audit", "files")
BEGINNINGS: dict[str, bytes] = {
    **dict.fromkeys(OVER_HTTP, _HEAD),
    "postgres server_state": b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0",
    "redis ping": b"+" + b"x" * 999,
    "aws": _HEAD,
}
"""Probes, one for each protocol and way to ask, and how a server of theirs begins to answer."""


@cases("made kind", FAULTS)
@pytest.mark.parametrize("probe", BEGINNINGS)
def test_what_a_server_does_wrong_has_one_kind_whoever_asks(
    made: Callable[[str], Behaviour], kind: Kind, probe: str
) -> None:
    seconds = 0.4 if kind is Kind.TIMEOUT else 5
    if probe == "aws" and kind is Kind.PROTOCOL:
        kind = Kind.CONNECTION_LOST  # botocore does not tell the two apart
    with serving(made(probe)) as server:
        observed = soonest(seconds + 0.3, lambda: ask(probe, server.port, seconds))
    failure = failed(observed, kind, "wait" if "wait" in observed.phases else None)
    assert _SECRET not in failure.detail


@pytest.mark.parametrize("probe", BEGINNINGS)
def test_a_port_on_which_nothing_listens_refuses(probe: str) -> None:
    observed = ask(probe, servers.closed_port(), 5)
    failed(observed, Kind.REFUSED, "connect" if "connect" in observed.phases else None)


STATUSES = ("204 None", "302 Found", "400 Bad", "401 Who", "403 No", "404 What", "429 Busy")
ANSWERS = {
    **{one: answer(b"{}", status=one) for one in (*STATUSES, "500 Oops", "503 Away")},
    "a page": answer(b"<html>Log in</html>", content_type="text/html"),
    "nothing": answer(b""),
    "half of an object": answer(b'{"status": "succ'),
    "a list": answer(b"[]"),
    "an object without a field": answer(b"{}"),
    "fields of another type": answer(b'{"items": [{"spec": 7}], "entries": {}, "status": 1}'),
}


@pytest.mark.parametrize("probe", OVER_HTTP[1:])
def test_an_answer_that_is_not_a_good_one_has_its_sentence(
    probe: str, said: Callable[..., None]
) -> None:
    found = {}
    for name, behaviour in ANSWERS.items():
        with serving(behaviour) as server:
            found[name] = reading(ask(probe, server.port, 5))
    said(found)


ECHOES: dict[str, Behaviour] = {
    "echoes what it gets": lambda connection, _over: connection.sendall(connection.recv(65536)),
    "repeats the secret as a page": answer(
        f"<html>{_SECRET}</html>".encode(),
        status=f"500 {_SECRET}",
        headers={"X-Debug": _SECRET, "Set-Cookie": f"session={_SECRET}"},
    ),
    "repeats the secret as JSON": answer(
        json.dumps({"status": "error", "error": _SECRET, "errorType": _SECRET}).encode()
    ),
    "repeats the secret as an error of Postgres": servers.say(
        b"E\0\0\0\x30SFATAL\0C28P01\0Mpassword " + _SECRET.encode() + b" refused\0\0"
    ),
    "repeats the secret as an error of Redis": servers.say(f"-ERR {_SECRET}\r\n".encode() * 9),
}


@pytest.mark.parametrize("probe", PROBES)
@cases("behaviour", ECHOES)
def test_no_secret_leaves_a_probe(
    probe: str,
    behaviour: Behaviour,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    with serving(behaviour) as server:
        observed = ask(probe, server.port, 0.2)
    output = capfd.readouterr()
    shown = [repr(observed), json.dumps(observed.record()), output.out, output.err, caplog.text]
    assert not [text for text in shown if _SECRET in text]


@pytest.mark.parametrize("made", TARGETS.values(), ids=TARGETS)
def test_no_target_shows_its_secret(made: Callable[[int], object]) -> None:
    assert _SECRET not in f"{made(1)!r} {made(1)}"


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


def means(probe: Any, kind: type[Exception]) -> object:
    """Return what a probe says of an exception of a library."""
    made = kind.__new__(kind)
    if isinstance(made, botocore.exceptions.ClientError):
        made.response = {}
    return probe.failure_kind(made)


@cases("probe libraries", {name: (probe, of) for name, (probe, *of) in LIBRARIES.items()})
def test_every_exception_of_a_client_library_has_a_meaning(
    probe: Any, libraries: list[ModuleType]
) -> None:
    known = aws.SENTENCES if probe is aws else Kind
    every = _exceptions_of(*libraries)
    assert len(every) > 10
    assert [kind for kind in every if means(probe, kind) not in known] == []
    assert probe.failure_kind(RuntimeError("a bug of ours")) is None


@pytest.mark.parametrize("kind", _exceptions_of(httpcore))
def test_httpx_turns_every_exception_of_httpcore_into_its_own(kind: type[Exception]) -> None:
    # Of a full pool httpcore tells itself alone.
    own = kind if kind is httpcore.ConnectionNotAvailable else httpx.HTTPError
    with pytest.raises(own), map_httpcore_exceptions():
        raise kind


ERRORS = {
    "refused": (ConnectionRefusedError(errno.ECONNREFUSED, ""), Kind.REFUSED),
    "no route to host": (OSError(errno.EHOSTUNREACH, ""), Kind.NO_ROUTE),
    "no network": (OSError(errno.ENETUNREACH, ""), Kind.NO_ROUTE),
    "local firewall": (OSError(errno.EPERM, ""), Kind.NO_ROUTE),
    "broken pipe": (BrokenPipeError(errno.EPIPE, ""), Kind.CONNECTION_LOST),
    "timeout": (TimeoutError(), Kind.TIMEOUT),
    "the system's timeout": (OSError(errno.ETIMEDOUT, ""), Kind.TIMEOUT),
    "no such name": (socket.gaierror(-2, ""), Kind.NAME_NOT_RESOLVED),
    "resolver silent": (network.ResolverSilent(), Kind.NAME_NOT_RESOLVED),
    "out of file descriptors": (OSError(errno.EMFILE, ""), Kind.OUR_FAULT),
    "an unknown number": (OSError(9999, ""), Kind.OUR_FAULT),
}


@cases("error kind", ERRORS)
def test_the_systems_errors_are_told_apart(error: OSError, kind: Kind) -> None:
    assert network.os_failure_kind(error) is kind


@pytest.fixture(autouse=True)
def _begun() -> Iterator[None]:
    waiting.begin()
    yield
    waiting.begin()


def test_a_wait_lasts_as_long_as_it_is_told() -> None:
    began = time.monotonic()
    waiting.pause(0.05)
    waiting.pause(-1)
    assert 0.05 <= time.monotonic() - began < 5


def test_stopping_ends_every_wait_in_every_thread_and_those_to_come() -> None:
    begun = threading.Barrier(4)

    def wait() -> None:
        begun.wait(5)
        waiting.pause(60)

    with ThreadPoolExecutor(3) as pool:
        waits = [pool.submit(wait) for _ in range(3)]
        begun.wait(5)
        assert waiting.stop()
        assert all(isinstance(one.exception(5), waiting.Stopped) for one in waits)
    assert not waiting.stop()
    with pytest.raises(KeyboardInterrupt):
        waiting.pause(60)


def test_two_threads_load_their_probes_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun: list[str] = []
    together: list[int] = []

    def slow(name: str) -> None:
        begun.append(name)
        time.sleep(0.1)
        together.append(len(begun))

    monkeypatch.setattr(importlib, "import_module", slow)
    with ThreadPoolExecutor(2) as pool:
        tuple(pool.map(vars(probes)["__getattr__"], ("kubernetes", "prometheus")))
    assert together == [1, 2]

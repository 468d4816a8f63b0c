from __future__ import annotations

import datetime as dt
import socket
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import trustme
from pydantic import SecretStr

from probes import redis
from probes.formats import parse
from probes.http import HttpAnswer, HttpTarget, NotJsonError, request
from probes.observation import Deadline, Observation
from probes.observation import FailureKind as Kind
from probes.redis import RedisTarget
from tests.probes import servers
from tests.probes.chains import a_chain
from tests.probes.servers import Behaviour, brought, failed, reading, serving, soonest
from tests.steps.moody import moody
from tests.tables import cases


def _get(
    url: str, ca_file: str | None = None, *, seconds: float = 10, **more: Any
) -> Observation[HttpAnswer]:
    return request(HttpTarget(url, ca_file), "GET", "/", deadline=Deadline.after(seconds), **more)


def test_an_answer_is_a_value_with_its_phases_timed() -> None:
    with serving(servers.answer(b'{"status": "healthy"}')) as server:
        observed = _get(server.url)
    answer = brought(observed)
    assert (answer.status, answer.json()) == (200, {"status": "healthy"})
    assert list(observed.phases) == ["resolve", "connect", "tls", "send", "wait", "transfer"]
    assert observed.phases["tls"] is None
    timed = [seconds for seconds in observed.phases.values() if seconds is not None]
    assert len(timed) == 5
    assert sum(timed) == pytest.approx(observed.elapsed_seconds, abs=0.1)
    assert observed.record()["facts"] == {
        "status": 200,
        "content_type": "application/json",
        "size_bytes": 21,
        "http_version": "HTTP/1.1",
        "from_cache": None,
    }


def test_of_a_content_type_only_a_known_one_is_kept() -> None:
    types = {
        "application/json; charset=utf-8": "application/json",
        "Text/HTML": "text/html",
        "application/Maria.Schmidt": "another type",
        "123-45-6789": "another type",
        "text/html; name=maria": "text/html",
        "": "",
    }
    sent = [servers.answer(b"{}", content_type=one) for one in types]
    with moody(servers.reset, *sent) as server:
        kept = [brought(_get(server.url)).facts()["content_type"] for _ in types]
    assert kept == [*types.values()]


@pytest.mark.parametrize("status", ["301 Moved", "404 Not Found", "500 Oops", "503 Busy"])
def test_every_status_is_an_answer_and_a_redirect_is_not_followed(status: str) -> None:
    elsewhere = {"Location": "http://127.0.0.1:1/"}
    with serving(servers.answer(b"", status=status, headers=elsewhere)) as server:
        assert brought(_get(server.url)).status == int(status[:3])
        assert server.connections == 1


def test_the_request_carries_headers_body_and_path() -> None:
    more: dict[str, Any] = {"json": {"a": 1}, "headers": {"Authorization": "Bearer abc"}}
    with serving(servers.answer(b"", status="204 No Content")) as server:
        target = HttpTarget(server.url + "/base/", headers={"X-Tenant": SecretStr("clinic")})
        path = "/v1/visits?tag=abc&n=1"
        observed = request(target, "POST", path, deadline=Deadline.after(2), **more)
    assert brought(observed).status == 204
    (seen,) = server.requests
    assert seen.startswith(b"POST /base/v1/visits?tag=abc&n=1 HTTP/1.1\r\n")
    for part in (b"X-Tenant: clinic", b"Authorization: Bearer abc", b'{"a":1}'):
        assert part.lower() in seen.lower()
    assert observed.target == f"POST {server.url}/base/v1/visits?tag=…&n=…"


def _then(head: bytes, behaviour: Behaviour) -> Behaviour:
    return servers.after_head(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n", behaviour)


WITHOUT_END = {
    "drips its body": (_then(b"", servers.drip(b"x")), "transfer"),
    "sends 100 Continue": (servers.drip(b"HTTP/1.1 100 Continue\r\n\r\n"), "wait"),
}


@cases("behaviour phase", WITHOUT_END)
def test_an_answer_without_end_ends_with_the_deadline(behaviour: Behaviour, phase: str) -> None:
    with serving(behaviour) as server:
        failed(soonest(0.7, lambda: _get(server.url, seconds=0.4)), Kind.TIMEOUT, phase)


_X = servers.say(b"x")
FAILURES = {
    "closes without an answer": servers.close_after_request,
    "closes in mid-body": _then(b"Content-Length: 10\r\n", _X),
    "says a few bytes that are no HTTP": servers.say(b"\x15\x03\x01"),
    "sends headers without end": servers.say(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000),
    "gives a length that is not a number": _then(b"Content-Length: ten\r\n", _X),
    "gives a length of many digits": _then(b"Content-Length: " + b"9" * 5000 + b"\r\n", _X),
    "announces a body beyond the bound": _then(b"Content-Length: 1073741824\r\n", servers.hang),
    "claims a compression": servers.answer(b"not gzip", headers={"Content-Encoding": "gzip"}),
}


@cases("behaviour", FAILURES)
def test_no_answer_is_a_failure(behaviour: Behaviour, said: Callable[..., None]) -> None:
    with serving(behaviour) as server:
        observed = _get(server.url, seconds=5)
    assert observed.failure is not None
    said([reading(observed), observed.failure.phase])


def test_a_gigabyte_is_not_downloaded() -> None:
    sent = [0]

    def flood(connection: socket.socket, _over: threading.Event) -> None:
        chunk = b"x" * 65536
        while sent[0] < 1 << 30:
            connection.sendall(chunk)
            sent[0] += len(chunk)

    with serving(_then(b"", flood)) as server:
        observed = _get(server.url, seconds=5)
    failed(observed, Kind.TOO_LARGE)
    # What lies in the socket buffers of both sides was sent, but never read.
    assert sent[0] < 20 << 20


def test_a_body_of_exactly_the_bound_is_an_answer() -> None:
    with serving(servers.answer(b"x" * 1000)) as server:
        exact, over = (_get(server.url, max_bytes=most) for most in (1000, 999))
    assert len(brought(exact).body) == 1000
    failed(over, Kind.TOO_LARGE)
    with serving(_then(b"", servers.say(b"x" * 1000))) as server:  # of which nobody says how long
        failed(_get(server.url, max_bytes=999), Kind.TOO_LARGE)


def test_ten_regions_are_asked_at_once_from_threads(authority: trustme.CA, ca_file: str) -> None:
    meeting = threading.Barrier(10)

    def slow(connection: socket.socket, over: threading.Event) -> None:
        meeting.wait(30)
        servers.answer(b"{}")(connection, over)

    context = _server_context(authority.issue_cert("localhost"))
    with serving(slow, tls=context) as server, ThreadPoolExecutor(10) as pool:
        target = HttpTarget(f"https://localhost:{server.port}", ca_file)
        asked = [
            pool.submit(request, target, "GET", f"/{n}", deadline=Deadline.after(30))
            for n in range(10)
        ]
        statuses = [brought(one.result()).status for one in asked]
    assert statuses == [200] * 10


@pytest.mark.parametrize(
    ("method", "attempts"), [("GET", 2), ("HEAD", 2), ("POST", 1), ("DELETE", 1)]
)
def test_only_reads_repeat_a_broken_transport_once(method: str, attempts: int) -> None:
    with serving(servers.reset) as server:
        observed = request(HttpTarget(server.url), method, "/", deadline=Deadline.after(2))
    assert (observed.attempts, server.connections) == (attempts, attempts)


def test_a_read_that_succeeds_the_second_time_says_so() -> None:
    with moody(servers.answer(b"{}"), servers.close_after_request) as server:
        observed = _get(server.url)
    assert brought(observed).status == 200
    assert observed.attempts == 2


@pytest.mark.parametrize("host", ["no-such-host.invalid", "-", "a" * 70 + ".invalid"])
def test_a_name_without_address_says_so(host: str) -> None:
    failed(_get(f"http://{host}", seconds=3), Kind.NAME_NOT_RESOLVED)


@pytest.mark.parametrize("value", ["", "line\nbreak", "ünicode", " padded "])
def test_a_header_that_http_forbids_is_our_fault_and_not_quoted(value: str) -> None:
    target = HttpTarget("http://127.0.0.1:1", headers={"X-Key": value})
    observed = request(target, "GET", "/", deadline=Deadline.after(1))
    failure = failed(observed, Kind.OUR_FAULT)
    assert "X-Key" in failure.detail
    assert not value or value not in failure.detail


WRONG_ADDRESSES = "ftp://host http://user:word@host http://host?x=1 http://host#x host http:///x"


@pytest.mark.parametrize("url", WRONG_ADDRESSES.split())
def test_a_base_address_is_http_and_nothing_more(url: str) -> None:
    with pytest.raises(ValueError, match="base_url must be"):
        HttpTarget(url)


def test_a_path_begins_with_a_slash() -> None:
    with pytest.raises(ValueError, match="path must begin"):
        request(HttpTarget("http://host"), "GET", "@evil", deadline=Deadline.after(1))


JSON_PROBLEMS = {
    "is HTML": b"<!doctype html><p>Log in</p>",
    "is empty": b"  ",
    "is cut off": b'{"status": "hea',
    "is plain text": b"OK",
    "is not UTF-8": b'"\xff"',
    "holds NaN": b'{"p95": NaN}',
    "holds Infinity": b'{"p95": -Infinity}',
    "holds a number too large": b'{"p95": 1e999}',
    "holds a key twice": b'{"status": "ok", "status": "down"}',
    "is nested without end": b"[" * 100_000,
    "holds an integer without end": b"[" + b"9" * 5000 + b"]",
}


def test_what_is_not_json_is_refused_with_a_sentence(said: Callable[..., None]) -> None:
    def refusal(body: bytes) -> str:
        with pytest.raises(NotJsonError) as refused:
            parse(body)
        return str(refused.value)

    said({name: refusal(body) for name, body in JSON_PROBLEMS.items()})


def test_a_byte_order_mark_is_ignored() -> None:
    assert parse(b'\xef\xbb\xbf{"status": "ok"}') == {"status": "ok"}


def _server_context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


_YESTERDAY = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
CERTIFICATES: dict[str, tuple[str, dt.datetime | None, Kind | None]] = {
    "a good one": ("localhost", None, None),
    "of an unknown authority": ("localhost", None, Kind.CERTIFICATE_UNTRUSTED),
    "an expired one": ("localhost", _YESTERDAY, Kind.CERTIFICATE_INVALID),
    "for another host": ("other.test", None, Kind.CERTIFICATE_INVALID),
}


@cases("name expiry kind", CERTIFICATES)
def test_a_certificate_is_verified_and_its_time_measured(
    authority: trustme.CA, ca_file: str, name: str, expiry: dt.datetime | None, kind: Kind | None
) -> None:
    context = _server_context(authority.issue_cert(name, not_after=expiry))
    trusted = None if kind is Kind.CERTIFICATE_UNTRUSTED else ca_file
    with serving(servers.answer(b"{}"), tls=context) as server:
        observed = _get(f"https://localhost:{server.port}", trusted, seconds=2)
    if kind is None:
        assert brought(observed).status == 200
        assert (observed.phases["tls"] or 0) > 0
    else:
        failed(observed, kind, "tls")


def test_a_missing_intermediate_certificate_is_told_beside_a_missing_authority(
    tmp_path: Path,
) -> None:
    root, _, leaf = a_chain("localhost", (400, 400, 90))
    (tmp_path / "authority.pem").write_bytes(root)
    (tmp_path / "server.pem").write_bytes(leaf)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    with serving(servers.answer(b"{}"), tls=context) as server:
        address, authority = f"localhost:{server.port}", str(tmp_path / "authority.pem")
        by_http = _get(f"https://{address}", authority)
        cache = RedisTarget("localhost", server.port, ca_file=authority)
        by_redis = redis.ping(cache, deadline=Deadline.after(2))
    for observed in (by_http, by_redis):
        failure = failed(observed, Kind.CERTIFICATE_UNTRUSTED)
        assert "does not send the intermediate certificate (serve the whole" in failure.detail


HANDSHAKES = {
    "speaks no TLS": (servers.say(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Kind.TLS_FAILED),
    "hangs": (servers.hang, Kind.TIMEOUT),
}


@cases("behaviour kind", HANDSHAKES)
def test_a_handshake_that_fails_says_so(behaviour: Behaviour, kind: Kind, ca_file: str) -> None:
    with serving(behaviour) as server:
        seconds = 0.3 if kind is Kind.TIMEOUT else 2
        observed = _get(f"https://localhost:{server.port}", ca_file, seconds=seconds)
    failed(observed, kind, "tls")


@cases("content", {"missing": None, "no PEM": "no certificate"})
def test_a_bad_ca_file_is_our_fault(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    failed(_get("https://localhost:1", str(path)), Kind.OUR_FAULT)

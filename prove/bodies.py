"""Proof of the readers of answers: whatever bytes a server sends, they are read in words or refused."""

from __future__ import annotations

import contextlib
import json
import pathlib
import random
import socket
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from gates.decide.outcome import Outcome
from probes import http, prometheus
from probes.formats import NotJsonError
from probes.http import HttpTarget
from probes.observation import Deadline, Observation
from probes.prometheus import PrometheusTarget
from prove import Cases
from steps.cluster.clusters import Clusters
from steps.kit.asked import Asked
from steps.kit.availability import Availability
from steps.kit.check import Check
from steps.kit.platform import Platform
from steps.service.endpoint import Endpoint
from steps.service.health import answers, reports_healthy
from tests.probes.servers import read_request, serving
from tests.steps.platforms import a_platform, a_policy

PROMISE = "no bytes of a server break a probe, and none but a healthy answer pass for one"
CALL_SECONDS = 2.0
DAY_SECONDS = 86_400
GOOD = {
    "health": {"status": "healthy", "version": "1.2.0", "latency": 3, "services": {}},
    "vector": {
        "status": "success",
        "data": {
            "resultType": "vector",
            "result": [{"metric": {"le": "0.5"}, "value": [1700000000, "1"]}],
        },
    },
}
NASTY: tuple[object, ...] = (
    None, True, -1, 10**400, 0.1, "", "NaN", "healthy ", "Healthy", [], {}, ["healthy"], "\x00",
)  # fmt: skip
HEADERS = (
    "Content-Type: application/json", "Content-Type: text/html", "Content-Encoding: gzip",
    "Transfer-Encoding: chunked", "Location: /elsewhere", "X: " + "x" * 5000, "no header at all",
    "Content-Length: 7",
)  # fmt: skip


@dataclass(slots=True)
class _Server:
    url: str = ""
    answer: bytes = b""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What is sent: bytes that need not be HTTP."""

    status: str
    headers: tuple[str, ...]
    body: bytes

    def raw(self) -> bytes:
        head = [f"HTTP/1.1 {self.status}", *self.headers, "Connection: close"]
        return "\r\n".join([*head, "", ""]).encode() + self.body

    def healthy(self) -> bool:
        """Say by other means than the product whether this is a healthy answer."""
        if not self.status.startswith("200") or b'"status": "healthy"' not in self.body:
            return False
        with contextlib.suppress(ValueError, RecursionError):
            body = json.loads(self.body)
            return isinstance(body, dict) and body.get("status") == "healthy"
        return False


def never_taken_for_healthy(seed: int) -> Cases:
    """Yield answers of a server, each read by the HTTP probe, the Prometheus probe and a check."""
    chance = random.Random(seed)  # noqa: S311 - cases, no secrets
    with tempfile.TemporaryDirectory(prefix="prove-") as folder, _serving() as server:
        platform = a_platform(
            pathlib.Path(folder),
            {"eu": server.url},
            policy=a_policy(confirm="100ms", poll="20ms"),
            run_seconds=DAY_SECONDS,
        )
        while True:
            answer = _answer(chance)
            raw = answer.raw()
            server.answer = raw[: chance.randint(0, len(raw))] if chance.random() < 0.1 else raw  # noqa: PLR2004 - one in ten
            cut = server.answer != raw
            try:
                wrong = _probed(server) or _judged(platform, answer, cut=cut)
            except Exception as exc:  # noqa: BLE001 - any exception is what this proof looks for
                wrong = f"{type(exc).__name__}: {exc}"
            yield wrong and f"{wrong}: {server.answer[:2000]!r}"


def _probed(server: _Server) -> str | None:
    """Return what is wrong with the observations of the probes."""
    read = http.request(HttpTarget(server.url), "GET", "/x", deadline=Deadline.after(CALL_SECONDS))
    if read.value is not None:
        with contextlib.suppress(NotJsonError):
            read.value.json()
    asked = prometheus.instant(
        PrometheusTarget(server.url), "up", deadline=Deadline.after(CALL_SECONDS)
    )
    return _unclear(read) or _unclear(asked)


def _unclear(observed: Observation[Any]) -> str | None:
    if (observed.value is None) == (observed.failure is None):
        return f"{observed.probe} brought neither a value nor a failure, or both"
    json.dumps(observed.record(), allow_nan=False)
    return None


def _judged(platform: Platform, answer: _Answer, *, cut: bool) -> str | None:
    check = Check("PROVE-1", platform.regions)
    asked, described = Asked(platform, check, check.regions), platform.endpoint("api", "liveness")
    availability, clusters = Availability(platform), Clusters(platform)
    endpoint = Endpoint(asked, availability, clusters, "api", described).read()
    answers(endpoint, 200)
    reports_healthy(endpoint)
    if check.outcome("eu") is Outcome.PASS and not answer.healthy() and not cut:
        return "an answer that is not healthy passed"
    return None


def _answer(chance: random.Random) -> _Answer:
    good = json.dumps(GOOD[chance.choice(sorted(GOOD))]).encode()
    body = chance.choice([_same, _nasty, _bytes, _littered, _deep, _page])(good, chance)
    status = chance.choice(
        ["200 OK"] * 6 + ["204 No Content", "302 Found", "404 x", "999 ?", "2OO"]
    )
    length = f"Content-Length: {len(body)}"
    headers = [length, HEADERS[0]] if chance.random() < 0.8 else []  # noqa: PLR2004 - four of five
    headers += chance.sample(HEADERS, chance.randint(0, 2)) if chance.random() < 0.3 else []  # noqa: PLR2004 - three of ten
    return replace(_Answer(status, (), body), headers=tuple(headers))


def _same(good: bytes, _: random.Random) -> bytes:
    return good


def _nasty(good: bytes, chance: random.Random) -> bytes:
    """Put a nasty value somewhere into the object."""
    whole: Any = json.loads(good)
    inner = whole
    while True:
        key = chance.choice(sorted(inner)) if isinstance(inner, dict) else 0
        deeper = inner[key]
        if not (isinstance(deeper, dict | list) and deeper) or chance.random() < 0.4:  # noqa: PLR2004 - how deep is chance
            inner[key] = chance.choice(NASTY)
            return json.dumps(whole).encode()
        inner = deeper


def _bytes(_: bytes, chance: random.Random) -> bytes:
    return chance.randbytes(chance.randint(0, 200))


def _littered(good: bytes, chance: random.Random) -> bytes:
    place = chance.randint(0, len(good))
    litter = chance.choice([b"NaN", b',"status":"bad"', b"\x00", b"\xff", b"}{", b"//", b"\\u12"])
    return good[:place] + litter + good[place + chance.randint(0, 3) :]


def _deep(_: bytes, chance: random.Random) -> bytes:
    depth = chance.choice([50, 5_000, 200_000])
    return b"[" * depth + b"]" * depth


def _page(_: bytes, __: random.Random) -> bytes:
    return b'<!doctype html><title>Log in</title>{"status": "healthy"}'


@contextlib.contextmanager
def _serving() -> Iterator[_Server]:
    """Serve the answer of the moment, whatever is asked."""
    said = _Server()

    def behave(connection: socket.socket, _over: threading.Event) -> None:
        read_request(connection)
        connection.sendall(said.answer)

    with serving(behave) as server:
        said.url = server.url
        yield said

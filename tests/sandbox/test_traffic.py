from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from sandbox.systems.service.traffic import CAP_FILE, Generator, Region, TrafficConfig, main
from tests.sandbox.stream_servers import HOST, listening, until
from tests.tables import cases

pytestmark = pytest.mark.anyio
TOKEN = "planted-token"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ERROR = b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"
LAST = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Server:
    """Answers every request with the same bytes and remembers what it was asked."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.requests: list[bytes] = []
        self.connections = 0
        self.port = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while self.answer:
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(self.answer)
                await writer.drain()


@contextlib.asynccontextmanager
async def serving(answer: bytes) -> AsyncIterator[Server]:
    server = Server(answer)
    async with listening(server.handle) as (_, server.port):
        yield server


@contextlib.asynccontextmanager
async def sending(answer: bytes) -> AsyncIterator[tuple[Server, Region]]:
    """Yield a server that answers so, and the traffic to it."""
    async with serving(answer) as server:
        traffic = Region(f"{HOST}:{server.port}", SecretStr(TOKEN))
        yield server, traffic
        traffic.close()


@contextlib.asynccontextmanager
async def generating(folder: Path, *servers: Server) -> AsyncIterator[tuple[Path, Generator]]:
    lease = folder / "lease.json"
    config = TrafficConfig(
        regions={f"r{n}": f"{HOST}:{server.port}" for n, server in enumerate(servers)},
        lease_file=lease,
        token=SecretStr(TOKEN),
    )
    generator = Generator(config)
    running = asyncio.create_task(generator.run())
    try:
        yield lease, generator
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


def grant(lease: Path, rps: float, seconds: float) -> None:
    lease.write_text(json.dumps({"rps": rps, "until": time.time() + seconds}))


async def test_requests_are_tagged_reads_with_the_token_half_of_each_kind() -> None:
    async with sending(OK) as (server, traffic):
        for _ in range(20):
            traffic.advance(10, 0.1)
            await until(lambda: traffic.counts.answered == traffic.counts.sent, "answers")
    kinds = Counter(request.split(b"/")[2][:9] for request in server.requests)
    assert kinds == {b"providers": 10, b"appointme": 10}
    for part in (b"GET ", b"X-Synthetic-Traffic: 1", f"Bearer {TOKEN}".encode()):
        assert all(part in request for request in server.requests)
    assert server.connections == 1


async def test_nothing_is_sent_without_a_lease_and_the_lease_ends(tmp_path: Path) -> None:
    async with (
        serving(OK) as one,
        serving(OK) as two,
        generating(tmp_path, one, two) as (lease, _),
    ):
        lease.write_text('{"rps": 200, "unt')
        await asyncio.sleep(0.2)
        assert not one.requests
        grant(lease, 200, 0.5)
        await until(lambda: one.requests and two.requests, "traffic to both regions")
        await asyncio.sleep(0.7)
        after_the_lease = len(one.requests)
        assert 10 <= after_the_lease <= 160
        await asyncio.sleep(0.2)
        assert len(one.requests) == after_the_lease


async def test_a_cap_beside_the_lease_limits_the_rate(tmp_path: Path) -> None:
    async with serving(OK) as server, generating(tmp_path, server) as (lease, _):
        (tmp_path / CAP_FILE).write_text('{"rps": 5}')
        grant(lease, 500, 1.0)
        await until(lambda: server.requests, "traffic")
        await asyncio.sleep(0.6)
        assert len(server.requests) <= 6


@cases(
    "answer answered server_errors lost",
    {
        "an answer": (OK, 1, 0, 0),
        "a server error": (ERROR, 1, 1, 0),
        "an answer that ends the connection": (LAST, 1, 0, 0),
        "a connection that is closed": (b"", 0, 0, 1),
        "no HTTP": (b"nonsense\r\n\r\n", 0, 0, 1),
    },
)
async def test_what_became_of_a_request_is_counted_and_never_tried_again(
    answer: bytes, answered: int, server_errors: int, lost: int
) -> None:
    async with sending(answer) as (_, traffic):
        traffic.advance(10, 0.1)
        counts = traffic.counts
        await until(lambda: counts.answered + counts.lost == 1, "the request is counted")
        found = (counts.answered, counts.server_errors, counts.lost, counts.sent)
        assert found == (answered, server_errors, lost, 1)


async def test_a_region_that_refuses_is_counted_and_reached_again_when_it_is_back() -> None:
    async with sending(OK) as (server, traffic):
        traffic.port = 1
        traffic.advance(10, 0.1)
        await until(lambda: traffic.counts.lost == 1, "the refusal is counted")
        traffic.port = server.port
        traffic.advance(10, 0.1)
        await until(lambda: traffic.counts.answered == 1, "an answer")


async def test_a_stalled_generator_does_not_catch_up_in_a_burst() -> None:
    async with sending(OK) as (_, traffic):
        traffic.advance(200, 60.0)
        assert traffic.counts.sent <= 20
        await until(lambda: traffic.counts.answered == traffic.counts.sent, "answers")


def test_usage_and_a_bad_file_have_their_codes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "traffic.json"
    path.write_text('{"token": "planted-token"}')
    assert main([]) == 64
    assert main([str(path)]) == 78
    assert "planted-token" not in capsys.readouterr().err

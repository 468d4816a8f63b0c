from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from sandbox.systems.service.traffic import CAP_FILE, Generator, TrafficConfig, _Unhurried, main
from tests.sandbox.stream_servers import HOST, listening, until

TOKEN = "planted-token"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ERROR = b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"
LAST = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


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
async def generating(folder: Path, *servers: Server) -> AsyncIterator[Path]:
    lease = folder / "lease.json"
    config = TrafficConfig(
        regions={f"r{n}": f"{HOST}:{server.port}" for n, server in enumerate(servers)},
        lease_file=lease,
        token=SecretStr(TOKEN),
    )
    running = asyncio.create_task(Generator(config).run())
    try:
        yield lease
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


def grant(lease: Path, rps: float, seconds: float) -> None:
    lease.write_text(json.dumps({"rps": rps, "until": time.time() + seconds}))


@pytest.mark.anyio
async def test_requests_are_tagged_reads_with_the_token_half_of_each_kind(tmp_path: Path) -> None:
    async with serving(OK) as server, generating(tmp_path, server) as lease:
        grant(lease, 40, 0.5)
        await until(lambda: len(server.requests) >= 10, "ten requests")
    kinds = Counter(request.split(b"/")[2][:9] for request in server.requests[:10])
    assert kinds == {b"providers": 5, b"appointme": 5}
    assert all(request.startswith(b"GET ") for request in server.requests)
    assert all(b"X-Synthetic-Traffic: 1" in request for request in server.requests)
    assert all(f"Bearer {TOKEN}".encode() in request for request in server.requests)
    assert server.connections < len(server.requests)


@pytest.mark.anyio
async def test_nothing_is_sent_without_a_lease_and_the_lease_ends(tmp_path: Path) -> None:
    async with (
        serving(OK) as one,
        serving(OK) as two,
        generating(tmp_path, one, two) as lease,
    ):
        lease.write_text('{"rps": 200, "unt')
        await asyncio.sleep(0.3)
        assert not one.requests
        grant(lease, 200, 1.0)
        await until(lambda: one.requests and two.requests, "traffic to both regions")
        await asyncio.sleep(1.2)
        after_the_lease = len(one.requests)
        assert 20 <= after_the_lease <= 240
        await asyncio.sleep(0.3)
        assert len(one.requests) == after_the_lease


@pytest.mark.anyio
async def test_a_cap_beside_the_lease_limits_the_rate(tmp_path: Path) -> None:
    async with serving(OK) as server, generating(tmp_path, server) as lease:
        (tmp_path / CAP_FILE).write_text('{"rps": 5}')
        grant(lease, 500, 1.0)
        await until(lambda: server.requests, "traffic")
        await asyncio.sleep(1.0)
        assert len(server.requests) <= 8


@pytest.mark.parametrize(
    ("answer", "counted"),
    [
        pytest.param(OK, "answered {0} (0 with 5xx), lost 0", id="an answer"),
        pytest.param(ERROR, "answered {0} ({0} with 5xx), lost 0", id="a server error"),
        pytest.param(LAST, "answered {0} (0 with 5xx), lost 0", id="one that ends the connection"),
        pytest.param(b"", "answered 0 (0 with 5xx), lost {0}", id="a connection that is closed"),
        pytest.param(b"nonsense\r\n\r\n", "answered 0 (0 with 5xx), lost {0}", id="no HTTP"),
    ],
)
@pytest.mark.anyio
async def test_what_became_of_the_requests_is_said_when_the_lease_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], answer: bytes, counted: str
) -> None:
    said = ""

    def told() -> bool:
        nonlocal said
        said += capsys.readouterr().err
        return "traffic to r0" in said

    async with serving(answer) as server, generating(tmp_path, server) as lease:
        grant(lease, 20, 0.3)
        await until(told, "the counts are said")
    (sent,) = re.findall(r"sent (\d+),", said)
    assert int(sent) > 0
    assert counted.format(sent) in said


def test_a_stalled_generator_does_not_catch_up_in_a_burst() -> None:
    schedule = _Unhurried(begins_at=0.0, arrivals="uniform", seed=0)
    schedule.set_rate(200, now=0.0)
    assert len(list(schedule.due(1.0))) <= 21
    assert len(list(schedule.due(61.0))) <= 21


def test_usage_and_a_bad_file_have_their_codes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "traffic.json"
    path.write_text('{"token": "planted-token"}')
    assert main([]) == 64
    assert main([str(path)]) == 78
    assert "planted-token" not in capsys.readouterr().err

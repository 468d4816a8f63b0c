"""The load generator: `python -m sandbox.systems.service.traffic CONFIG.json`.

It only reads, and only under a lease.

Configuration: `{"regions": {"eu": "127.0.0.1:1234"}, "lease_file": "...", "token": "..."}`. The lease
file holds `{"rps": 200, "until": unix_time}`, requests a second for each region; `traffic-cap.json`
beside it, `{"rps": 1}`, limits it. Both are looked at ten times a second.

Requests are ready-made bytes on kept-alive connections of the load test: such a client costs a tenth of
an ordinary one. It never tries again; what failed is counted and said when a lease ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import uvloop
from pydantic import Field, SecretStr

from load._engine._wire import Answer, Connection, Trouble
from sandbox.core import standins

if TYPE_CHECKING:
    from collections.abc import Iterator

CAP_FILE = "traffic-cap.json"
_PROVIDERS = 500
_TICK_SECONDS = 0.02
_LEASE_SECONDS = 0.1
_CATCH_UP_SECONDS = 0.1
_MOST_CONNECTIONS = 256
_ANSWER_SECONDS = 10.0
_SERVER_ERROR = 500
_MOST_BYTES = 1_000_000

_Address = Annotated[str, Field(pattern=r"^[0-9.]+:[0-9]+$")]


class TrafficConfig(standins.Configuration):
    """Where the traffic goes, and who allows it."""

    regions: dict[str, _Address] = Field(min_length=1)
    lease_file: Path
    token: SecretStr


@dataclass(slots=True)
class Counts:
    """What became of the requests; `skipped` found no free connection."""

    sent: int = 0
    answered: int = 0
    server_errors: int = 0
    lost: int = 0
    skipped: int = 0

    def __str__(self) -> str:
        return (
            f"sent {self.sent}, answered {self.answered} ({self.server_errors} with 5xx), "
            f"lost {self.lost}, skipped {self.skipped}"
        )


class Region:
    """The traffic to one region: a few connections, more of them only while answers are slow."""

    def __init__(self, address: str, token: SecretStr) -> None:
        host, _, port = address.rpartition(":")
        self.host, self.port = host, int(port)
        self.counts = Counts()
        self._idle: list[Connection] = []
        self._connections: set[Connection] = set()
        self._waiting: dict[Connection, asyncio.TimerHandle] = {}
        self._allowance = 0.0
        self._requests = _requests(address, token)
        self._tasks: set[asyncio.Task[None]] = set()

    def advance(self, requests_per_second: float, seconds: float) -> None:
        """Send what is due after so many more seconds; what could not be sent long ago is let go."""
        most = max(1.0, requests_per_second * _CATCH_UP_SECONDS)
        self._allowance = min(self._allowance + requests_per_second * seconds, most)
        while self._allowance >= 1:
            self._allowance -= 1
            self._send_next()

    def _send_next(self) -> None:
        if self._idle:
            self.counts.sent += 1
            self._ask(self._idle.pop(), next(self._requests))
        elif len(self._connections) + len(self._tasks) < _MOST_CONNECTIONS:
            self.counts.sent += 1
            task = asyncio.get_running_loop().create_task(self._connect(next(self._requests)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            self.counts.skipped += 1

    async def _connect(self, request: bytes) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                _, connection = await loop.create_connection(
                    lambda: Connection(self._answered, self._gone, most_bytes=_MOST_BYTES),
                    self.host,
                    self.port,
                )
        except OSError:  # a timeout is one too
            self.counts.lost += 1
        else:
            self._connections.add(connection)
            self._ask(connection, request)

    def _ask(self, connection: Connection, request: bytes) -> None:
        timeout = asyncio.get_running_loop().call_later
        self._waiting[connection] = timeout(_ANSWER_SECONDS, connection.give_up, Trouble.TIMEOUT)
        connection.ask(request)

    def _answered(self, connection: Connection, answer: Answer) -> None:
        """Count an answer, or one that will not come, and keep the connection."""
        self._waiting.pop(connection).cancel()
        self.counts.answered += answer.status is not None
        self.counts.lost += answer.status is None
        self.counts.server_errors += (answer.status or 0) >= _SERVER_ERROR
        if connection.usable:
            self._idle.append(connection)

    def _gone(self, connection: Connection) -> None:
        self._connections.discard(connection)
        with contextlib.suppress(ValueError):
            self._idle.remove(connection)

    def close(self) -> None:
        """Close every connection at once."""
        for task in tuple(self._tasks):
            task.cancel()
        for connection in tuple(self._connections):
            connection.close()


def _requests(address: str, token: SecretStr) -> Iterator[bytes]:
    """Return every read of the mix in turn, without end: half look-ups, half lists."""
    head = (
        f" HTTP/1.1\r\nHost: {address}\r\nX-Synthetic-Traffic: 1\r\n"
        f"Authorization: Bearer {token.get_secret_value()}\r\n\r\n"
    )
    paths = ("/v1/providers/{0}", "/v1/appointments?providerId={0}")
    return itertools.cycle(
        [
            f"GET {path.format(number)}{head}".encode()
            for number in range(1, _PROVIDERS + 1)
            for path in paths
        ]
    )


class Generator:
    """Sends to every region while there is a lease."""

    def __init__(self, config: TrafficConfig) -> None:
        self._config = config
        self.regions = {
            name: Region(address, config.token) for name, address in config.regions.items()
        }
        self._rate = 0.0

    async def run(self) -> None:
        """Send at the leased rate until cancelled."""
        try:
            await self._send()
        finally:
            for region in self.regions.values():
                region.close()

    async def _send(self) -> None:
        last = read_at = 0.0
        while True:
            now = time.monotonic()
            if now - read_at >= _LEASE_SECONDS:
                self._follow(self._leased_rate())
                read_at = now
            if self._rate:
                for region in self.regions.values():
                    region.advance(self._rate, now - last)
            last = now
            await asyncio.sleep(_TICK_SECONDS if self._rate else _LEASE_SECONDS)

    def _follow(self, rate: float) -> None:
        if self._rate and not rate:
            for name, region in self.regions.items():
                sys.stderr.write(f"traffic to {name}: {region.counts}\n")
            sys.stderr.flush()
        self._rate = rate

    def _leased_rate(self) -> float:
        """Return the requests a second that are allowed now; none without a valid lease."""
        lease = _numbers(self._config.lease_file)
        if lease.get("until", 0.0) <= time.time():
            return 0.0
        cap = _numbers(self._config.lease_file.with_name(CAP_FILE)).get("rps")
        rate = lease.get("rps", 0.0)
        return max(0.0, rate if cap is None else min(rate, cap))


def _numbers(path: Path) -> dict[str, float]:
    """Return the numbers of a small JSON file; nothing when it is missing or half written."""
    try:
        content = json.loads(path.read_bytes())
        return {name: float(value) for name, value in content.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


async def _serve(config: TrafficConfig) -> None:
    running = asyncio.create_task(Generator(config).run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await running


def main(arguments: list[str]) -> int:
    """Run until told to stop; 64 without a file, 78 when it cannot be used."""
    return standins.run(arguments, TrafficConfig, lambda config: uvloop.run(_serve(config)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The load generator: `python -m sandbox.systems.service.traffic CONFIG.json`.

It only reads, and only under a lease.

Configuration: `{"regions": {"eu": "127.0.0.1:1234"}, "lease_file": "...", "token": "...", "rate_cap":
null}`. The lease file holds `{"rps": 200, "until": unix_time}`, requests a second for each region;
`traffic-cap.json` beside it, `{"rps": 1}`, limits it. Both are looked at ten times a second.

The load test's engine sends: ready-made bytes on kept-alive connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import uvloop
from pydantic import Field, SecretStr

from load._engine._engine import Address, Engine, Limits, Request
from load._engine._schedule import Schedule
from load._engine._tally import Tally
from sandbox.core import configured

CAP_FILE = "traffic-cap.json"
_PROVIDERS = 500
_LEASE_SECONDS = 0.1
_CATCH_UP_SECONDS = 0.1
_LAST_ANSWERS_SECONDS = 1.0
_LIMITS = Limits(connections=256, waiting=20, deadline_seconds=10.0)
_SERVER_ERROR = 500

_Address = Annotated[str, Field(pattern=r"^[0-9.]+:[0-9]+$")]


class TrafficConfig(configured.Configuration):
    """Where the traffic goes, and who allows it."""

    regions: dict[str, _Address] = Field(min_length=1)
    lease_file: Path
    token: SecretStr
    rate_cap: float | None = Field(default=None, ge=0)


def _requests(address: str, token: SecretStr) -> Iterator[Request]:
    """Return every read of the mix in turn, without end: half look-ups, half lists."""
    head = (
        f" HTTP/1.1\r\nHost: {address}\r\nX-Synthetic-Traffic: 1\r\n"
        f"Authorization: Bearer {token.get_secret_value()}\r\n\r\n"
    )
    paths = ("/v1/providers/{0}", "/v1/appointments?providerId={0}")
    return itertools.cycle(
        [
            Request("read", f"GET {path.format(number)}{head}".encode())
            for number in range(1, _PROVIDERS + 1)
            for path in paths
        ]
    )


class _Unhurried(Schedule):
    """A schedule that lets go of what a stalled process could not send long ago."""

    def due(self, now: float) -> Iterator[float]:
        """Yield what is due up to now, and no more of it than of the last moment."""
        self.set_rate(self._rate, now=now - _CATCH_UP_SECONDS)
        return super().due(now)


class Generator:
    """Sends to every region while there is a lease; what failed is counted and said when it ends."""

    def __init__(self, config: TrafficConfig) -> None:
        self._config = config

    async def run(self) -> None:
        """Send at the leased rate until cancelled."""
        while True:
            if self._leased_rate():
                await self._send()
            await asyncio.sleep(_LEASE_SECONDS)

    async def _send(self) -> None:
        """Send to every region, by an engine for each, until the lease has run out."""
        schedule = {
            region: _Unhurried(begins_at=time.monotonic(), arrivals="uniform", seed=0)
            for region in self._config.regions
        }
        engines = {
            region: Engine(_address(address), schedule[region], self._drawing(address), _LIMITS)
            for region, address in self._config.regions.items()
        }
        sending = [asyncio.create_task(engine.run()) for engine in engines.values()]
        try:
            while rate := self._leased_rate():
                for one in schedule.values():
                    one.set_rate(rate, now=time.monotonic())
                await asyncio.sleep(_LEASE_SECONDS)
            for engine in engines.values():
                engine.stop()
            await asyncio.wait(sending, timeout=_LAST_ANSWERS_SECONDS)
        finally:
            for task in sending:
                task.cancel()
            await asyncio.gather(*sending, return_exceptions=True)
            for region, engine in engines.items():
                sys.stderr.write(f"traffic to {region}: {_counts(engine)}\n")
            sys.stderr.flush()

    def _drawing(self, address: str) -> Callable[[], Request]:
        requests = _requests(address, self._config.token)
        return lambda: next(requests)

    def _leased_rate(self) -> float:
        """Return the requests a second that are allowed now; none without a valid lease."""
        lease = _numbers(self._config.lease_file)
        if lease.get("until", 0.0) <= time.time():
            return 0.0
        cap = _numbers(self._config.lease_file.with_name(CAP_FILE)).get("rps")
        limits = [limit for limit in (cap, self._config.rate_cap) if limit is not None]
        return max(0.0, min([lease.get("rps", 0.0), *limits]))


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return Address(host, int(port))


def _counts(engine: Engine) -> str:
    """Return what became of the requests; what was dropped found no free connection in time."""
    tally = engine.drain().get(0, Tally())
    statuses = tally.endpoint("read").statuses
    answered = statuses.total()
    errors = sum(count for status, count in statuses.items() if status >= _SERVER_ERROR)
    return (
        f"sent {tally.sent}, answered {answered} ({errors} with 5xx), "
        f"lost {tally.sent - answered}, dropped {tally.dropped}"
    )


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
    return configured.run(arguments, TrafficConfig, lambda config: uvloop.run(_serve(config)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

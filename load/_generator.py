"""One worker's engines, one for each region, in a native thread; and a null server to measure them."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import gevent
import uvloop

from load._engine._engine import (
    Address,
    Closed,
    Engine,
    Limits,
    Request,
    Schedule,
    unix_offset_seconds,
)
from load._engine._tally import Tally
from load._run import Place, Setting
from load._scenario import Ask, Expect, LoadError, Target
from probes.network import tls_context

_PORTS = {"http": 80, "https": 443}
_START_SECONDS = 10.0
_SPARE_SECONDS = 5.0
"""Over the deadline of the last request, before a stop is given up."""


@dataclasses.dataclass(frozen=True, slots=True)
class Lane:
    """Where one engine sends, and what."""

    address: Address
    draw: Callable[[], Request]
    seed: str


def address_of(target: Target) -> Address:
    """Return where a target's base URL leads; its path stands before each request's own."""
    parts = urlsplit(target.address)
    tls = tls_context(target.ca_file) if parts.scheme == "https" else None
    return Address(parts.hostname or "", parts.port or _PORTS[parts.scheme], tls)


class Generator:
    """Sends from `start` to `stop`. All but the engines themselves is called from Locust's side."""

    def __init__(self, lanes: Mapping[str, Lane], setting: Setting) -> None:
        self._lanes, self._setting = lanes, setting
        self._engines: dict[str, Engine] = {}
        self._models: dict[str, Schedule | Closed] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: Any = None
        self._stopping = False

    def start(self) -> None:
        """Start the loop, with nothing due yet; raises LoadError."""
        self._thread = gevent.get_hub().threadpool.spawn(self._main)
        give_up_at = time.monotonic() + _START_SECONDS
        while self._loop is None:
            if self._thread.ready() or time.monotonic() > give_up_at:
                raise LoadError(f"the engine did not start{self._why()}")
            gevent.sleep(0.005)

    def set(self, stage: int, amount: float) -> None:
        """From now on requests belong to a stage, and its rate (closed: its connections) is shared out."""
        if self._loop is not None and not self._thread.ready():
            self._loop.call_soon_threadsafe(self._set, stage, amount)

    def drain(self) -> dict[Place, Tally]:
        """Take away what was counted since the last call, by stage and region."""
        return {
            (stage, region): tally
            for region, engine in tuple(self._engines.items())
            for stage, tally in engine.drain().items()
        }

    @property
    def in_flight(self) -> int:
        """Return how many requests have no answer yet."""
        return sum(engine.in_flight for engine in self._engines.values())

    @property
    def broke(self) -> str:
        """Return why it ended without being stopped; empty while it runs or after a good end."""
        return self._why() if self._thread is not None and self._thread.ready() else ""

    def stop(self) -> None:
        """Ask for nothing more and wait for the last answers; raises LoadError if it broke."""
        self._stopping = True
        if self._thread is None:
            return
        for engine in self._engines.values():
            engine.stop()
        self._thread.wait(timeout=self._setting.deadline_seconds + _SPARE_SECONDS)
        if not self._thread.ready():
            raise LoadError("the engine did not end")
        if why := self._why():
            raise LoadError(f"the engine broke{why}")

    def _why(self) -> str:
        failed = self._thread.exception if self._thread.ready() else None
        return f": {type(failed).__name__}: {failed}" if failed is not None else ""

    def _main(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._run())

    async def _run(self) -> None:
        now, setting = time.monotonic(), self._setting
        limits = Limits(connections=setting.connections, deadline_seconds=setting.deadline_seconds)
        for region, lane in self._lanes.items():
            model = self._model(lane.seed, now)
            self._models[region] = model
            self._engines[region] = Engine(
                lane.address, model, lane.draw, limits,
                offset_seconds=unix_offset_seconds(),
            )  # fmt: skip
            if self._stopping:
                self._engines[region].stop()
        running = [asyncio.create_task(engine.run()) for engine in self._engines.values()]
        self._loop = asyncio.get_running_loop()
        try:
            await asyncio.gather(*running)
        finally:
            # One that broke takes the others along: half of a load proves nothing.
            for engine in self._engines.values():
                engine.stop()
            await asyncio.gather(*running, return_exceptions=True)

    def _model(self, seed: str, now: float) -> Schedule | Closed:
        if self._setting.plan.model == "closed":
            return Closed(0)
        return Schedule(begins_at=now, arrivals=self._setting.plan.arrivals, seed=seed)

    def _set(self, stage: int, amount: float) -> None:
        now = time.monotonic()
        for place, (region, engine) in enumerate(self._engines.items()):
            engine.set_stage(stage)
            model = self._models[region]
            if isinstance(model, Schedule):
                model.set_rate(amount / len(self._engines), now=now)
            else:
                # Whole connections: what is left over goes to the first ones.
                each, left = divmod(round(amount), len(self._engines))
                model.set_connections(each + (place < left))


_FILLER = "x" * 60


def answers(kinds: Sequence[Ask]) -> list[dict[str, Any]]:
    """Return a right answer to each kind of request, made of what the kind expects."""
    return [{"status": ask.expect.status, "body": _body(ask.expect)} for ask in kinds]


def _body(expect: Expect) -> Mapping[str, object]:
    made: dict[str, object] = dict.fromkeys(expect.present, _FILLER)
    return {**made, **expect.equal}


@contextlib.contextmanager
def null_server(kinds: Sequence[Ask] = (), *manners: str) -> Iterator[str]:
    """Run a null server in a process of its own, with options of its own; yields its address.

    Raises OSError.
    """
    with tempfile.TemporaryDirectory(prefix="null-server-") as folder:
        file = pathlib.Path(folder) / "answers.json"
        file.write_text(json.dumps(answers(kinds)), encoding="utf-8")
        module = (sys.executable, "-m", f"{__package__}._engine._null_server")
        with subprocess.Popen(  # noqa: S603 - our own module
            [*module, "--answers", str(file), "--until-eof", *manners],
            stdin=subprocess.PIPE,  # it ends with this process, however that ends
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for us: it is still asked while we end
            cwd=pathlib.Path(__file__).parent.parent,
        ) as server:
            try:
                address = server.stdout.readline().strip() if server.stdout is not None else ""
                if not address.startswith("http"):
                    raise OSError(5, "the null server did not start")
                yield address
            finally:
                server.terminate()

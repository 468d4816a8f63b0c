"""A worker of a load run: prepares the scenario, drives the engines, tells the master what they counted."""

from __future__ import annotations

import contextlib
import itertools
import logging
import pathlib
import resource
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import gevent

from gates.decide.plain_text import one_line
from load._engine._engine import unix_offset_seconds
from load._engine._tally import Tally
from load._generator import Generator, Lane, address_of, null_server
from load._run import PART, READY, Moment, Part, Place, Setting
from load._scenario import Ask, Draws, LoadError, Scenario, Target, Writer

PULSE_SECONDS = 0.25
PULSES_A_PART = 4
SILENT_SECONDS = 10.0
"""A master tells each second that it is there. Nobody leads a worker that has not heard it for so long."""
_LOG = logging.getLogger(__name__)

Send = Callable[[str, dict[str, Any]], None]
Counted = Callable[[Mapping[Place, Tally]], None]


class Worker:
    """One process that sends: a worker of a master, or the only one of a local run."""

    def __init__(
        self,
        *,
        name: Callable[[], str],
        scenarios: Callable[[], list[Scenario]],
        tokens: Callable[[], int],
        send: Send,
        counted: Counted,
        silent_seconds: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """Take what Locust knows: classes, users that run here, how to tell the master, its silence."""
        self._called, self._name = name, ""
        self._scenarios, self._tokens = scenarios, tokens
        self._send, self._counted, self._silent_seconds = send, counted, silent_seconds
        self._setting: Setting | None = None
        self._generator: Generator | None = None
        self._preparing: Any = None
        self._pulse: Any = None
        self._stage, self._per_token = 0, 0.0
        self._sequence = 0
        self._moments: list[Moment] = []
        self._pending: dict[Place, Tally] = {}
        self._throttled_before = 0
        self._longest_lag_seconds = 0.0
        self._offset_seconds = unix_offset_seconds()
        self._finished = True

    def arm(self, data: Mapping[str, Any]) -> None:
        """Take the setting of a run that is about to start (the master's message)."""
        self._setting = Setting.from_record(data)

    def begin(self) -> None:
        """Prepare, then wait for the first stage; Locust has started the test."""
        if self._setting is not None:
            setting, self._setting = self._setting, None
            self._name = self._called()
            self._finished = False
            self._stage, self._per_token, self._sequence = 0, 0.0, 0
            self._offset_seconds = unix_offset_seconds()
            self._preparing = gevent.spawn(self._begin, setting)

    def set_stage(self, data: Mapping[str, Any]) -> None:
        """Begin a stage (the master's message)."""
        self._stage, self._per_token = int(data["number"]), float(data["per_token"])
        self._apply()

    def stop(self) -> None:
        """Send no more, prepare nothing more, wait for the last answers, and tell the rest; once."""
        if self._setting is not None:
            # Told of a run, and stopped before it had begun here.
            self._setting, self._name, self._finished, self._sequence = (
                None,
                self._called(),
                False,
                0,
            )
        if self._finished:
            return
        self._finished = True
        broke = ""
        for one in (self._preparing, self._pulse):
            if one is not None:
                one.kill()
        self._preparing = self._pulse = None
        if self._generator is not None:
            try:
                self._generator.stop()
            except LoadError as exc:
                broke = str(exc)
            self._collect()
        self._tell(final=True, broke=broke)
        self._generator = None

    def _begin(self, setting: Setting) -> None:
        try:
            calibration = self._calibrate(setting)
            generator = _started(self._lanes(setting, setting.targets), setting)
        except Exception as exc:  # noqa: BLE001 - also a scenario's own mistakes: the master waits for a word
            self._send(READY, {"worker": self._name, "error": told(exc)})
            return
        self._throttled_before = throttled_periods()
        self._generator = generator
        self._pulse = gevent.spawn(self._beat)
        ready = {
            "worker": self._name,
            "error": "",
            "calibration": calibration,
            "clock": self._now(),
        }
        self._send(READY, ready)

    def _lanes(self, setting: Setting, targets: tuple[Target, ...]) -> dict[str, Lane]:
        """Prepare the scenario for each region; raises LoadError."""
        lanes = {}
        for target in targets:
            seed = f"{setting.plan.seed}/{self._index}/{target.region}"
            users = prepared(self._scenarios(), target, seed)
            draws = Draws(users, seed=f"{seed}/draws")
            lanes[target.region] = _lane(target, draws, setting, seed)
        return lanes

    @property
    def _index(self) -> str:
        """Which worker this is: the same when a run is repeated, and so a part of each seed."""
        return self._name.rpartition("#")[2]

    def _calibrate(self, setting: Setting) -> dict[str, object] | None:
        """Measure these engines against a server that does nothing; returns its tally's record."""
        if setting.calibrate_seconds <= 0:
            return None
        with null_server(kinds(self._scenarios())) as url:
            target = Target(region="null", address=url, tag=setting.run, imitated=True)
            generator = _started(self._lanes(setting, (target,)), setting)
            try:
                generator.set(0, setting.calibrate_amount)
                gevent.sleep(setting.calibrate_seconds)
            finally:
                generator.stop()
            return Tally.whole(generator.drain().values()).record()

    def _now(self) -> float:
        return time.monotonic() + self._offset_seconds

    def _apply(self) -> None:
        if self._generator is not None:
            self._generator.set(self._stage, self._tokens() * self._per_token)

    def _beat(self) -> None:
        """Follow the number of users, hand counts on, and note how this process is."""
        usage = _Usage(self._offset_seconds)
        began = time.monotonic()
        for beat in itertools.count(1):
            # Not a quarter after the last one, but at its own time: no second is left out.
            gevent.sleep(max(0.0, began + beat * PULSE_SECONDS - time.monotonic()))
            self._apply()
            self._collect()
            if beat % PULSES_A_PART == 0:
                self._moments.append(usage.moment(self._generator, self._longest_lag_seconds))
                self._longest_lag_seconds = 0.0
                broke = self._generator.broke if self._generator is not None else ""
                self._tell(broke=broke)
            if self._silent_seconds() > SILENT_SECONDS:
                _LOG.error("Load: the master is silent; nothing more is sent")
                gevent.spawn(self.stop)

    def _collect(self) -> None:
        if self._generator is None:
            return
        drained = self._generator.drain()
        lags = [
            second.longest_lag_seconds
            for one in drained.values()
            for second in one.seconds.values()
        ]
        self._longest_lag_seconds = max([self._longest_lag_seconds, *lags])
        if drained:
            self._counted(drained)
            for place, tally in drained.items():
                self._pending.setdefault(place, Tally()).merge(tally)

    def _tell(self, *, final: bool = False, broke: str = "") -> None:
        part = Part(
            worker=self._name,
            sequence=self._sequence,
            clock=self._now(),
            tallies=tuple(self._pending.items()),
            moments=tuple(self._moments),
            peak_rss_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            throttled_periods=throttled_periods() - self._throttled_before,
            final=final,
            broke=broke,
        )
        self._sequence += 1
        self._pending, self._moments = {}, []
        try:
            self._send(PART, part.record())
        except Exception as exc:  # noqa: BLE001 - a lost part is seen by its number, and judged
            _LOG.error("a part of the load's counts could not be sent: %s", exc)


class _Usage:
    """How busy this process is, second by second."""

    def __init__(self, offset_seconds: float) -> None:
        self._offset_seconds = offset_seconds
        self._at, self._cpu_seconds = time.monotonic(), time.process_time()

    def moment(self, generator: Generator | None, lag_seconds: float) -> Moment:
        """Return what was used since the last call."""
        now, cpu_seconds = time.monotonic(), time.process_time()
        share = (cpu_seconds - self._cpu_seconds) / max(1e-6, now - self._at)
        self._at, self._cpu_seconds = now, cpu_seconds
        in_flight = generator.in_flight if generator is not None else 0
        return Moment(int(now + self._offset_seconds), share, in_flight, lag_seconds)


def _lane(target: Target, draws: Draws, setting: Setting, seed: str) -> Lane:
    address = address_of(target)
    writer = Writer(target.address, headers=dict(setting.headers))
    numbers = (
        {ask.name: number for number, ask in enumerate(draws.kinds())} if target.imitated else {}
    )

    def draw() -> Any:
        ask = draws.next()
        return writer.request(ask, numbers.get(ask.name))

    return Lane(address, draw, seed)


def prepared(scenarios: list[Scenario], target: Target, seed: str) -> list[Scenario]:
    """Return scenarios that are ready for a target; raises LoadError."""
    if not scenarios:
        raise LoadError("no scenario of this load test was chosen; name its User class")
    for one in scenarios:
        one.begin(seed=f"{seed}/{type(one).__name__}")
        one.prepare(target)
    return scenarios


def kinds(scenarios: list[Scenario]) -> list[Ask]:
    """Return one request of each task, made for a server that only imitates the platform."""
    target = Target(region="null", address="", tag="", imitated=True)
    return Draws(prepared(scenarios, target, "kinds"), seed="kinds").kinds()


def _started(lanes: Mapping[str, Lane], setting: Setting) -> Generator:
    """Return a generator that runs; raises LoadError."""
    generator = Generator(lanes, setting)
    try:
        generator.start()
    except BaseException:
        # Whoever was told to stop meanwhile leaves no thread behind.
        generator.stop()
        raise
    return generator


_FILES = ("/sys/fs/cgroup/cpu.stat", "/sys/fs/cgroup/cpu/cpu.stat")


def throttled_periods(files: tuple[str, ...] = _FILES) -> int:
    """Return in how many periods so far; 0 where no control group tells."""
    for file in files:
        with contextlib.suppress(OSError, ValueError):
            for line in pathlib.Path(file).read_text(encoding="ascii").splitlines():
                name, _, value = line.partition(" ")
                if name == "nr_throttled":
                    return int(value)
    return 0


def told(exc: Exception, *sentences: type[Exception]) -> str:
    """Return an error in words: our own are sentences, another's mistake needs its kind and place."""
    if isinstance(exc, (LoadError, OSError, *sentences)):
        return one_line(str(exc))
    frames = traceback.extract_tb(exc.__traceback__)
    where = f" in {frames[-1].name}, line {frames[-1].lineno}" if frames else ""
    return one_line(f"{type(exc).__name__}{where}: {exc}")

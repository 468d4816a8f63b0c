"""Figures of the watch: instants and history against promtool, memory, time to the exit, processor time."""

from __future__ import annotations

import datetime as dt
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench import Figure
from bench.gate import answered, local_platform, processor_seconds
from gates.decide.trigger import Clock
from gates.load import ROOT
from steps.replay.past import replayed
from steps.watch.asking import Condition, Seen
from steps.watch.rules import Track
from tests.gates.decide import promtool

SERIES, DAYS, TRIGGERS, STEPS = 10_000, 30, 6, 10_000
FOR_SECONDS, GAP_SECONDS = 300.0, 45.0
_SETTLED = 1_000
"""Looks after which a process has all that it needs."""
_LOCAL_EVERY_SECONDS = 1.0
"""Between two evaluations where times are short."""
_EVERY_SECONDS = float(promtool.EVERY_SECONDS)
_LOCAL = ("watch", "--env", "local", "--for")


def figures() -> Iterator[Figure]:
    """Yield the figures that need no platform, then those of the local one."""
    chance = random.Random(15)  # noqa: S311 - cases, no secrets
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        at = pathlib.Path(folder)
        yield Figure(
            f"of {SERIES:,} series, other instants than promtool's", _unlike(at, chance), 0, ""
        )
        yield from _history(at, chance)
    yield Figure(
        f"memory of a watch, from {_SETTLED:,} to {STEPS:,} steps, grew by", _grew(), 1, "MB"
    )
    with local_platform() as environment:
        yield Figure(
            "processor time of a watch of two regions", _busy(environment), 5, "% of a core"
        )
        name = "from the time that a trigger's condition had lasted long enough to the exit"
        yield Figure(name, _exit_seconds(environment), _LOCAL_EVERY_SECONDS + 2, "s")


def _unlike(folder: pathlib.Path, chance: random.Random) -> float:
    """Return in how many of the series the clock and promtool differ, or more: a group of them at once."""
    tool, unlike = promtool.find(), 0
    for _ in range(SERIES // promtool.SERIES):
        waits, keeps = chance.randint(0, 8), chance.randint(0, 4)
        unlike += promtool.differ(tool, folder, chance, waits, keeps) is not None
    return float(unlike * promtool.SERIES)


def _history(folder: pathlib.Path, chance: random.Random) -> Iterator[Figure]:
    """Yield the time to replay a month, and how many times longer promtool takes for the same series."""
    steps = int(DAYS * 86_400 / _EVERY_SECONDS)
    series = [_shares(chance, steps) for _ in range(TRIGGERS)]
    times = [number * _EVERY_SECONDS for number in range(steps)]
    began = time.perf_counter()
    found = [_alarms(times, one) for one in series]
    own = time.perf_counter() - began
    name = f"backtest of {DAYS} days at {_EVERY_SECONDS:.0f} s, {TRIGGERS} triggers, one region"
    yield Figure(name, own, 5, "s")
    firing = {steps - 1: [at for at, fires in enumerate(found) if fires[-1]]}
    began = time.perf_counter()
    differs = promtool.disagrees(
        promtool.find(),
        folder,
        for_seconds=FOR_SECONDS,
        keep_seconds=0,
        series=[[f"{share * 100:.3f}" for share in one] for one in series],
        firing=firing,
    )
    theirs = time.perf_counter() - began
    if differs is not None:
        raise RuntimeError(f"promtool says otherwise: {differs}")
    yield Figure(
        "promtool test rules on the same series takes", theirs / own, 10, "x", at_least=True
    )


def _shares(chance: random.Random, steps: int) -> list[float]:
    """Return a share of bad events for each step: mostly under 1 %, now and then over it for a while."""
    bad, shares = False, []
    for _ in range(steps):
        bad = bad != (chance.random() < (0.05 if bad else 0.0005))
        shares.append(chance.uniform(0.02, 0.05) if bad else chance.uniform(0, 0.005))
    return shares


def _alarms(times: Sequence[float], shares: Sequence[float]) -> tuple[bool, ...]:
    """Replay one trigger; the last is whether it fires at the end."""
    clock = Clock(FOR_SECONDS, GAP_SECONDS)
    seen = ((at, share > 0.01) for at, share in zip(times, shares, strict=True))  # noqa: PLR2004 - the runbook's limit
    alarms, state = replayed(clock, seen, lambda _: True)
    return (bool(alarms), state.fired_at is not None)


class _Steady(Condition):
    """A condition that holds now and then, and that has no answer now and then."""

    subject, for_seconds = "Error rate", FOR_SECONDS
    limit = 0.01

    def ask(self, times: Sequence[float], now: float) -> tuple[Seen, ...]:
        """Answer for each time, but for every fiftieth when it is asked first."""
        return tuple(self._seen(at, now) for at in times)

    def _seen(self, at: float, now: float) -> Seen:
        number = int(at / _EVERY_SECONDS)
        if number % 50 == 0 and at == now:
            return Seen(at, "Prometheus is unreachable")
        share = 0.02 if number % 90 < 5 else 0.001  # noqa: PLR2004 - bad for five evaluations in ninety
        return Seen(at, f"{share:.2%} of 9,000", share > self.limit, share)


def _grew() -> float:
    """Return by how many megabytes the process grows while it watches six conditions."""
    tracks = [
        Track((f"TRIG-{number}", "eu", "x"), Clock(FOR_SECONDS, GAP_SECONDS), _Steady())
        for number in range(TRIGGERS)
    ]
    before = 0.0
    for number in range(1, STEPS + 1):
        for track in tracks:
            track.look([number * _EVERY_SECONDS])
        if number == _SETTLED:
            before = _resident_megabytes()
    return _resident_megabytes() - before


def _resident_megabytes() -> float:
    pages = int(pathlib.Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _busy(environment: Mapping[str, str]) -> float:
    """Return what an evaluation takes of the processor, in percent of the 15 s until the next one.

    What a longer watch takes more than a short one: starting and judging are not its evaluations.
    """
    took = []
    for seconds in (20, 60):
        before = processor_seconds()
        answered(*_LOCAL, f"{seconds}s", environment=environment)
        took.append(processor_seconds() - before)
    evaluations = (60 - 20) / _LOCAL_EVERY_SECONDS
    return 100 * (took[1] - took[0]) / evaluations / _EVERY_SECONDS


def _exit_seconds(environment: Mapping[str, str]) -> float:
    """Return how long after a trigger's time was full the process had ended with 10."""
    folder = pathlib.Path(sys.executable).parent
    command = [f"{folder}/gate", *_LOCAL, "60s", "--output", "json"]
    with subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE) as watch:  # noqa: S603 - our own command
        time.sleep(10)
        fault = [f"{folder}/sandbox", "fault", "apply", "errors-3-percent"]
        subprocess.run(fault, env=environment, cwd=ROOT, check=True, capture_output=True)  # noqa: S603 - our own command
        said, _ = watch.communicate()
        ended = time.time()
    if watch.returncode != 10:  # noqa: PLR2004 - ROLLBACK
        raise RuntimeError(f"the watch ended with {watch.returncode}")
    full = min(_full_at(json.loads(said)))
    return ended - full


def _full_at(value: Any) -> Iterator[float]:
    """Yield when each condition that fired had held for as long as it must."""
    if isinstance(value, dict):
        if value.get("fired_at") and value.get("first_bad_at"):
            first = dt.datetime.fromisoformat(value["first_bad_at"]).timestamp()
            yield first + value["for_seconds"]
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _full_at(one)

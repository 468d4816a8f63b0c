"""Proofs on whole runs of the gate: killed at any moment, and again and again on a healthy platform."""

from __future__ import annotations

import contextlib
import os
import pathlib
import random
import signal
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from prove.proof import Cases
from sandbox.core.state import StateDirectory
from tests.gates.process.gates import Gate, copy_of_checkout
from tests.gates.process.kills import POST_DEPLOY, Kill, broken_promises, kill
from tests.sandbox.platforms import Sandbox

KILLS = "a run killed at any moment is never GO, loses no evidence and leaves no process"
HEALTHY = "the gate says GO about a healthy platform, run after run"
SIDE_BY_SIDE = 3
LAST_LINE = 35
"""The lines of a run but its last one: then there is nothing to kill any more."""
LONGEST_DELAY_SECONDS = 3.0
KINDS = (
    ("gate", signal.SIGTERM),
    ("gate", signal.SIGINT),
    ("gate", signal.SIGHUP),
    ("gate", signal.SIGKILL),
    ("child", signal.SIGKILL),
    ("child", signal.SIGTERM),
)


def killed(seed: int) -> Cases:
    """Yield killed runs, a few at a time; each cleans up what the one before it left."""
    chance = random.Random(seed)  # noqa: S311 - cases, no secrets
    with _platform(SIDE_BY_SIDE) as (gates, platform), ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        while True:
            kills = [_any_kill(chance) for _ in gates]
            yield from pool.map(_broken, gates, kills, [platform] * len(gates))


def _any_kill(chance: random.Random) -> Kill:
    victim, sent = chance.choice(KINDS)
    lines = chance.randint(-1 if victim == "gate" else 0, LAST_LINE)
    return Kill(victim, sent, lines, round(chance.uniform(0, LONGEST_DELAY_SECONDS), 2))


def _broken(gate: Gate, one: Kill, platform: Sandbox) -> str | None:
    try:
        broken = broken_promises(kill(gate, one), platform)
    except (AssertionError, OSError, ValueError, KeyError) as exc:
        broken = [f"{type(exc).__name__}: {exc}"]
    return f"{one}: {'; '.join(broken)}" if broken else None


def healthy(_seed: int) -> Cases:
    """Yield one whole run after the other; there is nothing to choose by a seed."""
    with _platform(1) as ([gate], _):
        while True:
            done = gate.run(*POST_DEPLOY)
            verdict = gate.verdict()
            if done.returncode == 0 and verdict["decision"] == "GO":
                yield None
                continue
            reasons = [f"{r['check']} {r['region']} {r['sentence']}" for r in verdict["reasons"]]
            load = f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
            yield f"{verdict['decision']}, {done.returncode}, {load}: {'; '.join(reasons)}"


@contextlib.contextmanager
def _platform(gates: int) -> Iterator[tuple[list[Gate], Sandbox]]:
    """Bring a platform up and give gates of copied checkouts; all are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="prove-") as folder:
        base = pathlib.Path(folder)
        platform = Sandbox(StateDirectory(base / "state"))
        up = platform.run("up", "--owner", str(os.getpid()))
        if up.returncode != 0:
            raise RuntimeError(f"the platform did not come up: {up.stderr}")
        try:
            copies = [copy_of_checkout(base / f"checkout-{number}") for number in range(gates)]
            yield [Gate(checkout, platform.state.path) for checkout in copies], platform
        finally:
            platform.run("down")

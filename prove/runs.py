"""Proofs on whole runs of the gate: killed at any moment, and again and again on a healthy platform."""

from __future__ import annotations

import contextlib
import os
import pathlib
import random
import signal
import tempfile
from collections.abc import Iterator

from prove.proof import Cases
from sandbox.state import StateDirectory
from tests.gates.process.gates import Gate, copy_of_checkout
from tests.gates.process.kills import POST_DEPLOY, Kill, broken_promises, kill
from tests.sandbox.platforms import Sandbox

KILLS = "a run killed at any moment is never GO, loses no evidence and leaves no process"
HEALTHY = "the gate says GO about a healthy platform, run after run"
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
    """Yield one killed run after the other; each cleans up what the one before left."""
    chance = random.Random(seed)  # noqa: S311 - cases, no secrets
    with _platform() as (gate, platform):
        while True:
            victim, sent = chance.choice(KINDS)
            lines = chance.randint(-1 if victim == "gate" else 0, LAST_LINE)
            one = Kill(victim, sent, lines, round(chance.uniform(0, LONGEST_DELAY_SECONDS), 2))
            try:
                broken = broken_promises(kill(gate, one), platform)
            except (AssertionError, OSError, ValueError, KeyError) as exc:
                broken = [f"{type(exc).__name__}: {exc}"]
            yield f"{one}: {'; '.join(broken)}" if broken else None


def healthy(_: int) -> Cases:
    """Yield one whole run after the other; there is nothing to choose by a seed."""
    with _platform() as (gate, _platform_up):
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
def _platform() -> Iterator[tuple[Gate, Sandbox]]:
    """Bring a platform up and give a gate of a copied checkout; both are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="prove-") as folder:
        base = pathlib.Path(folder)
        platform = Sandbox(StateDirectory(base / "state"))
        up = platform.run("up", "--owner", str(os.getpid()))
        if up.returncode != 0:
            raise RuntimeError(f"the platform did not come up: {up.stderr}")
        try:
            yield Gate(copy_of_checkout(base / "checkout"), platform.state.path), platform
        finally:
            platform.run("down")

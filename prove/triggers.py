"""Proof of a condition over time: it fires at the same evaluations as Prometheus' own alerting."""

from __future__ import annotations

import itertools
import pathlib
import random
import tempfile

from prove import Cases, Remark
from sandbox.core import SandboxError
from tests.gates.decide import promtool

PROMISE = "a trigger without gaps fires at the same evaluations as promtool's alert"
SERIES = 10_000
MOST_FOR, MOST_KEEP = 8, 4
"""In evaluations."""


def fires_as_prometheus_does(seed: int) -> Cases:
    """Yield random series, some hundred of them to a rule."""
    chance = random.Random(seed)  # noqa: S311 - cases, no secrets
    try:
        tool = promtool.find()
    except SandboxError as exc:
        yield Remark(f"not tried: {exc}")
        return
    with tempfile.TemporaryDirectory(prefix="prove-") as name:
        for _ in itertools.count():
            waits, keeps = chance.randint(0, MOST_FOR), chance.randint(0, MOST_KEEP)
            found = promtool.differ(tool, pathlib.Path(name), chance, waits, keeps)
            if found is not None:
                yield f"for {waits} evaluations, kept for {keeps}: {found}"
            yield from itertools.repeat(None, promtool.SERIES)

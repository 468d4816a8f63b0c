"""Prometheus' own alerting as a second opinion: promtool evaluates a rule with `for` over given series."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import random
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from gates.decide.trigger import Clock, Observation, State, step
from sandbox.core import binaries

EVERY_SECONDS = 15
SERIES, EVALUATIONS = 200, 40
BAD, GOOD = ("2", "1.000001", "+Inf"), ("1", "0", "-1", "NaN", "stale")
"""Samples for which `bad > 1` holds, and for which it does not."""


def find() -> binaries.Binary:
    """Return promtool; raises SandboxError."""
    prometheus = binaries.find_prometheus(print)
    return dataclasses.replace(
        prometheus, path=f"{pathlib.Path(prometheus.path).with_name('promtool')}"
    )


def disagrees(
    promtool: binaries.Binary,
    folder: pathlib.Path,
    *,
    for_seconds: float,
    keep_seconds: float,
    series: Sequence[Sequence[str]],
    firing: Mapping[int, Sequence[int]],
) -> str | None:
    """Return in what promtool differs from what is said to fire, or None.

    Of each series one sample for an evaluation, over 1 where its condition holds; `firing` names by
    evaluation the series that fire then.
    """
    rule = {"alert": "Bad", "expr": "bad > 1", "for": f"{for_seconds:.0f}s"}
    if keep_seconds:
        rule["keep_firing_for"] = f"{keep_seconds:.0f}s"
    rules = {"groups": [{"name": "all", "interval": f"{EVERY_SECONDS}s", "rules": [rule]}]}
    group = {
        "interval": f"{EVERY_SECONDS}s",
        "input_series": [
            {"series": f'bad{{id="{number}"}}', "values": " ".join(samples)}
            for number, samples in enumerate(series)
        ],
        "alert_rule_test": [
            {
                "eval_time": f"{EVERY_SECONDS * evaluation}s",
                "alertname": "Bad",
                "exp_alerts": [{"exp_labels": {"id": f"{number}"}} for number in numbers],
            }
            for evaluation, numbers in firing.items()
        ],
    }
    return refuses(promtool, folder, rules, group)


def refuses(
    promtool: binaries.Binary,
    folder: pathlib.Path,
    rules: Mapping[str, Any],
    group: Mapping[str, Any] | None = None,
) -> str | None:
    """Return what promtool finds wrong with rules, or with what a group of its tests expects of them."""
    (folder / "rules.json").write_text(json.dumps(rules))
    asked = ["check", "rules", "rules.json"]
    if group is not None:
        every = {"evaluation_interval": f"{EVERY_SECONDS}s"}
        test = {"rule_files": ["rules.json"], **every, "tests": [group]}
        (folder / "test.json").write_text(json.dumps(test))
        asked = ["test", "rules", "test.json"]
    done = subprocess.run(
        [promtool.path, *asked],
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
        cwd=folder,
        env={**os.environ, **promtool.environment},
    )
    return None if done.returncode == 0 else (done.stdout + done.stderr)[:2000]


def differ(
    promtool: binaries.Binary,
    folder: pathlib.Path,
    chance: random.Random,
    for_evaluations: int,
    keep_evaluations: int,
) -> str | None:
    """Return how promtool and the product's clock differ over SERIES random series without gaps."""
    for_seconds, keep_seconds = EVERY_SECONDS * for_evaluations, EVERY_SECONDS * keep_evaluations
    clock = Clock(for_seconds, gap_seconds=2 * EVERY_SECONDS, keep_firing_seconds=keep_seconds)
    series = [_series(chance) for _ in range(SERIES)]
    firing: dict[int, list[int]] = {at: [] for at in range(EVALUATIONS)}
    for number, samples in enumerate(series):
        state = State()
        for at, sample in enumerate(samples):
            holds = sample != "stale" and float(sample) > 1
            state, _ = step(clock, state, Observation(EVERY_SECONDS * at, holds))
            if state.fired_at is not None:
                firing[at].append(number)
    return disagrees(
        promtool,
        folder,
        for_seconds=for_seconds,
        keep_seconds=keep_seconds,
        series=series,
        firing=firing,
    )


def _series(chance: random.Random) -> list[str]:
    """Return samples that flap, some seldom, some often; NaN and stale are not over anything."""
    flaps, bad = chance.uniform(0.05, 0.6), chance.random() < 0.5
    samples = []
    for _ in range(EVALUATIONS):
        bad = bad != (chance.random() < flaps)
        samples.append(chance.choice(BAD if bad else GOOD))
    return samples

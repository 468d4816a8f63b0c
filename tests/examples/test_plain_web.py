"""The example is a platform of its own: GO as it is, not GO once it is broken."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from gates.load import ROOT, Checks, load_catalogue, load_policy

EXAMPLE = ROOT / "examples" / "plain-web"
RUN_SECONDS = 120


class Example:
    """The example under a state folder of its own, brought up by hand."""

    def __init__(self, state: pathlib.Path) -> None:
        self._environment = {**os.environ, "PLAIN_WEB_STATE": str(state)}

    def serve(self, *arguments: str) -> None:
        """Run serve.py."""
        ended = self._run(sys.executable, str(EXAMPLE / "serve.py"), *arguments)
        assert ended.returncode == 0, ended.stderr + ended.stdout

    def verdict(self) -> Mapping[str, Any]:
        """Return the verdict of the gate's own process."""
        gate = str(pathlib.Path(sys.executable).parent / "gate")
        file = str(EXAMPLE / "environment.yaml")
        ended = self._run(gate, "post-deploy", "--env", file, "--output", "json")
        assert ended.returncode in {0, 10, 20}, ended.stderr + ended.stdout
        verdict: Mapping[str, Any] = json.loads(ended.stdout)
        assert verdict["exit_code"] == ended.returncode
        return verdict

    def _run(self, *line: str) -> subprocess.CompletedProcess[str]:
        how: dict[str, Any] = {"capture_output": True, "text": True, "cwd": ROOT}
        return subprocess.run(line, check=False, timeout=RUN_SECONDS, env=self._environment, **how)


@pytest.fixture
def example(tmp_path: pathlib.Path) -> Iterator[Example]:
    running = Example(tmp_path)
    running.serve("up")
    try:
        yield running
    finally:
        running.serve("down")


def outcomes(verdict: Mapping[str, Any]) -> dict[str, str]:
    return {check["id"]: check["regions"]["north"]["outcome"] for check in verdict["checks"]}


@pytest.mark.slow
def test_the_example_is_go_and_a_rollback_once_it_is_down(example: Example) -> None:
    healthy = example.verdict()
    assert (healthy["decision"], set(outcomes(healthy).values())) == ("GO", {"PASS"}), healthy
    assert list(outcomes(healthy)) == ["WEB-UP-1", "WEB-UP-2", "WEB-PERF-1", "WEB-PERF-2"]
    example.serve("fault", "down")
    broken = example.verdict()
    assert (broken["decision"], broken["exit_code"]) == ("ROLLBACK", 10)
    found = outcomes(broken)
    assert (found["WEB-UP-1"], found["WEB-UP-2"]) == ("FAIL", "FAIL")
    assert "PASS" not in found.values()
    assert healthy["digests"]["catalogue"] == broken["digests"]["catalogue"]


def test_nothing_of_the_example_is_the_runbooks() -> None:
    own, theirs = Checks(), Checks.of(EXAMPLE / "checks")
    ids = {row.id for row in load_catalogue(theirs.features)}
    assert not ids & {row.id for row in load_catalogue(own.features)}
    bounds = [one.bucket_bounds for one in load_policy(theirs.policy).objectives]
    assert not set(bounds) & {
        one.bucket_bounds for one in load_policy(own.policy).objectives if one.bucket_bounds
    }

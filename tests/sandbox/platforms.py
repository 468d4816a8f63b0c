"""Platforms for the tests: the real commands on state directories of their own."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox import control
from sandbox.core.state import LEASE_FILE, StateDirectory
from settings.environment import Environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

import yaml

CHECKOUT = Path(__file__).resolve().parents[2]


def eventually(
    what: object, condition: Callable[[], object], timeout_seconds: float = 60.0
) -> None:
    """Wait until a named condition holds; fails the test with that name."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"after {timeout_seconds:.0f} s still not: {what}")
        time.sleep(0.03)


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Let one platform of all test processes come up: three at once starve what measures the fourth."""
    with Path(tempfile.gettempdir(), "platform-comes-up.lock").open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True, slots=True)
class Sandbox:
    """One platform behind its command line."""

    state: StateDirectory

    def start(self, *arguments: str, path: str | None = None) -> subprocess.Popen[str]:
        """Start a command without waiting."""
        return subprocess.Popen(
            [sys.executable, "-m", "sandbox.cli", "--state", str(self.state.path), *arguments],
            cwd=CHECKOUT,
            env={**os.environ, "PATH": path or os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; platforms of other tests come up one after another."""
        with (
            _one_at_a_time() if arguments[0] == "up" else contextlib.nullcontext(),
            self.start(*arguments, path=path) as process,
        ):
            out, err = process.communicate(timeout=300)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def ask(self, order: dict[str, Any]) -> dict[str, Any]:
        """Give the supervisor an order."""
        return control.ask(self.state, order)

    def end_traffic(self) -> None:
        """Let no traffic flow that nobody waits for: a lease may outlive a run by 20 s."""
        record = self.state.running()
        assert record is not None
        (record.runtime / LEASE_FILE).unlink(missing_ok=True)

    def environment(self) -> Environment:
        """Read the environment file as the gate would."""
        data = yaml.safe_load(self.state.environment.read_text(encoding="utf-8"))
        return Environment.model_validate(data)

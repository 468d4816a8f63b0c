"""Runs pytest as a child: under the runner's deadline, in a group of its own, ended with its parent."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from environments.loader import HERE, INSTALLED
from gates.load import ROOT
from gates.run.lines import Tail
from steps.kit.request import EVENTS

POLL_SECONDS = 0.1
STOP_SECONDS = 20.0
"""How long an interrupted child may take to remove its synthetic records."""
LOG = "pytest.log"
_PACKAGE = f"{__package__}.".removesuffix("gates.run.")
"""What our modules' names begin with: nothing in a checkout."""
PLUGINS = (
    "pytest_bdd.plugin",
    # Its options are known at once: none of their values is taken for tests.
    f"{_PACKAGE}bdd.options",
    # Its results are written by the parent, from the fold.
    f"no:{_PACKAGE}bdd.allure_bridge",
    "no:cacheprovider",
    "no:logging",
    "no:faulthandler",
)
ENVIRONMENT = {
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    **dict.fromkeys(("PYTEST_ADDOPTS", "PYTEST_PLUGINS"), ""),
    "PYTHONUTF8": "1",
    "GATE_HERE": str(HERE),
}
"""The child's own: the plugins named on its line and no others, a log in UTF-8, where the caller is."""


@dataclasses.dataclass(frozen=True, slots=True)
class ChildPlan:
    """What the child is to run."""

    environment_file: pathlib.Path
    run_dir: pathlib.Path
    manifest: pathlib.Path
    release: str
    regions: Sequence[str]
    switched_at: str | None
    deadline_seconds: float
    debug: bool
    phase: int | None = None
    checks: pathlib.Path | None = None
    """The platform's own folder of checks."""
    watch_seconds: float | None = None
    restored: str | None = None
    """After a rollback: the version that has to serve."""
    resumed: pathlib.Path | None = None
    """The events of a watch to go on with."""
    asked_as: str = "local"
    """What --env said, for the commands that checks name."""
    dry: bool = False
    """Whether nothing is to be asked or written, so that only what is not described is found."""

    def command(self) -> list[str]:
        """Return the command line; it holds no secret."""
        line = [sys.executable, "-m", "pytest", "-q", "--color=no"]
        if INSTALLED:  # its folders are no modules there
            line.insert(1, "-P")
        line += ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT)]
        for plugin in PLUGINS:
            line += ["-p", plugin]
        # Nothing in features, steps or checks asserts: rewriting would only cost time.
        line += ["--assert=plain", "--show-capture=no", f"--tb={'long' if self.debug else 'no'}"]
        line += [f"--env={self.asked_as}", "--environment-file", str(self.environment_file)]
        line += ["--run-dir", str(self.run_dir)]
        line += ["--manifest", str(self.manifest), "--release", self.release]
        line += ["--checks", str(self.checks)] if self.checks else []
        line += ["--parent", str(os.getpid())]
        line += ["--dry"] if self.dry else []
        line += ["--phase", str(self.phase)] if self.phase else []
        line += ["--watch", str(self.watch_seconds)] if self.watch_seconds else []
        line += ["--restored", self.restored] if self.restored else []
        line += ["--resume", str(self.resumed)] if self.resumed else []
        for region in self.regions:
            line += ["--region", region]
        return line if self.switched_at is None else [*line, "--switched-at", self.switched_at]

    def environment(self) -> dict[str, str]:
        """Return the child's environment: the plugins named on its line and no others, a log in UTF-8."""
        return {**os.environ, **ENVIRONMENT}


@dataclasses.dataclass(frozen=True, slots=True)
class ChildEnd:
    """How the child ended; its exit code is shown and never decides."""

    returncode: int
    problem: str | None
    """Why the run is not a complete one, or None."""


def run_child(
    plan: ChildPlan,
    on_start: Callable[[], None],
    on_event: Callable[[dict[str, Any]], None],
    interrupted: Callable[[], bool],
) -> ChildEnd:
    """Run the child to its end, its deadline or an interruption; hand on its events as they come.

    `on_start` is called while the child loads its libraries, which takes it about a second.
    """
    tail = Tail(plan.run_dir / EVENTS)
    gives_up_at = time.monotonic() + plan.deadline_seconds
    with (plan.run_dir / LOG).open("wb") as log:
        child = subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
            plan.command(),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=plan.environment(),
            start_new_session=True,
        )
        problem = None
        try:
            on_start()
            while child.poll() is None and problem is None:
                for event in tail.new_events():
                    on_event(event)
                if interrupted():
                    problem = "the run was interrupted"
                elif time.monotonic() > gives_up_at:
                    problem = f"the checks did not end within {plan.deadline_seconds:.0f} s"
                else:
                    time.sleep(POLL_SECONDS)
        finally:
            _stop(child)
    for event in tail.new_events():
        on_event(event)
    return ChildEnd(child.returncode, problem or _abnormal(child.returncode))


def _stop(child: subprocess.Popen[bytes]) -> None:
    """End the child and whatever it started; first gently, so that it removes its records."""
    if child.poll() is None:
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _abnormal(returncode: int) -> str | None:
    """0 and 1 are a run to its end; that everything ran is proved from the lines, not from these."""
    if returncode in (0, 1):
        return None
    if returncode < 0:
        return f"the checks' process was killed by {signal.Signals(-returncode).name}"
    return f"the checks' process ended with code {returncode}; see {LOG}"

"""Runs of checks forked from one process that has loaded every library: a start costs them nothing.

What is forked is the gate's own child, with its arguments and a fresh pytest; only imports are shared.
`python -m tests.faults.forked` reads one JSON request a line and answers with the child's exit code.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Sequence

from gates.load import ROOT
from gates.run.child import ChildPlan

MOST_SECONDS = 180
_OUTPUT = "output.log"


class Forker:
    """The process that forks, started at its first use."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def run(self, plan: ChildPlan) -> str:
        """Run a plan's checks to their end and return what they printed."""
        process = self._started(plan)
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the forker was started with pipes")
        request = {"arguments": plan.command()[3:], "output": str(plan.run_dir / _OUTPUT)}
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        if not process.stdout.readline():
            raise RuntimeError("the forker died")
        return (plan.run_dir / _OUTPUT).read_text(errors="replace")

    def _started(self, plan: ChildPlan) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.forked"],
                cwd=ROOT,
                env=plan.environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            atexit.register(self.close)
        return self._process

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.communicate()
            self._process = None


def serve() -> None:
    """Load everything once, then fork for each request until the input ends."""
    import pytest  # noqa: PLC0415 - only in the process that forks

    import probes  # noqa: PLC0415 - only in the process that forks
    import steps.kit.run  # noqa: F401, PLC0415 - only in the process that forks

    for name in probes.__all__:
        getattr(probes, name)
    gc.collect()
    gc.freeze()  # what is loaded stays, and its pages stay shared
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            _be_the_child(pytest.main, request["arguments"], pathlib.Path(request["output"]))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 - the answer


def _be_the_child(main: object, arguments: Sequence[str], output: pathlib.Path) -> None:
    """Run pytest as a process of its own would, and never return."""
    arguments = list(arguments)
    arguments[arguments.index("--parent") + 1] = str(os.getppid())
    log = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for descriptor, target in ((os.open(os.devnull, os.O_RDONLY), 0), (log, 1), (log, 2)):
        os.dup2(descriptor, target)
    signal.alarm(MOST_SECONDS)
    code = 70
    try:
        code = int(main(arguments)) if callable(main) else code
    finally:
        sys.stdout.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()

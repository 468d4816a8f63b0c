"""Checks and gates forked from one process that has loaded every library: a start costs them nothing.

What is forked is the gate's own child with its arguments and a fresh pytest, or a whole gate whose child
is forked again; only imports are shared. `python -m tests.faults.forked` reads one JSON request a line
and answers with the exit code.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import types
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any, NoReturn

import pytest

from gates.cli import main
from gates.load import ROOT
from gates.run import child
from gates.run.child import ChildPlan
from settings.environment import Environment
from settings.policy import Policy

MOST_SECONDS = 400
_OUTPUT = "output.log"


class Forker:
    """The process that forks, started at its first use."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    @functools.cached_property
    def _folder(self) -> tempfile.TemporaryDirectory[str]:
        return tempfile.TemporaryDirectory(prefix="gates-forked-")

    @property
    def _out(self) -> pathlib.Path:
        """Where every forked gate keeps its runs, as it was named when the gate's modules were loaded."""
        return pathlib.Path(self._folder.name, "out")

    def run(self, plan: ChildPlan) -> str:
        """Run a plan's checks to their end and return what they printed."""
        output = plan.run_dir / _OUTPUT
        self._fork({"checks": plan.command()[3:], "outputs": [str(output)] * 2})
        return output.read_text(errors="replace")

    def gate(
        self,
        arguments: Sequence[str],
        folder: pathlib.Path,
        out: pathlib.Path,
        environment: Mapping[str, str],
    ) -> subprocess.CompletedProcess[str]:
        """Run a gate in a folder to its end; its runs are kept in `out`."""
        out.mkdir(parents=True, exist_ok=True)
        self._out.unlink(missing_ok=True)
        self._out.symlink_to(out)
        outputs = [folder / "stdout", folder / "stderr"]
        code = self._fork(
            {
                "gate": arguments,
                "outputs": list(map(str, outputs)),
                "folder": str(folder),
                "environment": {**os.environ, **environment},
            }
        )
        return subprocess.CompletedProcess(arguments, code, *(one.read_text() for one in outputs))

    def _fork(self, request: Mapping[str, Any]) -> int:
        process = self._started()
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the forker was started with pipes")
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        if not answer:
            raise RuntimeError("the forker died")
        return int(answer)

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.forked"],
                cwd=ROOT,
                env={**os.environ, **child.ENVIRONMENT, "GATE_OUT": str(self._out)},
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


FORKER = Forker()


def serve() -> None:
    """Load everything once, then fork for each request until the input ends."""
    import conftest  # noqa: PLC0415 - only in the process that forks
    import probes  # noqa: PLC0415 - only in the process that forks

    for name in probes.PROBES:
        getattr(probes, name)
    plugins = [name for name in child.PLUGINS if not name.startswith("no:")]
    for name in (*plugins, *conftest.pytest_plugins, *map(main.module_of, main.COMMANDS)):
        importlib.import_module(name)
    for model in (Environment, Policy):
        model.model_rebuild()  # else at its first use: a tenth of a second in each child
    gc.collect()
    gc.freeze()  # what is loaded stays, and its pages stay shared
    for line in sys.stdin:
        request = json.loads(line)
        if (pid := os.fork()) == 0:
            _be_what_is_asked(request)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 - the answer


class _ForkedChild(subprocess.Popen[bytes]):
    """The child of a gate, forked instead of started."""

    def __init__(self, line: Sequence[str], *, stdout: IO[bytes], **options: Any) -> None:
        self._log = stdout.fileno()
        super().__init__(line, **options)

    def _execute_child(self, line: Sequence[str], *_: object) -> None:
        self.pid = os.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            os.environ.update(child.ENVIRONMENT)
            _be(lambda: pytest.main(list(line[3:])), self._log, self._log)
        self._child_created = True


def _be_what_is_asked(request: Mapping[str, Any]) -> NoReturn:
    signal.alarm(MOST_SECONDS)
    new = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    outputs = [os.open(file, new, 0o600) for file in request["outputs"]]
    if "gate" in request:
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["environment"])
        sys.argv = ["gate", *request["gate"]]
        named = {**vars(subprocess), "Popen": _ForkedChild}
        setattr(child, "subprocess", types.SimpleNamespace(**named))  # noqa: B010 - in this process
        _be(main.run, *outputs)
    arguments = list(request["checks"])
    arguments[arguments.index("--parent") + 1] = str(os.getppid())
    _be(lambda: pytest.main(arguments), *outputs)


def _be(program: Callable[[], int], *outputs: int) -> NoReturn:
    """Run a program as a process of its own would, in a session of its own."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    for target, descriptor in enumerate((os.open(os.devnull, os.O_RDONLY), *outputs)):
        os.dup2(descriptor, target)
    code = 70
    try:
        code = int(program())
    except SystemExit as exc:
        code = int(exc.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()

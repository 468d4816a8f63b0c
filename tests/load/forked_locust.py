"""Load tests as users start them, or forked where Locust is loaded already: a third of a start's work.

`python -m tests.load.forked_locust` reads one JSON order a line; it answers with the process's id and,
when that has ended, its exit code.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import pathlib
import posix
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from gates.load import ROOT
from tests.environments.files import SECRETS
from tests.probes.servers import wait_until

BOUND_SECONDS = 90


@dataclasses.dataclass(frozen=True)
class Ran:
    """A load test that has ended."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err

    @property
    def folder(self) -> pathlib.Path:
        found = re.search(r"^Report: (.+)/load\.html$", self.said, re.MULTILINE)
        assert found is not None, self.said
        return pathlib.Path(found[1])

    @property
    def record(self) -> dict[str, Any]:
        record: dict[str, Any] = json.loads((self.folder / "load.json").read_text(encoding="utf-8"))
        return record


def forker() -> subprocess.Popen[str]:
    """Start the process that forks; it ends with its input."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.load.forked_locust"], cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **SECRETS},
    )  # fmt: skip


class Locust:
    """One load test after the other."""

    def __init__(self, forker: subprocess.Popen[str], folder: pathlib.Path) -> None:
        self._forker, self._out, self._err = forker, folder / "stdout", folder / "stderr"
        self.pid = 0

    def start(
        self, *options: str, files: str = "load/", headless: bool = True, forked: bool = True
    ) -> None:
        """Start one without waiting."""
        mode = ("--headless",) if headless else ()
        arguments = ["-f", files, *mode, "--calibrate", "0", *options]
        outputs = [str(self._out), str(self._err)]
        self._err.write_text("")
        order = json.dumps({"arguments": arguments, "outputs": outputs, "forked": forked})
        assert self._forker.stdin is not None
        self._forker.stdin.write(f"{order}\n")
        self._forker.stdin.flush()
        self.pid = self._answer()

    def until(self, words: str) -> str:
        """Wait until it has logged these words; return all that it logged."""
        wait_until(lambda: words in self._err.read_text(), words, BOUND_SECONDS)
        return self._err.read_text()

    def until_it_sends(self) -> pathlib.Path:
        """Wait until it is warm; return its folder."""
        named = re.search(r"Load: run (\S+)", self.until("Load: steady"))
        assert named is not None
        return pathlib.Path(os.environ["GATE_OUT"], named[1])

    def child(self, words: str) -> int:
        """Return the first child whose command has these words."""
        command = ["ps", "-o", "pid=,args=", "--ppid", str(self.pid)]
        listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        return next(int(line.split()[0]) for line in listed.splitlines() if words in line)

    def ended(self) -> Ran:
        """Wait for its end."""
        code, self.pid = self._answer(), 0
        ran = Ran(code, self._out.read_text(), self._err.read_text())
        assert "Traceback" not in ran.said, ran.said
        return ran

    def run(self, *options: str, files: str = "load/", forked: bool = True) -> Ran:
        """Run one to its end."""
        self.start(*options, files=files, forked=forked)
        return self.ended()

    def close(self) -> None:
        """Kill what a test that failed left running."""
        if self.pid:
            os.killpg(self.pid, signal.SIGKILL)
            self._answer()

    def _answer(self) -> int:
        assert self._forker.stdout is not None
        return int(self._forker.stdout.readline())


def serve() -> None:
    """Load everything once, then fork for each order until the input ends."""
    import locust.main  # noqa: PLC0415 - first, as it patches what others load

    for name in ("load._control", "load._user", "smoke.journey"):
        importlib.import_module(name)
    from reports import load_page  # noqa: PLC0415 - after that
    from tests.load.runs import concluded, valid_run  # noqa: PLC0415 - after that

    record = concluded(valid_run())  # loads what judges and what draws
    load_page.render(record), load_page.plain(record)
    for line in sys.stdin:
        # Not the ones of `os`, which are gevent's here: a test has a loop of its own.
        if (pid := posix.fork()) == 0:
            _become(json.loads(line))
            locust.main.main()
            return
        _tell(pid)
        _tell(os.waitstatus_to_exitcode(posix.waitpid(pid, 0)[1]))


def _tell(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def _become(order: Mapping[str, Any]) -> None:
    """Be a process of one's own, which ends by itself; a start as users do it if that is asked."""
    os.setsid()
    signal.alarm(BOUND_SECONDS)
    new = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    files = [os.open(file, new, 0o600) for file in order["outputs"]]
    for target, descriptor in enumerate((os.open(os.devnull, os.O_RDONLY), *files)):
        os.dup2(descriptor, target)
    sys.argv = ["locust", *order["arguments"]]
    if not order["forked"]:
        os.execv(sys.executable, [sys.executable, "-m", *sys.argv])  # noqa: S606 - the real one


if __name__ == "__main__":
    serve()

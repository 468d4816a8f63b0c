"""Servers are forked, children of who asked for them, and run before what measures them where they may."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox.core import processes
from tests.checkout import ROOT
from tests.probes.servers import closed_port
from tests.sandbox.platforms import eventually

SUPERVISOR = """
import asyncio, json, pathlib, sys
from sandbox.core import child
from sandbox.core.child import Child, Command
from sandbox.core import SandboxError
from sandbox.core.readiness import answers_http

async def story():
    log, settings, port = sys.argv[1:]
    argv = (sys.executable, "-m", "sandbox.systems", settings)
    ready = answers_http(int(port), "/aws/status")
    command = Command(name="standins", argv=argv, log=pathlib.Path(log), ready=ready)
    child = Child(command)
    for order in sys.stdin:
        said = None
        try:
            await getattr(child, order.strip())()
        except SandboxError as exc:
            said = str(exc)
        pid = child.identity.pid if child.identity else None
        print(json.dumps([pid, child.return_code, said]), flush=True)

child.begin()
asyncio.run(story())
"""


@dataclass
class Supervisor:
    """A process that has one server forked, on order."""

    process: subprocess.Popen[str]
    log: Path
    settings: Path

    def order(self, what: str) -> tuple[Any, ...]:
        """Return the server's number, how it ended, and what went wrong."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        return tuple(json.loads(self.process.stdout.readline()))


@pytest.fixture(scope="module")
def supervisor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervisor]:
    """Return one for all tests, as it takes seconds to begin; the last one kills it."""
    folder, port = tmp_path_factory.mktemp("forks"), closed_port()
    settings, log = folder / "standins.json", folder / "log"
    settings.write_text(json.dumps({"admin_token": "t", "servers": {"vendors": {"port": port}}}))
    argv = [sys.executable, "-c", SUPERVISOR, str(log), str(settings), str(port)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(argv, cwd=ROOT, **pipes) as process:
        yield Supervisor(process, log, settings)
        process.kill()
        with contextlib.suppress(BrokenPipeError):
            process.communicate()


def about(pid: int, name: str) -> str:
    return Path(f"/proc/{pid}/{name}").read_bytes().rstrip(b"\0\n").replace(b"\0", b" ").decode()


def test_a_server_is_a_child_with_a_name_a_log_and_an_end_of_its_own(
    supervisor: Supervisor,
) -> None:
    server, _, _ = supervisor.order("start")
    assert about(server, "comm") == "standins"
    assert Path(f"/proc/{server}/fd/1").readlink() == supervisor.log
    assert supervisor.order("stop")[:2] == (None, 0)
    again, ended, _ = supervisor.order("start")
    assert (again != server, ended) == (True, None)
    processes.send(identified(again), signal.SIGKILL)
    eventually("the end is heard", lambda: supervisor.order("stop")[:2] == (None, -signal.SIGKILL))


def identified(pid: int) -> processes.ProcessIdentity:
    found = processes.identify(pid)
    assert found is not None
    return found


def test_a_server_that_fails_is_told_with_its_last_words(supervisor: Supervisor) -> None:
    good = supervisor.settings.read_text()
    supervisor.settings.write_text("{}")
    assert "is not a valid StandInsConfig" in supervisor.order("start")[2]
    supervisor.settings.write_text(good)


def test_a_server_and_what_forks_go_with_a_killed_supervisor(supervisor: Supervisor) -> None:
    server, _, _ = supervisor.order("start")
    forker = int(about(server, "stat").rpartition(")")[2].split()[1])
    family = [identified(server), identified(forker)]
    supervisor.process.kill()
    eventually("both are gone", lambda: not any(map(processes.is_running, family)))


AT_ONCE = os.SCHED_RR | os.SCHED_RESET_ON_FORK
NOBODY = 65534
PARENT_WITH_CHILD = "import subprocess; subprocess.run(['sleep', '60'])"
SERVE = """
import os, subprocess, sys
from sandbox.core.processes import serve_at_once
serve_at_once([int(sys.argv[1])])
started = subprocess.run(
    [sys.executable, "-c", "import os; print(os.sched_getscheduler(0))"],
    capture_output=True, check=True,
)
print(os.sched_getscheduler(0), int(started.stdout))
"""


def python(code: str, *words: str) -> subprocess.CompletedProcess[bytes]:
    """Run code in a process of its own."""
    argv = [sys.executable, "-c", code, *words]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, check=False)


@functools.cache
def may_serve_at_once() -> bool:
    """Tell whether this user may give processes priority here."""
    tried = python("import os; os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))")
    return tried.returncode == 0


def serve(pid: int) -> tuple[int, int]:
    """Return the policies of who raised a process and of what it started afterwards."""
    own, started = map(int, python(SERVE, str(pid)).stdout.split())
    return own, started


def family() -> tuple[subprocess.Popen[bytes], int]:
    """Return a process and the number of the child that it started."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT_WITH_CHILD], start_new_session=True)
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
    eventually("the process has started its child", children.read_text)
    return parent, int(children.read_text())


@pytest.mark.skipif(not may_serve_at_once(), reason="this user may not give priority here")
def test_a_process_and_what_it_started_serve_at_once_and_what_comes_later_is_ordinary() -> None:
    parent, child = family()
    try:
        assert serve(parent.pid) == (AT_ONCE, os.SCHED_OTHER)
        assert [os.sched_getscheduler(pid) for pid in (parent.pid, child)] == [os.SCHED_RR] * 2
    finally:
        os.killpg(parent.pid, 9)
        parent.wait()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not")
def test_who_may_not_changes_nothing_and_goes_on() -> None:
    code = (
        "import os; from sandbox.core.processes import serve_at_once, start_before_others;"
        f" os.setuid({NOBODY}); start_before_others(); serve_at_once([os.getpid()]);"
        " print(os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0))"
    )
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    assert tuple(map(int, python(code).stdout.split())) == (os.SCHED_OTHER, usual)

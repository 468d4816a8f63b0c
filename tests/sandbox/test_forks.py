"""Servers that are forked: children of who asked for them, and in nothing like who they came from."""

from __future__ import annotations

import contextlib
import json
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

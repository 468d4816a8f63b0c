"""The platform runs before what measures it, where the system allows that, and starts all the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sandbox.platforms import CHECKOUT, Sandbox, eventually

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
    return subprocess.run(argv, cwd=CHECKOUT, capture_output=True, check=False)


def _allowed() -> bool:
    tried = python("import os; os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))")
    return tried.returncode == 0


may = pytest.mark.skipif(not _allowed(), reason="this user may not give processes priority here")


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


@may
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


@may
def test_every_process_of_a_platform_serves_at_once_also_after_its_restart(
    platform: Sandbox,
) -> None:
    platform.ask({"do": "restart", "process": "redis"})
    pids = {row["name"]: row["pid"] for row in platform.ask({"do": "status"})["processes"]}
    policies = {name: os.sched_getscheduler(pid) for name, pid in pids.items()}
    assert policies == dict.fromkeys(pids, os.SCHED_RR)
    # And so do those that Postgres has for each connection.
    primary = pids["postgres-primary"]
    sessions = Path(f"/proc/{primary}/task/{primary}/children").read_text().split()
    assert len(sessions) > 5
    assert {os.sched_getscheduler(int(pid)) for pid in sessions} == {os.SCHED_RR}

"""The supervisor's smaller parts: ports, programs, leases, owners."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.core import SandboxError, binaries, layout, processes, state
from sandbox.core.child import Child, Command
from sandbox.core.readiness import together
from sandbox.core.state import Record, StateDirectory
from sandbox.supervisor import Owners
from tests.tables import cases

pytestmark = pytest.mark.anyio
_NAMES = tuple(f"server-{number}" for number in range(20))


def test_reserved_ports_are_free_and_only_ours_and_outside_the_range_of_outgoing_connections() -> (
    None
):
    with layout.reserved(_NAMES) as first, layout.reserved(_NAMES) as second:
        ports = [*first.values(), *second.values()]
        assert len(set(ports)) == 2 * len(_NAMES)
        for port in ports:
            assert port < 32_768
            with socket.socket() as server:
                server.bind(("127.0.0.1", port))


def _program(folder: Path, name: str, version: str) -> None:
    path = folder / name
    path.write_text(f'#!/bin/sh\necho "{version}"\n')
    path.chmod(0o755)


def test_a_new_enough_server_on_the_path_is_taken_and_an_old_one_replaced_by_the_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    said: list[str] = []
    _program(tmp_path, "redis-server", "Redis server v=7.2.4 sha=0 bits=64")
    found = binaries.find_redis(said.append)
    assert (found.version, found.source) == ("7.2.4", "PATH")
    monkeypatch.setenv("PATH", str(tmp_path))
    _program(tmp_path, "redis-server", "Redis server v=5.0.1 sha=0 bits=64")
    assert binaries.find_redis(said.append).version.startswith("6.2")
    assert "without read-key ACLs" in said[-1]
    with pytest.raises(
        SandboxError, match=r"prometheus 2\.42 or newer is not on the PATH.*install"
    ):
        binaries.find_prometheus(said.append)


def test_a_lease_is_extended_and_never_cut_short_while_it_lasts(tmp_path: Path) -> None:
    me = processes.identify(os.getpid())
    assert me is not None
    ours, file = StateDirectory(tmp_path), tmp_path / state.LEASE_FILE
    ours.write(Record(supervisor=me, runtime=tmp_path, control=tmp_path / "control"))
    state.extend_lease(ours, 100, 60)
    first = json.loads(file.read_text())
    state.extend_lease(ours, 10, 1)
    assert json.loads(file.read_text()) == first
    file.write_text(json.dumps({"rps": 500, "until": 1.0}))
    state.extend_lease(ours, 10, 60)
    assert json.loads(file.read_text())["rps"] == 10


def _idle() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["/bin/sleep", "60"])


@pytest.mark.parametrize("permanent", [False, True])
async def test_the_last_owners_end_deserts_a_platform_unless_a_person_asked_for_it(
    *, permanent: bool
) -> None:
    deserted = asyncio.Event()
    owners = Owners(deserted.set)
    if permanent:
        owners.stay()
    with _idle() as first, _idle() as second:
        owners.add(first.pid)
        owners.add(second.pid)
        assert owners.release(first.pid) is False
        second.kill()
        with pytest.raises(TimeoutError) if permanent else contextlib.nullcontext():
            await asyncio.wait_for(deserted.wait(), 0.3 if permanent else 5.0)
        first.kill()


async def test_an_owner_that_is_gone_already_counts_as_gone() -> None:
    deserted = asyncio.Event()
    Owners(deserted.set).add(2**22 + 1)
    assert deserted.is_set()


async def test_a_child_that_ignores_its_stop_signal_is_ended_by_force(tmp_path: Path) -> None:
    deaf = "trap '' TERM; echo deaf; while :; do sleep 1; done"
    log = tmp_path / "log"

    async def heard() -> bool:
        return log.exists() and b"deaf" in log.read_bytes()

    child = Child(Command(name="deaf", argv=("/bin/sh", "-c", deaf), log=log, ready=heard))
    await child.start()
    await child.stop(0.1)
    assert child.return_code == -signal.SIGKILL


def test_a_child_whose_parent_is_killed_dies_with_it(tmp_path: Path) -> None:
    """The kernel sends the signal: no clean-up of ours has to run."""
    parent = (
        "import asyncio, pathlib, sys\n"
        "from sandbox.core.child import Child, Command\n"
        "async def story():\n"
        "    child = Child(Command(name='c', argv=('sleep', '60'), log=pathlib.Path(sys.argv[1])))\n"
        "    await child.spawn(); print(child.identity.pid, flush=True); await asyncio.sleep(60)\n"
        "asyncio.run(story())\n"
    )
    argv = [sys.executable, "-c", parent, str(tmp_path / "log")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        child = processes.identify(int(starter.stdout.readline()))
        assert child is not None
        with processes.opened(child) as descriptor:
            assert descriptor is not None
            starter.kill()
            assert select.select([descriptor], [], [], 5)[0], "its end is not told"
        assert not processes.is_running(child)


FAILURES = {
    "a sentence before a mistake": ((ValueError("ours"), SandboxError("a sentence")), SandboxError),
    "one mistake, no group": ((ValueError("ours"), ValueError("too")), ValueError),
}


@cases("raised told", FAILURES)
async def test_of_several_failures_together_one_is_told(
    raised: tuple[Exception, ...], told: type[Exception]
) -> None:
    async def fail(exc: Exception) -> None:
        raise exc

    with pytest.raises(told):
        await together(*map(fail, raised))

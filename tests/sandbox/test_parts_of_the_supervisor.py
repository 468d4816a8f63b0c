"""The supervisor's smaller parts: ports, programs, leases, owners."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from sandbox.core import SandboxError, binaries, layout, processes, state
from sandbox.core.child import Child, Command
from sandbox.core.readiness import together
from sandbox.core.state import Record, StateDirectory
from sandbox.supervisor import Owners

if TYPE_CHECKING:
    from pathlib import Path

_NAMES = tuple(f"server-{number}" for number in range(20))


def test_two_reservations_share_no_port() -> None:
    first, second = layout.reserve(_NAMES), layout.reserve(_NAMES)
    assert not set(first.ports.values()) & set(second.ports.values())
    first.close()
    second.close()


def test_reserved_ports_are_free_and_outside_the_range_of_outgoing_connections() -> None:
    reservation = layout.reserve(_NAMES)
    for port in reservation.ports.values():
        assert port < 32_768
        with socket.socket() as server:
            server.bind(("127.0.0.1", port))
    reservation.close()


def _program(folder: Path, name: str, version: str) -> None:
    path = folder / name
    path.write_text(f'#!/bin/sh\necho "{version}"\n')
    path.chmod(0o755)


def test_a_new_enough_server_on_the_path_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _program(tmp_path, "redis-server", "Redis server v=7.2.4 sha=0 bits=64")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = binaries.find_redis(lambda _: None)
    assert (found.version, found.source) == ("7.2.4", "PATH")


def test_an_old_server_and_no_package_end_with_the_wheel_and_a_word_about_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _program(tmp_path, "redis-server", "Redis server v=5.0.1 sha=0 bits=64")
    monkeypatch.setenv("PATH", str(tmp_path))
    said: list[str] = []
    found = binaries.find_redis(said.append)
    assert found.version.startswith("6.2")
    assert "without read-key ACLs" in said[-1]


def test_no_prometheus_anywhere_is_one_sentence_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        SandboxError, match=r"prometheus 2\.42 or newer is not on the PATH.*install"
    ):
        binaries.find_prometheus(lambda _: None)


@pytest.fixture
def running_state(tmp_path: Path) -> StateDirectory:
    """Return a state directory whose supervisor is this very process."""
    me = processes.identify(os.getpid())
    assert me is not None
    state = StateDirectory(tmp_path)
    state.write(Record(supervisor=me, runtime=tmp_path, control=tmp_path / "control"))
    return state


def test_a_lease_is_extended_and_never_cut_short(running_state: StateDirectory) -> None:
    file = running_state.path / state.LEASE_FILE
    state.extend_lease(running_state, 100, 60)
    first = json.loads(file.read_text())
    state.extend_lease(running_state, 10, 1)
    assert json.loads(file.read_text()) == first


def test_a_lease_that_ran_out_does_not_raise_the_next_ones_rate(
    running_state: StateDirectory,
) -> None:
    file = running_state.path / state.LEASE_FILE
    file.write_text(json.dumps({"rps": 500, "until": 1.0}))
    state.extend_lease(running_state, 10, 60)
    assert json.loads(file.read_text())["rps"] == 10


def _idle() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)


def _owners_of_two_processes(*, permanent: bool) -> bool:
    """Let two owners come and go; tell whether the platform was deserted in the end."""

    async def story(first: subprocess.Popen[bytes], second: subprocess.Popen[bytes]) -> bool:
        deserted = asyncio.Event()
        owners = Owners(deserted.set)
        if permanent:
            owners.stay()
        owners.add(first.pid)
        owners.add(second.pid)
        assert owners.release(first.pid) is False
        second.kill()
        try:
            await asyncio.wait_for(deserted.wait(), 0.3 if permanent else 5.0)
        except TimeoutError:
            return False
        return True

    with _idle() as first, _idle() as second:
        deserted = asyncio.run(story(first, second))
        first.kill()
    return deserted


def test_the_last_owners_end_deserts_the_platform() -> None:
    assert _owners_of_two_processes(permanent=False) is True


def test_a_platform_that_a_person_asked_for_stays() -> None:
    assert _owners_of_two_processes(permanent=True) is False


def test_an_owner_that_is_gone_already_counts_as_gone() -> None:
    async def story() -> bool:
        deserted = asyncio.Event()
        Owners(deserted.set).add(2**22 + 1)
        return deserted.is_set()

    assert asyncio.run(story())


def test_a_child_that_ignores_its_stop_signal_is_ended_by_force(tmp_path: Path) -> None:
    deaf = (
        "import signal,sys; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); input()"
    )
    log = tmp_path / "log"

    async def heard() -> bool:
        return log.exists() and b"deaf" in log.read_bytes()

    async def story() -> int | None:
        program = (sys.executable, "-c", deaf.replace("input()", "signal.pause()"))
        child = Child(Command(name="deaf", argv=program, log=log, ready=heard))
        await child.start()
        await child.stop(0.1)
        return child.return_code

    assert asyncio.run(story()) == -9


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
            asyncio.run(_readable(descriptor))
        assert not processes.is_running(child)


async def _readable(descriptor: int) -> None:
    """Wait until a pidfd says that its process ended."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(descriptor, ended.set)
    await asyncio.wait_for(ended.wait(), 5)


class TestTogether:
    @pytest.mark.parametrize(
        ("raised", "told"),
        [
            ((ValueError("ours"), SandboxError("a sentence")), SandboxError),
            ((ValueError("ours"), ValueError("too")), ValueError),
        ],
        ids=["a sentence before a mistake", "one mistake, no group"],
    )
    def test_one_failure_is_told(
        self, raised: tuple[Exception, ...], told: type[Exception]
    ) -> None:
        async def fail(exc: Exception) -> None:
            raise exc

        with pytest.raises(told):
            asyncio.run(together(*map(fail, raised)))

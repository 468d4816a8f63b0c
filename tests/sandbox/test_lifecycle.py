"""Platforms that come and go: killed, deserted, started twice, failing to start."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.core import processes
from sandbox.core.state import Record, StateDirectory
from tests.sandbox.platforms import Sandbox, eventually
from tests.tables import cases


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Sandbox]:
    """Return a platform that is not up yet, and take it down afterwards."""
    sandbox = Sandbox(StateDirectory(tmp_path / "state"))
    yield sandbox
    sandbox.run("down")


def _record(sandbox: Sandbox) -> Record:
    record = sandbox.state.running()
    assert record is not None
    return record


def _all_gone(record: Record) -> bool:
    return not any(map(processes.is_running, (record.supervisor, *record.children)))


def _other_prometheus(folder: Path, does: str) -> str:
    """Return a PATH on which prometheus names a good version and then does this instead of serving."""
    program = folder / "prometheus"
    good = '[ "$1" = --version ] && echo "prometheus, version 2.99.0" && exit'
    program.write_text(f"#!/bin/sh\n{good}\n{does}\n")
    program.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_a_server_that_fails_to_start_is_named_with_its_log_and_last_words(
    other: Sandbox, tmp_path: Path
) -> None:
    fails = 'echo "the disk is made of cheese" >&2; exit 3'
    up = other.run("up", path=_other_prometheus(tmp_path, fails))
    assert (up.returncode, up.stdout) == (70, "")
    log = other.state.path / "logs" / "prometheus.log"
    sentence = (
        f"sandbox: prometheus stopped while starting; its log {log} ends with: "
        "the disk is made of cheese\n"
    )
    assert up.stderr.endswith(sentence)
    assert other.state.running() is None
    assert not other.state.secrets.exists()


@pytest.fixture
def endless_up(other: Sandbox, tmp_path: Path) -> subprocess.Popen[str]:
    """Return an `up` that waits for a server in vain, so that it cannot end before the test ends it."""
    return other.start("up", path=_other_prometheus(tmp_path, "exec sleep 60"))


@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGKILL])
def test_an_up_that_is_ended_leaves_nothing_of_its_own(
    platform: Sandbox,
    other: Sandbox,
    endless_up: subprocess.Popen[str],
    ended_by: signal.Signals,
) -> None:
    with endless_up as up:
        eventually("a child of the platform runs", lambda: _started(other))
        record = _record(other)
        up.send_signal(ended_by)
        _, err = up.communicate(timeout=60)
    assert up.returncode == (70 if ended_by is signal.SIGINT else -signal.SIGKILL)
    assert "Traceback" not in err
    eventually("every process of the platform is gone", lambda: _all_gone(record))
    eventually("its runtime directory is gone", lambda: not record.runtime.exists())
    assert _record(platform).supervisor != record.supervisor
    assert platform.ask({"do": "status"})["faults"] == [], "platforms stand side by side"


def _started(sandbox: Sandbox) -> bool:
    record = sandbox.state.running()
    return record is not None and any(record.runtime.iterdir())


def test_the_parents_of_postgres_programs_let_the_ordinary_user_through() -> None:
    """The checkout may lie where only root can enter."""
    from sandbox.systems.data import postgres  # noqa: PLC0415 - imports a server's client

    if postgres.ordinary_user() is None:
        pytest.skip("not root: the programs run as ourselves, from where they are")
    folder = postgres.programs()
    closed = [str(parent) for parent in (folder, *folder.parents) if not parent.stat().st_mode & 1]
    assert closed == []


@contextlib.contextmanager
def _another() -> Iterator[tuple[processes.ProcessIdentity, processes.ProcessIdentity]]:
    """Yield a process of somebody, and one that had its number before."""
    with subprocess.Popen(["/bin/sleep", "600"]) as another:
        now = processes.identify(another.pid)
        assert now is not None
        yield now, processes.ProcessIdentity(pid=now.pid, started=now.started - 1)
        another.kill()


def test_a_number_that_belongs_to_somebody_else_now_is_not_killed(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path)
    with _another() as (stranger, former):
        state.write(Record(former, tmp_path / "r", tmp_path / "c", children=(former,)))
        assert state.running() is None
        state.clean()
        assert processes.is_running(stranger)


def test_leftovers_of_a_dead_platform_are_ended(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path)
    with _another() as (child, dead):
        state.write(Record(dead, tmp_path / "r", tmp_path / "c", children=(child,)))
        state.clean()
        eventually("the child is ended", lambda: not processes.is_running(child))


DAMAGES = {
    "an empty file": "",
    "half a file": "{",
    "a file without its keys": '{"schema": 1}',
    "a file of another shape": "[1]",
}


@cases("text", DAMAGES)
def test_a_damaged_state_file_means_that_nothing_runs(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text)
    assert StateDirectory(tmp_path).running() is None


@pytest.mark.slow
def test_a_killed_supervisor_leaves_nothing_and_the_next_two_ups_share_a_new_platform(
    platform: Sandbox,
) -> None:
    """Also: one goes down with its owner. It is the last to use the platform of its group."""
    first = _record(platform)
    processes.send(first.supervisor, signal.SIGKILL)
    eventually("every process of the killed platform is gone", lambda: _all_gone(first))
    assert platform.run("status", "--environment").returncode == 1

    with subprocess.Popen(["/bin/sleep", "600"]) as owner:
        ups = [platform.start("up", "--owner", str(owner.pid)) for _ in range(2)]
        outcomes = [(*up.communicate(timeout=120), up.returncode) for up in ups]
        assert [(out, code) for out, _, code in outcomes] == [
            (f"{platform.state.environment}\n", 0)
        ] * 2
        assert sum("runs already" in err for _, err, _ in outcomes) == 1
        second = _record(platform)
        assert len(second.children) == len(first.children)
        assert not first.runtime.exists()
        assert second.runtime.exists()
        owner.kill()
    eventually("the platform went down with its owner", lambda: _all_gone(second))
    eventually("its runtime directory is gone", lambda: not second.runtime.exists())
    assert not platform.state.environment.exists()

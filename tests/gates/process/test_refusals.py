"""What the gate refuses before it measures: one clear sentence, the right code, evidence kept."""

from __future__ import annotations

import os
import pathlib
import resource
import signal
import subprocess
import sys
import time

import pytest

from tests.gates.process.gates import CHECKOUT, START, Gate, checks_of_its_own
from tests.sandbox.platforms import eventually
from tests.tables import cases

ENVIRONMENT = """
schema: 1
name: there
owner: nobody
services: {api: {health: {liveness: {path: /health}}}}
regions: {r1: {services: {api: "http://127.0.0.1:9"}, prometheus: "http://127.0.0.1:9"}}
"""


def write(gate: Gate, text: str) -> str:
    """Write an environment file and return its path."""
    path = gate.folder / "there.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_asking_for_what_does_not_exist_is_64_with_its_evidence(lonely_gate: Gate) -> None:
    """What else is refused so, tests/gates/run/test_refusals.py and tests/gates/cli/test_main.py have."""
    done = lonely_gate.run("post-deploy", "--env", "moon")
    assert done.returncode == 64
    assert "there is no such environment" in done.stdout
    assert "Traceback" not in done.stderr
    verdict = lonely_gate.verdict()
    assert (verdict["state"], verdict["decision"], verdict["exit_code"]) == ("refused", None, 64)
    assert not lonely_gate.state.exists()


def test_a_scenario_that_is_deleted_is_78_with_its_evidence(lonely_gate: Gate) -> None:
    checks = checks_of_its_own(lonely_gate.folder / "checks")
    (checks / "features/post_deploy/vendors.feature").unlink()
    env = write(lonely_gate, f"{ENVIRONMENT}checks: checks\n")
    done = lonely_gate.run("post-deploy", "--env", env, "--release", "v1.2.0")
    assert done.returncode == 78
    assert "VENDOR-1 is required by the catalogue and has no scenario" in done.stdout
    assert lonely_gate.verdict()["exit_code"] == 78


def test_python_that_strips_asserts_is_70(lonely_gate: Gate) -> None:
    done = lonely_gate.run("post-deploy", "--env", "local", python=("-O",))
    assert done.returncode == 70
    assert "without -O" in done.stderr


def test_a_full_disk_is_70_and_never_a_verdict(lonely_gate: Gate) -> None:
    """The limit on file sizes stands for the disk: opening the run still fits, the reports do not."""
    env = write(lonely_gate, f"{ENVIRONMENT}time_scale: 60\n")
    limit = (1500, 1500)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit[0], hard))
    try:
        process = lonely_gate.start("post-deploy", "--env", env, "--release", "v1.2.0")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 70
    assert "our own failure" in err
    assert "decision: GO" not in out


def test_a_full_disk_behind_stdout_is_70(lonely_gate: Gate) -> None:
    start = [sys.executable, "-c", START, "status"]
    with pathlib.Path("/dev/full").open("w") as full:
        done = subprocess.run(
            start, cwd=lonely_gate.folder, stdout=full, stderr=subprocess.DEVNULL, check=False
        )
    assert done.returncode == 70


@pytest.mark.parametrize("arguments", [(), ("",), ("deploy",), ("check", "twice")])
def test_the_harness_ends_with_64_for_what_it_does_not_do(arguments: tuple[str, ...]) -> None:
    done = subprocess.run([CHECKOUT / "harness", *arguments], capture_output=True, check=False)
    assert done.returncode == 64
    assert done.stdout == b""


def test_a_status_of_nothing_is_no_go(lonely_gate: Gate) -> None:
    assert lonely_gate.run("status").returncode == 20


CLOSED = {
    "stdout": ("", ">&-"),
    "stderr": ("", "2>&-"),
    "all": ("", "<&- >&- 2>&-"),
    "stderr on a full disk": ("", "2>/dev/full"),
    "a reader that is gone": ("exec 3> >(:); sleep 0.2;", ">&3"),
    "both readers gone": ("exec 3> >(:); sleep 0.2;", ">&3 2>&3"),
}


@pytest.mark.parametrize(("before", "redirected"), CLOSED.values(), ids=CLOSED)
def test_a_stream_that_is_closed_changes_neither_code_nor_evidence(
    lonely_gate: Gate, before: str, redirected: str
) -> None:
    env = write(lonely_gate, f"{ENVIRONMENT}time_scale: 60\n".replace("/health", "EDIT-ME"))
    command = f'{before} "$@" {redirected}'
    gate = [sys.executable, "-c", START, "post-deploy", "--env", env, "--release", "v1.2.0"]
    done = subprocess.run(
        ["bash", "-c", command, "bash", *gate],  # noqa: S607 - the shell of the harness
        cwd=lonely_gate.folder,
        env={**os.environ, "GATE_OUT": str(lonely_gate.out)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 78, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "Exception ignored" not in done.stdout + done.stderr
    assert lonely_gate.verdict()["exit_code"] == 78


def test_help_on_a_full_disk_is_70() -> None:
    command = f'"{sys.executable}" -c "{START}" --help >/dev/full'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)  # noqa: S607 - the shell of the harness
    assert done.returncode == 70
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_waits_says_at_once_that_it_stops_and_ends(
    lonely_gate: Gate, sent: signal.Signals
) -> None:
    """The service does not answer, so the check waits two minutes until that is confirmed."""
    env = write(lonely_gate, ENVIRONMENT)
    with lonely_gate.start("post-deploy", "--env", env, "--release", "v1.2.0") as process:
        eventually("a check has begun", lambda: _has_begun(lonely_gate))
        asked = time.monotonic()
        process.send_signal(sent)
        _, said = process.communicate(timeout=60)
        took = time.monotonic() - asked
    assert process.returncode == 20
    assert "stopping" in said
    assert lonely_gate.verdict()["state"] == "interrupted"
    # About a second on a machine with nothing else to do; a child that is killed takes 20.
    assert took < 10


PROVIDED = """
schema: 1
name: there
provider:
  up: ["{folder}/provider", up]
  down: ["{folder}/provider", down]
"""
PROVIDER = "#!/bin/sh\necho $1 $$ >>$(dirname $0)/calls\n[ $1 = down ] || exec sleep 100\n"


@cases("to_all", {"Ctrl-C": True, "a signal to the gate alone": False})
def test_a_run_that_is_stopped_while_its_platform_comes_up_ends_and_takes_it_down(
    lonely_gate: Gate, *, to_all: bool
) -> None:
    env, folder = write(lonely_gate, PROVIDED), lonely_gate.folder
    (folder / "provider").write_text(PROVIDER)
    (folder / "provider").chmod(0o755)
    calls = folder / "calls"
    with lonely_gate.start("post-deploy", "--env", env, "--release", "v1.2.0") as process:
        eventually("it is coming up", lambda: calls.exists() and calls.read_text(), 60)
        # A terminal's Ctrl-C reaches the whole group of processes.
        (os.killpg if to_all else os.kill)(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 20, said
    assert "stopping" in said
    assert "Traceback" not in said
    assert (lonely_gate.verdict()["state"], lonely_gate.verdict()["decision"]) == (
        "interrupted",
        None,
    )
    (_, up), (last, _) = (line.split() for line in calls.read_text().splitlines())
    assert last == "down"
    assert not pathlib.Path("/proc", up).exists()


def _has_begun(gate: Gate) -> bool:
    events = [run / "events.jsonl" for run in gate.runs()]
    return any(path.exists() and "check_started" in path.read_text() for path in events)

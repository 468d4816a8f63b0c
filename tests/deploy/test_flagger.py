"""The receiver that Flagger calls: a real process and a gate that ends as its release says."""

from __future__ import annotations

import os
import pathlib
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.checkout import ROOT
from tests.sandbox.platforms import eventually
from tests.tables import cases

GATE = """#!/bin/sh
trap 'echo stopped >>"$ASKED_OF_IT"; exit 20' TERM
echo "$@" >>"$ASKED_OF_IT"
case "$*" in
  notify*) exit 70 ;;
  *v1.2.0*) echo '{"decision": "GO", "run": "the-run"}' ;;
  *v1.2.1*) echo '{"decision": "ROLLBACK", "run": "the-run"}'; exit 10 ;;
  *v1.2.2*) echo '{"decision": "HOLD", "run": "the-run"}'; exit 20 ;;
  *v1.2.3*) echo 'Killed' ;;
  *v1.2.4*) echo '{"decision": "HOLD", "run": "the-run"}' ;;
  *v1.2.5*) echo '{"decision": "GO", "run": "the-run"}'; exit 137 ;;
  *v1.2.6*) sleep 60 & wait $! ;;
esac
"""


NONE, BROKEN = "no verdict", "none that could be read (JSONDecodeError)"


class Receiver:
    """The receiver's process, and what its gate was asked."""

    def __init__(self, folder: pathlib.Path) -> None:
        gate, self.asked = folder / "gate", folder / "asked"
        gate.write_text(GATE)
        gate.chmod(0o755)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/"
        program = str(ROOT / "deploy/ci/flagger/receiver.py")
        line = [sys.executable, program, "--host", "127.0.0.1", "--port", str(port)]
        told = {"PATH": f"{folder}:{os.environ['PATH']}", "ASKED_OF_IT": str(self.asked)}
        self.process = subprocess.Popen(
            [*line, "post-deploy", "--env", "prod"], env=told, stderr=subprocess.DEVNULL
        )
        eventually("the receiver is up", self._up)

    def _up(self) -> bool:
        try:
            return httpx.get(self.url).status_code == 200
        except httpx.TransportError:
            return False

    def call(self, release: Any, **more: Any) -> httpx.Response:
        """Call as Flagger does."""
        call = {"name": "api", "namespace": "web", "metadata": {"release": release}, **more}
        return httpx.post(self.url, json=call)

    def answer(self, release: str) -> httpx.Response:
        """Call until the gate has ended."""
        found: list[httpx.Response] = []

        def ended() -> bool:
            found.append(self.call(release))
            return found[-1].status_code != 503

        eventually(f"the gate has ended about {release}", ended)
        return found[-1]


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    running = Receiver(tmp_path_factory.mktemp("flagger"))
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait()


@cases("release code says", {
    "GO": ("v1.2.0", 200, "GO: v1.2.0, code 0, run the-run"),
    "ROLLBACK pauses and rolls nothing back": ("v1.2.1", 409, "ROLLBACK: v1.2.1, code 10, run the-run"),
    "HOLD": ("v1.2.2", 409, "HOLD: v1.2.2, code 20, run the-run"),
    "a 0 without a verdict": ("v1.2.3", 409, f"{NONE}: v1.2.3, code 0, run {BROKEN}"),
    "a 0 beside another decision": ("v1.2.4", 409, f"{NONE}: v1.2.4, code 0, run the-run"),
    "killed, though GO": ("v1.2.5", 409, f"{NONE}: v1.2.5, code 137, run the-run"),
})  # fmt: skip
def test_flagger_hears_200_on_go_alone(
    receiver: Receiver, release: str, code: int, says: str
) -> None:
    answer = receiver.answer(release)
    assert (answer.status_code, answer.text.strip()) == (code, says)
    # A GO lets one step go: the traffic of the next one was not measured by it.
    again = receiver.call(release) if code != 200 else receiver.answer(release)
    assert (again.status_code, again.text) == (code, answer.text)
    asked = [one for one in receiver.asked.read_text().splitlines() if release in one]
    line = f"post-deploy --env prod --output json --release {release}"
    assert asked == [line] * (2 if code == 200 else 1)


@cases("call", {
    "an option for a release": {"release": "--env=dev"},
    "two words": {"release": "v1.2.0 --only X"},
    "no release": {"release": None},
    "no canary": {"release": "v1.2.0", "name": 7},
})  # fmt: skip
def test_what_flagger_does_not_send_asks_nothing(receiver: Receiver, call: Any) -> None:
    assert receiver.call(**call).status_code == 400
    assert httpx.post(receiver.url, content=b"[").status_code == 400
    asked = receiver.asked.read_text() if receiver.asked.exists() else ""
    assert "dev" not in asked
    assert "--only" not in asked


def test_a_receiver_that_is_stopped_stops_its_gate(tmp_path: pathlib.Path) -> None:
    receiver = Receiver(tmp_path)
    assert receiver.call("v1.2.6").status_code == 503
    eventually("the gate runs", receiver.asked.exists)
    receiver.process.send_signal(signal.SIGTERM)
    assert receiver.process.wait(30) == 0
    assert receiver.asked.read_text().splitlines()[-1] == "stopped"

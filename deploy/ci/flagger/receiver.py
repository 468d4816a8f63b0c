"""Flagger's webhook of the gate: 200 on GO and on nothing else.

    python receiver.py --port 8080 post-deploy --window 15m --env prod

For the hooks confirm-traffic-increase and confirm-promotion alone: Flagger asks them again until they say
yes, and what is not 200 pauses a canary and rolls nothing back. Each GO lets one step go: of the traffic of
the next one it knows nothing. What is not GO stays so until a person restarts this, as a HOLD that turns
into a GO by trying is none.
What is asked stands on the command line; a call names its canary and, in `metadata.release`, the release.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import dataclasses
import http.server
import json
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, NoReturn

GO_SECONDS = 600.0
"""How long a GO waits for the call that it answers; after that the release is asked about again."""
MOST_BYTES = 65_536
STOP_SECONDS = 50.0
"""The gate removes its synthetic records when it is stopped."""
_CODES = {"GO": 0, "ROLLBACK": 10, "STOP": 10, "NO_GO": 10, "HOLD": 20}
_RELEASE = re.compile(r"v?\d+\.\d+\.\d+")


@dataclasses.dataclass(frozen=True, slots=True)
class Ended:
    """How a gate ended."""

    is_go: bool
    said: str
    at: float


class Gate:
    """Asks one question after the other, each in the background: Flagger waits for seconds only."""

    def __init__(self, line: Sequence[str], go_seconds: float = GO_SECONDS) -> None:
        self._line, self._go_seconds = ["gate", *line, "--output", "json"], go_seconds
        self._lock = threading.Lock()
        self._pool = concurrent.futures.ThreadPoolExecutor(max_workers=1)
        self._asked: dict[tuple[str, ...], concurrent.futures.Future[Ended]] = {}
        self._running: subprocess.Popen[bytes] | None = None
        self._ending = False

    def answer(self, canary: tuple[str, ...], release: str) -> tuple[HTTPStatus, str]:
        """Return what Flagger is told now; asks the gate where its last GO was used, or is too old."""
        key = (*canary, release)
        with self._lock:
            asked = self._asked.get(key)
            if asked is None or (asked.done() and self._is_old(asked.result())):
                asked = self._asked[key] = self._pool.submit(self._ask, release)
            elif asked.done():
                ended = asked.result()
                if ended.is_go:
                    del self._asked[key]
                return HTTPStatus.OK if ended.is_go else HTTPStatus.CONFLICT, ended.said
        return HTTPStatus.SERVICE_UNAVAILABLE, f"the gate is being asked about {release}"

    def end(self) -> None:
        """Stop the gate that is running, and wait for it."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        with self._lock:  # a gate that is just being started is seen, or not started any more
            self._ending, running = True, self._running
        if running is not None:
            running.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.wait(STOP_SECONDS)

    def _is_old(self, ended: Ended) -> bool:
        return ended.is_go and time.monotonic() - ended.at > self._go_seconds

    def _ask(self, release: str) -> Ended:
        """Ask the gate, and tell whom `notify` names; no code counts without a verdict that says the same."""
        code, said, run = None, None, "none"
        line = [*self._line, "--release", release]
        try:
            # A file: a pipe would be waited for as long as anybody holds it, also when this is stopped.
            with tempfile.TemporaryFile() as verdict:
                with self._lock:
                    if self._ending:
                        return Ended(is_go=False, said="stopped", at=time.monotonic())
                    running = subprocess.Popen(line, stdout=verdict)  # noqa: S603 - our own program
                    self._running = running
                code = running.wait()
                verdict.seek(0)
                record = json.load(verdict)
            said, run = record["decision"], record["run"]
            subprocess.run(["gate", "notify", run], check=False)  # noqa: S603, S607 - our own program
        except (OSError, ValueError, KeyError, TypeError) as exc:
            run = f"none that could be read ({type(exc).__name__})"
        word = said if said in _CODES and code == _CODES[said] else "no verdict"
        said = f"{word}: {release}, code {code}, run {run}"
        return Ended(word == "GO", said, time.monotonic())


class Hook(http.server.BaseHTTPRequestHandler):
    """One call of Flagger; `gate` is the server's."""

    gate: Gate
    timeout = 10

    def do_POST(self) -> None:
        """Answer a webhook's call."""
        try:
            size = int(self.headers.get("Content-Length", ""))
            call = json.loads(self.rfile.read(size)) if 0 < size <= MOST_BYTES else {}
            canary, release = (call["namespace"], call["name"]), call["metadata"]["release"]
            fine = all(isinstance(one, str) for one in canary) and _RELEASE.fullmatch(release)
        except (ValueError, KeyError, TypeError, RecursionError):
            fine = None
        if fine:
            self._say(*self.gate.answer(canary, release))
        else:
            self._say(HTTPStatus.BAD_REQUEST, "name, namespace and metadata.release are needed")

    def do_GET(self) -> None:
        """Say that this is up."""
        self._say(HTTPStatus.OK, "POST what Flagger sends")

    def _say(self, status: HTTPStatus, text: str) -> None:
        body = f"{text}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main(arguments: Sequence[str]) -> None:
    """Serve until this is stopped."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--host", default="0.0.0.0")  # noqa: S104 - a Service leads here
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("line", nargs=argparse.REMAINDER, help="the gate and its arguments")
    parsed = parser.parse_args(arguments)
    gate = Gate(parsed.line)
    hook: Any = type("Hook", (Hook,), {"gate": gate})
    signal.signal(signal.SIGTERM, _stop)
    try:
        with http.server.ThreadingHTTPServer((parsed.host, parsed.port), hook) as server:
            server.serve_forever()
    finally:
        gate.end()


def _stop(_number: int, _frame: object) -> NoReturn:
    sys.exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])

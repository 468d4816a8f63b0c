"""The example by hand: `serve.py up`, `serve.py fault slow|errors|down|none`, `serve.py down`.

`up` starts a plain web service with visitors and a Prometheus that scrapes it, and prints the path of
the environment file that describes them. With --owner it stays up until `down` comes from the same
process; brought up by hand it stays up until it is taken down by hand.
"""

# ruff: noqa: INP001, T201 - a script for a terminal and no package: what it prints is its answer

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import os
import pathlib
import signal
import socket
import string
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import service

# Only to find a Prometheus: on the PATH, else unpacked from its Debian package.
from sandbox.core import binaries

STATE = pathlib.Path(
    os.environ.get("PLAIN_WEB_STATE", pathlib.Path(__file__).parent / ".state")
).resolve()
UP_SECONDS = 120.0
"""The first `up` on a fresh machine may have to fetch Prometheus."""
DOWN_SECONDS = 15.0
POLL_SECONDS = 0.1
BY_HAND = "hand"


def main() -> int:
    """Carry out one command."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("up", "down"):
        commands.add_parser(name).add_argument("--owner", default=BY_HAND)
    fault = commands.add_parser("fault")
    fault.add_argument("name", choices=(*service.FAULTS, "none"))
    commands.add_parser("run", help="what `up` starts: the service itself, in the foreground")
    arguments = parser.parse_args()
    match arguments.command:
        case "up":
            return up(arguments.owner)
        case "down":
            return down(arguments.owner)
        case "fault":
            return bend(arguments.name)
    return run()


def up(owner: str) -> int:
    """Start the example unless it runs, and print its environment file."""
    STATE.mkdir(parents=True, exist_ok=True)
    if _running() is None:
        for name in ("environment.yaml", "fault", "owner"):
            (STATE / name).unlink(missing_ok=True)
        with (STATE / "log").open("wb") as log:
            started = subprocess.Popen(  # noqa: S603 - this very file
                [sys.executable, __file__, "run"], stdout=log, stderr=log, start_new_session=True
            )
        if not _until(lambda: _file().exists() or started.poll() is not None, UP_SECONDS):
            print(f"the example is not up after {UP_SECONDS:g} s; see {STATE}/log", file=sys.stderr)
            return 1
        if not _file().exists():
            print(f"the example did not start; see {STATE}/log", file=sys.stderr)
            return 1
    if not _wanted():
        (STATE / "owner").write_text(owner)
    print(_file())
    return 0


def down(owner: str) -> int:
    """Stop the example if this owner brought it up, or whoever did if a person asks."""
    process = _running()
    if process is None or (owner != BY_HAND and _owner() != owner):
        return 0
    os.kill(process, signal.SIGTERM)
    if not _until(lambda: _running() is None, DOWN_SECONDS):
        print(f"process {process} did not end in {DOWN_SECONDS:g} s", file=sys.stderr)
        return 1
    return 0


def bend(fault: str) -> int:
    """Break the running example, or fix it with `none`."""
    if _running() is None:
        print("the example is not up; run serve.py up first", file=sys.stderr)
        return 1
    wanted = "" if fault == "none" else fault
    (STATE / "fault").write_text(wanted)
    done = _until(lambda: _text("fault-now") == wanted, DOWN_SECONDS)
    return 0 if done else 1


def run() -> int:
    """Be the example until SIGTERM: the service, its visitors, and Prometheus as a child."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    (STATE / "fault-now").write_text("")
    (STATE / "pid").write_text(str(os.getpid()))
    port, prometheus = _free_port(), _free_port()
    site = service.Site(port)
    site.start()
    try:
        with _prometheus(port, prometheus):
            service.visit(port, ended)
            _until(lambda: ended.is_set() or _scraped(prometheus), UP_SECONDS)
            _describe(port, prometheus)
            while not ended.wait(POLL_SECONDS):
                wanted = _text("fault")
                if wanted != site.fault:
                    site.bend(wanted)
                    (STATE / "fault-now").write_text(wanted)
    finally:
        site.stop()
        (STATE / "pid").unlink(missing_ok=True)
    return 0


@contextlib.contextmanager
def _prometheus(port: int, own_port: int) -> Iterator[None]:
    binary = binaries.find_prometheus(print)
    settings = STATE / "prometheus.yml"
    settings.write_text(_filled("prometheus.yml.in", port=port))
    process = subprocess.Popen(  # noqa: S603 - the program that was found
        [
            binary.path,
            f"--config.file={settings}",
            f"--storage.tsdb.path={STATE / f'prometheus-{os.getpid()}'}",
            "--storage.tsdb.retention.time=1h",
            f"--web.listen-address={service.HOST}:{own_port}",
            "--log.level=warn",
        ],
        env={**os.environ, **binary.environment, "GOMAXPROCS": "1"},
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(DOWN_SECONDS)


def _describe(port: int, prometheus: int) -> None:
    """Write the environment file whole: whoever finds it finds everything ready."""
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    text = _filled("environment.yaml.in", port=port, prometheus=prometheus, switched_at=now)
    beside = _file().with_suffix(".new")
    beside.write_text(text)
    beside.replace(_file())


def _filled(name: str, **values: object) -> str:
    template = string.Template(pathlib.Path(__file__).with_name(name).read_text())
    return template.substitute(values, host=service.HOST, build=service.BUILD)


def _scraped(prometheus: int) -> bool:
    url = f"http://{service.HOST}:{prometheus}/api/v1/query?query=web_request_seconds_count"
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return bool(json.load(answer)["data"]["result"])
    except (OSError, urllib.error.URLError, ValueError):
        return False


def _file() -> pathlib.Path:
    return STATE / "environment.yaml"


def _text(name: str) -> str:
    try:
        return (STATE / name).read_text()
    except FileNotFoundError:
        return ""


def _owner() -> str:
    return _text("owner")


def _wanted() -> bool:
    """Return whether whoever brought the example up still wants it."""
    owner = _owner()
    return owner == BY_HAND or (owner.isdecimal() and pathlib.Path(f"/proc/{owner}").exists())


def _running() -> int | None:
    """Return the example's process, if it is alive and really this file."""
    pid = _text("pid")
    try:
        line = pathlib.Path(f"/proc/{pid or 'none'}/cmdline").read_bytes()
    except OSError:
        return None
    return int(pid) if b"serve.py\0run" in line else None


def _free_port() -> int:
    with socket.socket() as free:
        free.bind((service.HOST, 0))
        return int(free.getsockname()[1])


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until a condition holds; return whether it came to that."""
    ends_at = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends_at:
            return False
        time.sleep(POLL_SECONDS)
    return True


if __name__ == "__main__":
    sys.exit(main())

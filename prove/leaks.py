"""Proof that nothing private leaves a run: a platform that lies, every gate, every artefact searched."""

from __future__ import annotations

import base64
import contextlib
import gzip
import html
import http.server
import io
import json
import os
import pathlib
import random
import subprocess
import tempfile
import threading
import urllib.parse
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import yaml

from gates.decide.outcome import EXIT_OUR_FAILURE
from prove import Cases
from sandbox.core.state import StateDirectory
from tests.gates.process.gates import Gate
from tests.sandbox.platforms import Sandbox

PROMISE = "whatever a platform answers, no secret and no patient's data is printed, kept or on a command line"
SECRET = "sentinel/s3cr3t+42=&"  # noqa: S105 - a planted one
PATIENT = "Éva Sëntinel, born 1987-06-05"
GATES = (
    ("pre-deploy",),
    *(("phase", str(number)) for number in range(1, 8)),
    ("post-deploy", "--window", "1h"),
)
RUN_SECONDS = 240.0
LOOK_SECONDS = 0.2
LIARS = 24
"""Addresses that an environment may have each of its own."""


def keeps_private(seed: int) -> Cases:
    """Yield runs of each gate in turn; some of a sound platform's addresses and secrets are replaced."""
    chance = random.Random(seed)  # noqa: S311 - cases, no secrets
    with tempfile.TemporaryDirectory(prefix="prove-") as folder, _liars() as liars:
        base = pathlib.Path(folder)
        platform = Sandbox(StateDirectory(base / "state"))
        up = platform.run("up", "--owner", str(os.getpid()))
        if up.returncode != 0:
            raise RuntimeError(f"the platform did not come up: {up.stderr}")
        try:
            sound = (platform.state.path / "environment.yaml").read_text(encoding="utf-8")
            number = 0
            while True:
                gate = Gate(base / f"gate-{number}", platform.state.path)
                for liar in liars:
                    liar.way = chance.choice(ANSWERS)
                share = chance.choice((0.15, 0.5, 1.0))
                ports = [liar.server_port for liar in liars]
                file = _replaced(yaml.safe_load(sound), gate.folder, ports, chance, share)
                arguments = (*GATES[number % len(GATES)], "--env", str(file))
                found = [f"{' '.join(arguments[:2])}: {one}" for one in _leaks(gate, arguments)]
                yield "; ".join(found) or None
                number += 1
        finally:
            platform.run("down")


def _leaks(gate: Gate, arguments: tuple[str, ...]) -> Iterator[str]:
    """Run a gate and what reads its run; yield each place where something private is."""
    process = gate.start(*arguments)
    lines = set[bytes]()
    ends = threading.Event()
    looking = threading.Thread(target=_look_at_processes, args=(lines, ends))
    looking.start()
    try:
        out, err = process.communicate(timeout=RUN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        yield f"not over after {RUN_SECONDS:.0f} s"
    finally:
        ends.set()
        looking.join()
    if process.returncode == EXIT_OUR_FAILURE:
        yield f"the gate itself failed: {err[-300:]}"
    printed = {"stdout": out, "stderr": err}
    for command in (("explain",), ("explain", "--output", "json"), ("status",)):
        said = gate.run(*command)
        printed[" ".join(command)] = said.stdout + said.stderr
    for name, text in printed.items():
        yield from (f"{name} has {one}" for one in private(text.encode()))
    yield from (f"a command line has {one}" for line in lines for one in private(line))
    for file in sorted(gate.out.rglob("*")):
        if file.is_file():
            where = file.relative_to(gate.out)
            yield from (f"{where} has {one}" for one in private(file.read_bytes()))


def _look_at_processes(lines: set[bytes], ends: threading.Event) -> None:
    while not ends.wait(LOOK_SECONDS):
        for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                lines.add(entry.read_bytes())


def private(data: bytes) -> list[str]:
    """Return what of the sentinels is in bytes, in whatever way it is written there."""
    texts = b"\n".join(_unpacked(data))
    return [f"{word!r} ({how})" for word, how, needle in NEEDLES if needle in texts]


def _unpacked(data: bytes) -> Iterator[bytes]:
    yield data
    if data[:2] == b"\x1f\x8b":
        yield from _unpacked(gzip.decompress(data))
    elif data[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                yield name.encode()
                yield from _unpacked(archive.read(name))


def _needles() -> Iterator[tuple[str, str, bytes]]:
    for word in (SECRET, PATIENT, PATIENT.partition(",")[0]):
        raw = word.encode()
        yield word, "as it is", raw
        yield word, "in a URL", urllib.parse.quote(word, safe="").encode()
        yield word, "in a path", urllib.parse.quote(word).encode()
        yield word, "in a form", urllib.parse.quote_plus(word).encode()
        yield word, "in JSON", json.dumps(word)[1:-1].encode()
        yield word, "in HTML", html.escape(word).encode()
        yield word, "in Latin-1", word.encode("latin-1")
        for offset in range(3):
            coded = base64.b64encode(b"x" * offset + raw)
            yield word, "in base64", coded[2 + 2 * offset : -4]


NEEDLES = tuple(dict.fromkeys(_needles()))


def _replaced(
    settings: dict[str, Any],
    folder: pathlib.Path,
    ports: list[int],
    chance: random.Random,
    share: float,
) -> pathlib.Path:
    """Write an environment of which a share of addresses lies and a share of secrets is a sentinel."""
    folder.mkdir(parents=True)
    secret = folder / "secret"
    secret.write_text(SECRET, encoding="utf-8")
    secret.chmod(0o600)
    left, known = list(ports), dict[str, str]()

    def lying(url: str) -> str:
        if url not in known:
            lies = left and chance.random() < share
            known[url] = f"http://127.0.0.1:{left.pop()}" if lies else url
        return known[url]

    def change(value: object) -> object:
        if isinstance(value, dict):
            return {name: change(one) for name, one in value.items()}
        if isinstance(value, list):
            return [change(one) for one in value]
        if isinstance(value, str) and value.startswith("http://"):
            return lying(value)
        if isinstance(value, str) and value.startswith("file:") and chance.random() < share:
            return f"file:{secret}"
        return value

    file = folder / "environment.yaml"
    file.write_text(yaml.safe_dump(change(settings), allow_unicode=True), encoding="utf-8")
    return file


@contextlib.contextmanager
def _liars() -> Iterator[list[_Liar]]:
    """Serve lies on many ports until the block ends."""
    servers = [_Liar(("127.0.0.1", 0), _Lie) for _ in range(LIARS)]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield servers
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


class _Liar(http.server.ThreadingHTTPServer):
    """Answers anything with private things, for one run in one way."""

    way: Callable[[], tuple[int, str, bytes]]


class _Lie(http.server.BaseHTTPRequestHandler):
    """One connection of a liar's."""

    server: _Liar

    def answer(self) -> None:
        """Answer with one of the ways."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, kind, body = self.server.way()
        with contextlib.suppress(OSError):
            self.send_response(status, "Sentinel")
            self.send_header("Content-Type", kind)
            self.send_header("Location", "/" + urllib.parse.quote(SECRET))
            self.send_header("X-Pod", urllib.parse.quote(PATIENT))
            self.send_header("Set-Cookie", f"session={urllib.parse.quote(SECRET)}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its name
        """Say nothing."""


for _method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
    setattr(_Lie, f"do_{_method}", _Lie.answer)


def _json(value: object, status: int = 200) -> tuple[int, str, bytes]:
    return status, "application/json", json.dumps(value, ensure_ascii=False).encode()


def _everything() -> Mapping[str, Any]:
    """Return an object with a private value under every name that a probe reads."""
    names = (
        *("status", "version", "name", "title", "id", "detail", "message", "error", "warnings"),
        *("openapi", "token", "email", "newAppointmentUi", "resourceType", "fhirVersion", "kind"),
    )
    metadata = {"name": PATIENT, "namespace": PATIENT, "labels": {PATIENT: PATIENT}, "uid": SECRET}
    series = {"metric": {"__name__": PATIENT, "region": SECRET}, "value": [1, PATIENT]}
    return {
        **dict.fromkeys(names, f"{PATIENT} {SECRET}"),
        "metadata": metadata,
        "items": [{"metadata": metadata, "status": {"message": PATIENT}, "spec": {"name": SECRET}}],
        "data": {"resultType": "vector", "result": [series], "activeTargets": [series]},
        "services": {PATIENT: PATIENT},
        "entry": [{"resource": {"id": PATIENT}}],
        "paths": {f"/{PATIENT}": {"get": {"summary": PATIENT}}},
    }


ANSWERS: tuple[Callable[[], tuple[int, str, bytes]], ...] = (
    *(5 * (lambda: _json(_everything()),)),
    lambda: _json([_everything()]),
    lambda: _json({"status": "success", "data": _everything()["data"]}),
    lambda: _json(_everything(), 500),
    lambda: _json(_everything(), 401),
    lambda: _json(_everything(), 422),
    lambda: (200, "text/html", f"<h1>{PATIENT}</h1><p>{SECRET}</p>".encode()),
    lambda: (503, "text/plain", f"Traceback: password={SECRET} of {PATIENT}".encode()),
    lambda: (302, "text/plain", SECRET.encode()),
    lambda: (
        200,
        "application/xml",
        f"<?xml version='1.0'?><Error><Code>{SECRET}</Code></Error>".encode(),
    ),
    lambda: (
        403,
        "application/xml",
        f"<Error><Code>Denied</Code><Message>{PATIENT}</Message></Error>".encode(),
    ),
)

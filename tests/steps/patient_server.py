"""The public interface that a synthetic patient walks through, on port 0, with faults on demand."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

Answer = tuple[int, object]
APPOINTMENT = "00000000-0000-4000-8000-000000000001"
GOOD: dict[str, Answer] = {
    "POST /v1/auth/register": (201, {"id": "p-1"}),
    "POST /v1/auth/login": (200, {"token": "sentinel-token"}),
    "POST /v1/appointments": (201, {"id": APPOINTMENT, "status": "scheduled"}),
    f"GET /v1/appointments/{APPOINTMENT}": (200, {"id": APPOINTMENT}),
    "POST /v1/payments": (201, {"status": "succeeded"}),
    "POST /v1/video/calls": (201, {"status": "initialised", "joinUrl": "https://v/1"}),
}
RECORDS = "/v1/synthetic/records"


@dataclasses.dataclass
class PatientServer:
    """Its address, what it answers otherwise than well, and what it keeps."""

    url: str = ""
    always: dict[str, Answer] = dataclasses.field(default_factory=dict)
    once: dict[str, list[Answer]] = dataclasses.field(default_factory=dict)
    """Answers of the next requests; then `always` or a good one."""
    records: dict[str, str] = dataclasses.field(default_factory=dict)
    """Tag of every record that is there → when it was created."""
    asked: list[str] = dataclasses.field(default_factory=list)
    removal_works: bool = True

    def answer(self, method: str, target: str, tag: str | None) -> Answer:
        """Return status and body of one request."""
        path = urlsplit(target).path
        self.asked.append(f"{method} {path}")
        if path == RECORDS:
            return self._records(method, parse_qs(urlsplit(target).query).get("tag", []))
        if tag is not None:
            self.records.setdefault(tag, dt.datetime.now(dt.UTC).isoformat())
        asked = f"{method} {path}"
        if self.once.get(asked):
            return self.once[asked].pop(0)
        return self.always.get(asked, GOOD.get(asked, (404, {})))

    def _records(self, method: str, tags: list[str]) -> Answer:
        if method == "DELETE":
            if self.removal_works:
                self.records.pop(tags[0], None)
            return 200, {}
        listed = [
            {"tag": tag, "created_at": at}
            for tag, at in self.records.items()
            if not tags or tag in tags
        ]
        return 200, {"records": listed}


@contextlib.contextmanager
def patient_server() -> Iterator[PatientServer]:
    """Serve it until the block ends."""
    serving = PatientServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, body = serving.answer(
                self.command, self.path, self.headers.get("X-Synthetic-Tag")
            )
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_DELETE = do_GET  # noqa: N815 - the names that http.server asks for

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its signature
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield serving
        finally:
            server.shutdown()
            thread.join(timeout=5)

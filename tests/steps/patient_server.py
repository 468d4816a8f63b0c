"""The public interface that a synthetic patient walks through, on port 0, with faults on demand."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

from tests.steps.json_server import Answer, json_server

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
    with json_server(
        lambda method, target, headers, _: serving.answer(
            method, target, headers.get("X-Synthetic-Tag")
        )
    ) as serving.url:
        yield serving

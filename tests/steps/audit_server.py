"""An audit log on port 0 and a service that writes to it, with faults on demand."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.steps.json_server import json_server

TOKEN = "sentinel-audit-token"
READ = "records.listed"
CHANGED = "flag.changed"


@dataclasses.dataclass
class AuditServer:
    """Its address, its entries, and what it does otherwise than well."""

    url: str = ""
    entries: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    log_status: int = 200
    service_status: int = 200
    open_to_all: bool = False
    body: object = None
    """Answered by the log instead of its entries, where it is something."""
    copies: int = 1
    """How many entries a read has."""
    late_looks: int = 0
    """How many looks at the log an entry is late."""
    changes: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Fields in which the entry of a read is wrong."""
    page: int = 100
    looks: int = 0

    def add(self, **fields: Any) -> None:
        """Add an entry of now; fields replace those of an ordinary one."""
        entry = {
            "id": str(len(self.entries) + 1),
            "at": dt.datetime.now(dt.UTC).isoformat(),
            "actor": "ops",
            "action": CHANGED,
            "target": None,
            "old": None,
            "new": None,
            "request_id": None,
            "patient": "Jane Doe",
        }
        self.entries.append({**entry, **fields})

    def answer(self, target: str, request_id: str | None, token: str | None) -> tuple[int, object]:
        """Return status and body of one GET."""
        parts = urlsplit(target)
        if parts.path != "/v1/audit":
            if self.service_status == 200:
                for _ in range(self.copies):
                    self.add(**{"action": READ, "request_id": request_id, **self.changes})
            return self.service_status, {}
        self.looks += 1
        if token != f"Bearer {TOKEN}" and not self.open_to_all:
            return 401, {}
        if self.log_status != 200 or self.body is not None:
            return self.log_status, self.body
        if self.looks <= self.late_looks:
            return 200, {"entries": [], "next": None}
        return 200, self._page(parse_qs(parts.query))

    def _page(self, asked: dict[str, list[str]]) -> object:
        first = int(asked.get("cursor", ["0"])[0])
        found = [
            one
            for one in self.entries
            if one["action"] in asked.get("action", [one["action"]])
            and one["request_id"] in asked.get("request_id", [one["request_id"]])
        ]
        last = first + self.page
        return {"entries": found[first:last], "next": str(last) if last < len(found) else None}


@contextlib.contextmanager
def audit_server() -> Iterator[AuditServer]:
    """Serve it until the block ends."""
    serving = AuditServer()
    with json_server(
        lambda _, target, headers, __: serving.answer(
            target, headers.get("X-Request-Id"), headers.get("Authorization")
        )
    ) as serving.url:
        yield serving


def section(url: str) -> dict[str, Any]:
    """Return the section `audit` around one server."""
    return {
        "address": url,
        "token": "env:AUDIT_TOKEN",
        "flag_change": CHANGED,
        "appears_within": "500ms",
        "trial": {
            "service": "api",
            "path": "/records?tag={id}",
            "token": "env:AUDIT_TOKEN",
            "action": READ,
        },
    }

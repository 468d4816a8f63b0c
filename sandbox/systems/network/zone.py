"""The platform's DNS zone: what it says before and after phase 6, and the hosts behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ZONE = "unified-health.test"
HOSTS = tuple(f"{name}.{ZONE}" for name in ("api", "app", "fhir", "status"))
TTL_SECONDS = 60
SERIAL_BEFORE, SERIAL_AFTER = 2026013100, 2026013101

Records = Mapping[str, list[str]]
"""`NAME TYPE` → values, as in a zone file."""

_SAME: Records = {
    f"api.{ZONE} A": ["192.0.2.10", "192.0.2.20"],
    f"app.{ZONE} CNAME": [f"cdn.{ZONE}"],
    f"fhir.{ZONE} A": ["192.0.2.30"],
    f"status.{ZONE} CNAME": ["pages.status.test"],
    f"{ZONE} MX": ["10 mail.unified-health.test"],
}
CHANGED = f"cdn.{ZONE} A"
"""What phase 6.1 updates: the app's new release is served from another address."""
BEFORE: Records = {**_SAME, CHANGED: ["198.51.100.1"]}
AFTER: Records = {**_SAME, CHANGED: ["198.51.100.2"]}


def described() -> list[dict[str, Any]]:
    """Return the records as an environment file describes them."""
    found = []
    for key, values in AFTER.items():
        name, _, kind = key.partition(" ")
        record: dict[str, Any] = {"name": name, "type": kind, "values": values}
        if BEFORE[key] != values:
            record["before"] = BEFORE[key]
        found.append(record)
    return found

"""The platform's DNS zone: what it says before and after phase 6, and the hosts behind it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.systems import standin_servers

if TYPE_CHECKING:
    from sandbox.core.platform import Platform

ZONE = "unified-health.test"
HOSTS = tuple(f"{name}.{ZONE}" for name in ("api", "app", "fhir", "status"))
TTL_SECONDS = 60
SERIAL_BEFORE, SERIAL_AFTER, SERIAL_REVERTED = 2026013100, 2026013101, 2026013102

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


HOSTED_ZONE = "Z123456"
_ANY_REGION = "us-east-1"
_OF_THE_ZONE_ITSELF = ("SOA", "NS")
"""Route 53 makes these two; the local servers have their own."""


@dataclass(frozen=True, slots=True)
class Operator:
    """Who changes the zone, and where."""

    endpoint: str
    key_id: str
    key: str

    def publish(self, records: Records, ttl_seconds: int) -> dict[str, list[str]]:
        """Change every record set in one batch and return what Route 53 holds then.

        `aws route53 change-resource-record-sets`, as the runbook's 6.1 and its DNS rollback.
        """
        self._client().change_resource_record_sets(
            HostedZoneId=HOSTED_ZONE, ChangeBatch={"Changes": changes(records, ttl_seconds)}
        )
        return self.held()

    def held(self) -> dict[str, list[str]]:
        """Return what Route 53 holds."""
        pages = self._client().get_paginator("list_resource_record_sets")
        pages = pages.paginate(HostedZoneId=HOSTED_ZONE)
        found = [one for page in pages for one in page["ResourceRecordSets"]]
        return dict(_plain(one) for one in found if one["Type"] not in _OF_THE_ZONE_ITSELF)

    def _client(self) -> Any:
        # Only who deploys phase 6 waits for it.
        import boto3  # noqa: PLC0415 - as said above

        return boto3.client(
            "route53",
            region_name=_ANY_REGION,
            endpoint_url=self.endpoint,
            aws_access_key_id=self.key_id,
            aws_secret_access_key=self.key,
        )


def changes(records: Records, ttl_seconds: int) -> list[dict[str, Any]]:
    """Return the batch that makes a zone have these records."""
    return [
        {
            "Action": "UPSERT",
            "ResourceRecordSet": {
                "Name": f"{name}.",
                "Type": kind,
                "TTL": ttl_seconds,
                "ResourceRecords": [{"Value": value} for value in values],
            },
        }
        for key, values in records.items()
        for name, _, kind in [key.partition(" ")]
    ]


def _plain(record_set: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Return a record set as the zone writes it: `NAME TYPE` and its values."""
    values = [one["Value"] for one in record_set["ResourceRecords"]]
    return f"{record_set['Name'].rstrip('.')} {record_set['Type']}", values


async def update_zone(platform: Platform) -> None:
    """Publish the release's records under the next serial; caches learn of it after a moment."""
    await _publish(platform, AFTER, BEFORE, SERIAL_AFTER)


async def revert_zone(platform: Platform) -> None:
    """Publish the records of before under a serial of their own: the runbook's Method 3."""
    await _publish(platform, BEFORE, AFTER, SERIAL_REVERTED)


async def _publish(platform: Platform, records: Records, previous: Records, serial: int) -> None:
    layout = platform.layout
    operator = Operator(
        layout.url("aws"), layout.passwords["aws-operator-id"], layout.passwords["aws-operator"]
    )
    held = await asyncio.to_thread(operator.publish, records, TTL_SECONDS)
    await standin_servers.tell(
        layout, "names", records=held, previous=previous, serial=serial, changed_at=time.time()
    )

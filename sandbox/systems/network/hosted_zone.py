"""The hosted zone as Route 53 has it: changed and read as an operator does, with a key of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.systems.network.zone import Records

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

"""The platform's audit log: where the gate reads it, and what it tries to see whether it records."""

from __future__ import annotations

from pydantic import Field

from settings.fields import HttpUrl, SecretReference, Skew, Text
from settings.sections import Name, Seconds, Section


class AuditTrial(Section):
    """A harmless read that the platform must record: sent by the gate under an id of its own."""

    service: Name
    """Which service is asked, in every region."""
    path: str = Field(pattern=r"^/[^{}]*\{id\}[^{}]*$")
    """What is read with GET; `{id}` becomes the unique id. It must change nothing and name no patient."""
    token: SecretReference
    """Sent as a bearer token."""
    header: Text = "X-Request-Id"
    """Carries the unique id, which must come back as the entry's `request_id`."""
    action: Text
    """What the log calls this read."""


class Audit(Section):
    """The audit log, read over the interface that docs/platform-contract.md describes."""

    address: HttpUrl
    """Where it answers."""
    path: str = Field(default="/v1/audit", pattern=r"^/[^?#\s]*$")
    """Below that address."""
    token: SecretReference
    """A token of the gate's own that may read entries and nothing else."""
    ca_file: str | None = None
    """File of the authority that signs its certificate, where it is not a public one."""
    flag_change: Text
    """What the log calls a change of a feature flag."""
    appears_within: Seconds = Field(default=60.0, gt=0, le=600)
    """How long an entry may take from what it records to where the gate reads it."""
    max_clock_skew: Skew = 30.0
    """The gate's clock and the log's may differ by so much."""
    trial: AuditTrial
    """Shows whether the log records at all."""

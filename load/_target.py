"""Where a scenario's requests go, and what it may need to prepare itself there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """Where a scenario's requests go, and what a scenario may need to prepare itself there."""

    region: str
    address: str
    tag: str
    """Marks every record that this run makes."""
    email_domain: str = ""
    """Of synthetic patients; empty where the environment has none."""
    provider_id: str = ""
    accounts: int = 20
    """How many synthetic users a scenario may make."""
    ca_file: str | None = None
    imitated: bool = False
    """A server that only imitates the platform: there is nothing to prepare."""


class PrepareError(Exception):
    """A scenario could not make what it needs; the text says where and why."""

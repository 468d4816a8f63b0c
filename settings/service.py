"""The ways in which the platform tries its own external services, and its FHIR server."""

from __future__ import annotations

from pydantic import Field

from settings.fields import SecretReference
from settings.sections import Name, Section


class IntegrationTry(Section):
    """A call by which the platform tries one external service in the vendor's test mode."""

    path: str = Field(pattern=r"^/")
    """Posted to, below the service's address."""
    expect: dict[str, str] = Field(default_factory=dict)
    """What the answer's JSON must say: dotted path of a field → its word. Empty: any
    answer with 200 counts that is no page for people and does not say that it failed."""
    needs: tuple[str, ...] = ()
    """Names of the external services behind it; whoever owes them is named when it fails."""


class Integrations(Section):
    """The platform's own tries; none moves money or reaches a person."""

    service: Name
    """Which service offers them."""
    tries: dict[Name, IntegrationTry] = Field(min_length=1)
    """By name, as the features call them: payment, notifications."""
    token: SecretReference | None = None
    """Sent as a bearer token, where the tries ask for one."""


class Fhir(Section):
    """The FHIR server, and what its CapabilityStatement must say."""

    service: Name
    """Its name under `regions.*.services`; every region has an address for it."""
    path: str = Field(default="/metadata", pattern=r"^/")
    """Where it states its capabilities."""
    version: str = Field(default="4.0", pattern=r"^[0-9]+(\.[0-9]+)*$")
    """The FHIR version, or how it begins."""
    resources: dict[str, tuple[str, ...]] = Field(min_length=1)
    """Resource type → the interactions that it must offer, such as read and search-type."""
    protected_path: str | None = Field(default=None, pattern=r"^/")
    """Something that nobody may read without a login: it must be answered with 401 or 403. Name a
    record that does not exist."""

"""The platform's services: their health, whom they depend on outside, and what the gate tries on them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from settings.sections import HttpUrl, Name, Seconds, SecretReference, Section, Text

WORDS_FOR_ILL = frozenset(
    {
        *("unhealthy", "not healthy", "sick", "ill", "bad", "ko", "no", "false", "0"),
        *("down", "dead", "offline", "unavailable", "unreachable", "stopped", "disconnected"),
        *("error", "err", "fail", "failed", "failing", "failure", "fatal", "critical", "degraded"),
        *("warn", "warning", "unknown", "timeout"),
    }
)
"""What services say of themselves when they are not well; `healthy` can't be one of these."""


class HealthEndpoint(Section):
    """One health endpoint: where, and which fields of its JSON body say what."""

    path: str = Field(pattern=r"^/")
    """Below the service's address."""
    status_field: str | None = None
    """The field that says how the service is."""
    healthy: Text = "healthy"
    """The word in `status_field` that means all is well."""
    version_field: str | None = None
    """The field that tells the running version, such as 1.2.0."""
    latency_field: str | None = None
    """In milliseconds."""
    services_field: str | None = None
    """An object: name of the external service → object with `status_field`."""

    def _refusals(self) -> Iterator[str]:
        if self.healthy.strip().lower() in WORDS_FOR_ILL:
            yield (
                f"healthy “{self.healthy}” is a word of a sick service, which would then pass; write the "
                "word that it says when all is well"
            )


class Service(Section):
    """A service by name: its health endpoints."""

    health: dict[Name, HealthEndpoint] = Field(default_factory=dict)
    """By name, as the features call them: liveness, database, cache, external. A service without
    health endpoints is only looked at by `gate doctor`."""
    replicas: int | None = Field(default=None, ge=1, le=1000)
    """How many stand behind a region's address: health is asked so often that each is met. Where the
    section `kubernetes` describes them, its ready pods are counted instead; else 6 by default."""
    up: dict[str, str] = Field(default_factory=dict)
    """Labels of its `up` series in Prometheus, such as job: api; the region's are added. `gate watch` holds
    them beside its own asks."""
    replica_header: str | None = Field(default=None, pattern=r"^[A-Za-z0-9-]+$")
    """A header of every health answer that names the replica, such as its pod. With more than one
    replica and without it health is undecided: a balancer may keep the gate with one of them."""


JourneyStep = Literal["registration", "login", "booking", "payment", "video call"]
"""What a synthetic patient does, as the features and smoke/journey.py name it."""


class Vendor(Section):
    """An external vendor: whom to call, and how fast they owe an answer."""

    name: Text
    """As people call it."""
    services: tuple[str, ...] = Field(min_length=1)
    """The names under which the external health endpoint reports this vendor."""
    support_contact: Text
    """Telephone number or address; printed when the vendor is down."""
    sla_minutes: int = Field(gt=0)
    """How soon they owe an answer to a critical case."""
    needed_by: tuple[JourneyStep, ...] = ()
    """The steps of the patient's journey that fail while this vendor is down. Such a failure holds
    the release and does not roll it back, if the platform reports this vendor, and no other, down."""
    address: HttpUrl | None = None
    """An address of the vendor's own that answers below 500 only while they are up (not their status
    page). If it answers the gate, the platform's word that they are down excuses nothing."""


class ExternalServices(Section):
    """What the platform depends on outside: reported by one health endpoint."""

    service: Name
    """Which service reports."""
    endpoint: Name
    """Which of its health endpoints."""
    expected: tuple[str, ...] = Field(min_length=1)
    """The names that it must report; one that is missing fails the check."""
    vendors: tuple[Vendor, ...] = ()
    """Whom to call for which of these names."""


class Synthetic(Section):
    """How synthetic records are marked, so that they are found and removed again."""

    service: Name
    """Which service the journey walks through."""
    email_domain: str = Field(pattern=r"^[a-z0-9.-]+\.[a-z]+$")
    """Synthetic patients have addresses here; it must be one that never receives mail for people."""
    token: SecretReference
    """Lists and deletes synthetic records by tag, and nothing else."""
    provider_id: Text
    """The synthetic provider that bookings go to."""
    call_address_since: Annotated[str, Field(pattern=r"^v[0-9]+\.[0-9]+\.[0-9]+$")] | None = None
    """The first version whose video call answers where to join it; an older one, restored by a rollback, is
    not asked for that. Left out: every version answers it."""


class IntegrationTry(Section):
    """A call by which the platform tries one external service in the vendor's test mode."""

    path: str = Field(pattern=r"^/")
    """Posted to, below the service's address."""
    expect: dict[str, str] = Field(default_factory=dict)
    """What the answer's JSON must say: dotted path of a field → its word. Empty: any
    answer with 200 counts that is not a page for people and does not say that it failed."""
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
    previous: Text | None = None
    """The CapabilityStatement of the release before, a file relative to this one: nothing of it may be
    lost. Without it only `resources` are asked for."""
    protected_path: str | None = Field(default=None, pattern=r"^/")
    """Something that nobody may read without a login: it must be answered with 401 or 403. Name a
    record that does not exist."""


class Availability(Section):
    """When an unavailability counts."""

    confirm_for: Annotated[Seconds, Field(ge=0, le=600)]
    """One clock per region and service; still down after it → FAIL (runbook: 2 minutes)."""
    poll_every: Seconds = Field(gt=0, le=60)
    """How often an unavailable service is asked again meanwhile."""
    on_recovery: Literal["hold", "pass"] = "hold"
    """What a service that came back within `confirm_for` means."""
    answer_overhead: Seconds = Field(default=0.25, ge=0, le=5)
    """What network and application may add to the latency that a health answer reports of itself."""

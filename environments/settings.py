"""What an environment file says, as frozen typed settings.

One model per section. Unknown keys are refused, units stand in the names, secrets are references
(`env:NAME`, `file:PATH`) that are resolved once and never printed. `environments/loader.py` reads the
files; `gate doctor` and docs/environments.md show them to people.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from gates.decide.sections import Name, Seconds, Section


def _http_url(value: str) -> str:
    if not re.match(r"^https?://[^/@\s]+(/[^\s?#]*)?$", value):
        raise ValueError("must be an http(s) address without user, query or fragment")
    return value.rstrip("/")


def _secret_reference(value: str) -> str:
    if not re.match(r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$", value):
        raise ValueError("must be a reference, env:NAME or file:PATH, never the secret itself")
    return value


HttpUrl = Annotated[str, AfterValidator(_http_url)]
SecretReference = Annotated[str, AfterValidator(_secret_reference)]
Port = Annotated[int, Field(ge=1, le=65535)]


class Provider(Section):
    """Commands that provide an environment which does not stand permanently (local)."""

    status: tuple[str, ...]
    """Prints the path of the environment file when it runs, exits non-zero when it does not."""
    up: tuple[str, ...]
    """Brings it up and prints the path of its environment file. `{pid}` is the caller's process."""
    down: tuple[str, ...]


class Lease(Section):
    """How the gate asks for traffic while it needs samples (tagged synthetic reads)."""

    command: tuple[str, ...]
    """Run by the gate; `{seconds}` is replaced by how long the samples are needed."""
    requests_per_second: float = Field(gt=0)


class Traffic(Section):
    """Since when the release carries traffic, and where more samples come from."""

    switched_at: dt.datetime | None = None
    """With time zone. Samples from before belong to the old version and never count."""
    lease: Lease | None = None

    @model_validator(mode="after")
    def _zone(self) -> Self:
        if self.switched_at is not None and self.switched_at.tzinfo is None:
            raise ValueError("switched_at needs a time zone, such as 2026-01-31T22:00:00Z")
        return self


class Region(Section):
    """One region: its own addresses; labels select its series in Prometheus."""

    services: dict[Name, HttpUrl] = Field(min_length=1)
    """Base address of each service as this region alone serves it."""
    prometheus: HttpUrl
    labels: dict[str, str] = Field(default_factory=dict)


class HealthEndpoint(Section):
    """One health endpoint: where, and which fields of its JSON body say what."""

    path: str = Field(pattern=r"^/")
    status_field: str | None = None
    healthy: str = "healthy"
    version_field: str | None = None
    latency_field: str | None = None
    """In milliseconds."""
    services_field: str | None = None
    """An object: name of the external service → object with `status_field`."""


class Service(Section):
    """A service by name: its health endpoints."""

    health: dict[Name, HealthEndpoint] = Field(default_factory=dict)


class Vendor(Section):
    """An external vendor: whom to call, and how fast they owe an answer."""

    name: str
    services: tuple[str, ...] = Field(min_length=1)
    """The names under which the external health endpoint reports this vendor."""
    support_contact: str
    sla_minutes: int = Field(gt=0)


class ExternalServices(Section):
    """What the platform depends on outside: reported by one health endpoint."""

    service: Name
    endpoint: Name
    expected: tuple[str, ...] = Field(min_length=1)
    vendors: tuple[Vendor, ...] = ()


class TableOfRecords(Section):
    """A table in which the gate looks for one record by its id; nothing else is read."""

    table: str = Field(pattern=r"^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$")
    id_column: str = Field(pattern=r"^[a-z_][a-z0-9_]*$")


class Postgres(Section):
    """The gate's own read-only login to the primary."""

    host: str
    port: Port = 5432
    database: str
    user: str
    password: SecretReference
    sslmode: Literal["disable", "require", "verify-ca", "verify-full"] = "verify-full"
    sslrootcert: str | None = None
    appointments: TableOfRecords | None = None
    """Where a booking must arrive."""


class Redis(Section):
    """The gate's own restricted login."""

    host: str
    port: Port = 6379
    database: int = Field(default=0, ge=0)
    user: str = "default"
    password: SecretReference | None = None
    tls: bool = True
    ca_file: str | None = None


class Metric(Section):
    """A metric of the platform by its meaning: its name here and the labels that select it."""

    name: str = Field(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$")
    labels: dict[str, str] = Field(default_factory=dict)
    status_label: str | None = None


class Prometheus(Section):
    """How Prometheus behaves here."""

    job: str
    """The scrape job of the platform's API; each region's targets must be up and fresh."""
    scrape_interval: Seconds
    target_labels: dict[str, str] = Field(default_factory=dict)
    """More labels of the `up` series that carry the release, such as version: "{release}"."""
    token: SecretReference | None = None
    ca_file: str | None = None
    max_clock_skew: Seconds = 30.0


class Synthetic(Section):
    """How synthetic records are marked, so that they are found and removed again."""

    service: Name
    tenant: str = Field(min_length=1)
    email_domain: str = Field(pattern=r"^[a-z0-9.-]+\.[a-z]+$")
    mode: Literal["dedicated-account", "throwaway"] = "dedicated-account"
    payment: Literal["test-mode"] = "test-mode"
    token: SecretReference
    """Lists and deletes synthetic records by tag, and nothing else."""
    provider_id: str
    """The synthetic provider that bookings go to."""


class Environment(Section):
    """A whole environment file."""

    schema_version: Literal[1] = Field(alias="schema")
    name: Name
    release: str | None = None
    """Default release; only `local` may leave --release out."""
    time_scale: float = Field(default=1.0, ge=1.0)
    """Look-backs, `for`, confirm and settle times are divided by it."""
    owner: str
    """Whom the report names when nobody else owns a check."""
    traffic: Traffic = Traffic()
    regions: dict[Name, Region] = Field(min_length=1)
    services: dict[Name, Service] = Field(min_length=1)
    prometheus: Prometheus | None = None
    metrics: dict[Name, Metric] = Field(default_factory=dict)
    external: ExternalServices | None = None
    postgres: Postgres | None = None
    redis: Redis | None = None
    synthetic: Synthetic | None = None
    vantage_controls: tuple[HttpUrl, ...] = ()
    """Addresses outside the platform: answering, they show that the gate itself has network."""
    ca_file: str | None = None
    """Certificate authority of the platform's services, where it is not a public one."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _refuse_shared_addresses(self.regions)
        for region_name, region in self.regions.items():
            missing = set(self.services) - set(region.services)
            if missing:
                raise ValueError(
                    f"regions.{region_name}.services lacks an address for "
                    f"{', '.join(sorted(missing))}, named under services"
                )
        return self


def _refuse_shared_addresses(regions: dict[str, Region]) -> None:
    """Two regions with one address would measure one region twice and the other never."""
    seen: dict[str, str] = {}
    for region_name, region in regions.items():
        for service, url in region.services.items():
            here = f"regions.{region_name}.services.{service}"
            if url in seen:
                raise ValueError(f"{here} and {seen[url]} are the same address; give each its own")
            seen[url] = here


class LocalFile(Section):
    """An environment file that names the commands which provide the real one."""

    schema_version: Literal[1] = Field(alias="schema")
    name: Name
    provider: Provider

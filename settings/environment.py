"""What an environment file says, as frozen typed settings.

One model per section. Unknown keys are refused, units stand in the names, secrets are references
(`env:NAME`, `file:PATH`) that are resolved once and never printed. `environments/loader.py` reads the
files; `gate doctor` and docs/environments.md show them to people.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from settings.audit import Audit
from settings.certificates import Certificates
from settings.cluster import Kubernetes, RegionCluster
from settings.data import Data
from settings.delivery import (
    Aws,
    EvidenceStore,
    Frontend,
    Images,
    Mobile,
    Secrets,
)
from settings.deployment import Deployment
from settings.fields import (
    Command,
    HttpUrl,
    Matcher,
    Port,
    SecretReference,
    Skew,
    Text,
    is_on_this_machine,
    selects,
    server_of,
)
from settings.flags import Flags
from settings.gate import EnvironmentPolicy
from settings.load import Load
from settings.monitoring import Monitoring
from settings.network import Dns
from settings.people import People
from settings.sections import Name, Seconds, Section
from settings.service import Fhir, Integrations
from settings.state import State
from settings.storage import FileSystems

WORDS_FOR_ILL = frozenset(
    {
        *("unhealthy", "not healthy", "sick", "ill", "bad", "ko", "no", "false", "0"),
        *("down", "dead", "offline", "unavailable", "unreachable", "stopped", "disconnected"),
        *("error", "err", "fail", "failed", "failing", "failure", "fatal", "critical", "degraded"),
        *("warn", "warning", "unknown", "timeout"),
    }
)
"""What services say of themselves when they are not well; `healthy` can't be one of these."""
_ERRORS = frozenset({"500", "502", "503", "504", "5xx"})
"""What a platform in trouble answers: a metric spells each status, or their class."""


def _moment(value: object) -> object:
    # A bare number would be read as seconds since 1970, which nobody means who writes it here.
    if isinstance(value, bool | int | float):
        raise ValueError("must be a time, such as 2026-01-31T22:00:00Z")  # noqa: TRY004 - pydantic turns ValueError, not TypeError, into its sentence
    return value


class Provider(Section):
    """Commands that provide an environment which does not stand permanently (local)."""

    up: Command
    """Brings it up, or says where it runs already, and prints the path of its environment file.

    `{pid}` is the caller's process: the platform stays up while it wants it. `{folder}` is where the
    environment file lies.
    """
    down: Command
    """Says that the caller, `{pid}`, no longer wants it; takes it down if nobody else does."""


class Lease(Section):
    """How the gate asks for traffic while it needs samples (tagged synthetic reads)."""

    command: Command
    """Run by the gate; `{seconds}` is replaced by how long the samples are needed."""
    requests_per_second: float = Field(gt=0, allow_inf_nan=False)
    """What the command adds in each region."""


class Traffic(Section):
    """Since when the release carries traffic, and where more samples come from."""

    switched_at: Annotated[dt.datetime, BeforeValidator(_moment)] | None = None
    """With time zone. Samples from before belong to the old version and never count. `--switched-at`
    says it for one run."""
    lease: Lease | None = None
    """Without it only real traffic counts, and a quiet platform may not prove its targets."""

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
    """The Prometheus that scrapes this region; regions may share one, where their labels tell
    their series apart."""
    labels: dict[str, str] = Field(default_factory=dict)
    """What selects this region's series, added to the labels of every metric and of `up`."""
    kubernetes: RegionCluster | None = None
    """This region's cluster; every region has one where the section `kubernetes` is there."""


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

    @model_validator(mode="after")
    def _healthy_is_well(self) -> Self:
        if self.healthy.strip().lower() in WORDS_FOR_ILL:
            raise ValueError(
                f"healthy “{self.healthy}” is a word of a sick service, which would then pass; write the "
                "word that it says when all is well"
            )
        return self


class Service(Section):
    """A service by name: its health endpoints."""

    health: dict[Name, HealthEndpoint] = Field(default_factory=dict)
    """By name, as the features call them: liveness, database, cache, external. A service without
    health endpoints is only looked at by `gate doctor`."""
    replicas: int | None = Field(default=None, ge=1, le=1000)
    """How many stand behind a region's address: health is asked so often that each is met. Where the
    section `kubernetes` describes them, its ready pods are counted instead; else 6 by default."""
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


class TableOfRecords(Section):
    """A table in which the gate looks for one record by its id; nothing else is read."""

    table: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$")
    """`table` in the schema public, or `schema.table`."""
    id_column: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Holds the id that the API's answer told."""


class Postgres(Section):
    """The gate's own read-only login to the primary."""

    host: Text
    """The primary: a standby may lag behind a booking."""
    port: Port = 5432
    """TCP port."""
    database: Text
    """The platform's database."""
    user: Text
    """A login that can only read; the gate refuses to run with one that can write."""
    password: SecretReference
    """Of that login."""
    sslmode: Literal["disable", "require", "verify-ca", "verify-full"] = "verify-full"
    """As libpq means it."""
    sslrootcert: str | None = None
    """File of the authority that signs the server's certificate, where it is not a public one."""
    created_record: TableOfRecords | None = None
    """Where a booking must arrive."""


class Redis(Section):
    """The gate's own restricted login."""

    host: Text
    """The master."""
    port: Port = 6379
    """TCP port."""
    database: int = Field(default=0, ge=0)
    """Number of the logical database."""
    user: Text = "default"
    """An ACL user of the gate's own; docs/platform-contract.md has the line that makes it."""
    password: SecretReference | None = None
    """Of that user."""
    tls: bool = True
    """Whether the port speaks TLS."""
    ca_file: str | None = None
    """File of the authority that signs the server's certificate, where it is not a public one."""


class Metric(Section):
    """A metric of the platform by its meaning: its name here and the labels that select it."""

    name: str = Field(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$")
    """Of a histogram without its `_bucket`; of a counter with its `_total`."""
    labels: dict[str, str] = Field(default_factory=dict)
    """What selects the platform's series. `{release}` in a value becomes the release, such as 1.2.0."""
    match: tuple[Matcher, ...] = ()
    """More that selects them, as PromQL writes it, such as 'route!~"/metrics|/health.*"': scrapes, probes
    and the gate's own requests are no traffic and must not count."""
    status_label: str | None = Field(default=None, pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")
    """The label with the HTTP status; needed by the metric that counts errors."""

    @model_validator(mode="after")
    def _shows_errors(self) -> Self:
        """Refuse a choice of series that leaves errors out: they would never be counted."""
        label = self.status_label or ""
        chosen = [f'{name}="{value}"' for name, value in self.labels.items()]
        for matcher in (*chosen, *self.match):
            seen = {one for one in _ERRORS if selects(matcher, label, one)}
            if not seen or seen not in (_ERRORS, _ERRORS - {"5xx"}, {"5xx"}):
                raise ValueError(
                    f"{matcher} leaves out errors, which would then never be counted; remove it"
                )
        return self


class Prometheus(Section):
    """How Prometheus behaves here."""

    job: str
    """The scrape job of the platform's API; each region's targets must be up and fresh."""
    scrape_interval: Annotated[Seconds, Field(gt=0, le=300)]
    """As Prometheus is configured for that job; samples are fresh up to three of it."""
    target_labels: dict[str, str] = Field(default_factory=dict)
    """More labels of the `up` series that carry the release, such as version: "{release}"."""
    token: SecretReference | None = None
    """Sent as a bearer token, where Prometheus asks for one."""
    ca_file: str | None = None
    """File of the authority that signs its certificate, where it is not a public one."""
    max_clock_skew: Skew = 30.0
    """The gate's clock and Prometheus's may differ by so much."""


class Synthetic(Section):
    """How synthetic records are marked, so that they are found and removed again."""

    service: Name
    """Which service the journey walks through."""
    tenant: Text
    """The tenant that all synthetic records belong to."""
    email_domain: str = Field(pattern=r"^[a-z0-9.-]+\.[a-z]+$")
    """Synthetic patients have addresses here; it must be one that never receives mail for people."""
    mode: Literal["dedicated-account", "throwaway"] = "dedicated-account"
    """`throwaway`: a new account each run. `dedicated-account`: within the tenant made for it."""
    payment: Literal["test-mode"] = "test-mode"
    """The payment gateway's test mode; no run ever moves money."""
    token: SecretReference
    """Lists and deletes synthetic records by tag, and nothing else."""
    provider_id: Text
    """The synthetic provider that bookings go to."""


class Environment(Section):
    """A whole environment file."""

    schema_version: Literal[1] = Field(alias="schema")
    """Version of this format."""
    name: Name
    """As `--env` says it; the file's own name."""
    release: str | None = None
    """Default release; only `local` may leave --release out."""
    time_scale: float = Field(default=1.0, ge=1.0, le=3600.0, allow_inf_nan=False)
    """Look-backs, `for`, confirm and settle times are divided by it. For a platform on this machine only;
    every verdict shows it."""
    owner: Text
    """Whom the report names when nobody else owns a check."""
    checks: Text | None = None
    """A folder, relative to this file, with `features/` (catalogue and scenarios) and `policy/` of this
    platform. They take the place of the gate's own."""
    policy: EnvironmentPolicy = EnvironmentPolicy()
    """What every decision about this environment must have asked."""
    traffic: Traffic = Traffic()
    """What the gate has to know of the traffic, and how it asks for more."""
    public: dict[Name, HttpUrl] = Field(default_factory=dict)
    """The addresses that users type, by service; all regions stand behind them, so the gate measures
    none of them. `gate doctor` looks whether they answer."""
    regions: dict[Name, Region] = Field(min_length=1)
    """By name. Every region is measured and has a verdict of its own; the worst one wins."""
    services: dict[Name, Service] = Field(min_length=1)
    """By name; every region has an address for each."""
    prometheus: Prometheus | None = None
    """Without it the performance targets do not apply."""
    metrics: dict[Name, Metric] = Field(default_factory=dict)
    """By meaning, as gates/policy names it: request_duration, requests_total, query_duration."""
    external: ExternalServices | None = None
    """Without it the checks of external services and vendors do not apply."""
    postgres: Postgres | None = None
    """Without it the gate relies on what the platform says of its database."""
    redis: Redis | None = None
    """Without it the gate relies on what the platform says of its Redis."""
    data: Data | None = None
    """Without it nothing of tables, migrations and backups is checked."""
    kubernetes: Kubernetes | None = None
    """Without it the checks of clusters, pods and rollouts do not apply."""
    storage: dict[Name, FileSystems] = Field(default_factory=dict)
    """By kind, such as nodes or backups; read from the regions' Prometheus. Without it disks are judged by
    their nodes' DiskPressure alone."""
    deployment: Deployment | None = None
    """Without it a deployment may take as long as it likes."""
    state: State | None = None
    """Without it baseline and history lie in this checkout, which is good for one machine."""
    flags: Flags | None = None
    """Without it the checks of feature flags do not apply."""
    audit: Audit | None = None
    """Without it nothing is looked up in the platform's audit log."""
    synthetic: Synthetic | None = None
    """Without it the critical user flows do not apply: no synthetic patient may be made."""
    monitoring: Monitoring | None = None
    """Without it the checks of alert rules, targets, Alertmanager and dashboards do not apply."""
    people: People | None = None
    """Without it the checks of rota, channels and contacts do not apply."""
    dns: Dns | None = None
    """Without it the checks of DNS records and their propagation do not apply."""
    certificates: Certificates | None = None
    """Without it the check of certificates does not apply."""
    integrations: Integrations | None = None
    """Without it the tries of payment and notifications do not apply."""
    fhir: Fhir | None = None
    """Without it the check of the FHIR server does not apply."""
    evidence: EvidenceStore | None = None
    """Without it nothing that another tool has to prove can be decided."""
    aws: Aws | None = None
    """The gate's access to images, frontend and secrets; needed by each of them."""
    images: Images | None = None
    """Without it the checks of container images do not apply."""
    frontend: Frontend | None = None
    """Without it the checks of the web application do not apply."""
    mobile: Mobile | None = None
    """Without it the checks of the mobile apps' compatibility do not apply."""
    secrets: Secrets | None = None
    """Without it the age of secrets is not looked at."""
    load: Load | None = None
    """Without it no load test may send here."""
    vantage_controls: tuple[HttpUrl, ...] = ()
    """Addresses outside the platform: answering, they show that the gate itself has network."""
    ca_file: str | None = None
    """Certificate authority of the platform's services, where it is not a public one."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _refuse_shared_addresses(self.regions, self.public)
        self._check_time_scale()
        for region_name, region in self.regions.items():
            missing = set(self.services) - set(region.services)
            if missing:
                raise ValueError(
                    f"regions.{region_name}.services lacks an address for "
                    f"{', '.join(sorted(missing))}, named under services; add it"
                )
        self._check_names()
        self._check_clusters()
        if self.storage and self.prometheus is None:
            raise ValueError("storage is measured through the section prometheus; add it")
        self._check_integrations()
        self._check_delivery()
        self._check_flags()
        self._check_load()
        return self

    def _check_time_scale(self) -> None:
        """Refuse shortened times for anything but a local platform: seconds prove nothing about minutes."""
        for name, region in self.regions.items():
            for key, url in {**region.services, "prometheus": region.prometheus}.items():
                if self.time_scale != 1 and not is_on_this_machine(url):
                    raise ValueError(
                        f"time_scale {self.time_scale:g} is for a platform on this machine, and "
                        f"regions.{name} has its {key} elsewhere; remove time_scale"
                    )

    def _check_clusters(self) -> None:
        """Refuse a region without its cluster, and a cluster of which nothing is said."""
        section = self.kubernetes
        for name, region in self.regions.items():
            if section is not None and region.kubernetes is None:
                raise ValueError(f"regions.{name}.kubernetes is missing; say where its cluster is")
            if section is None and region.kubernetes is not None:
                raise ValueError(f"regions.{name}.kubernetes needs the section kubernetes; add it")
        health = section.candidate_health if section is not None else None
        if health is None:
            return
        if health.service not in self.services:
            key = "kubernetes.candidate_health.service"
            raise ValueError(_unknown(key, health.service, self.services))
        endpoints = self.services[health.service].health
        if health.endpoint not in endpoints:
            key = "kubernetes.candidate_health.endpoint"
            raise ValueError(_unknown(key, health.endpoint, endpoints))

    def _check_integrations(self) -> None:
        """Refuse services without an address in some region, and regions that are none."""
        load = self.load if self.load is not None and self.load.allowed else None
        asked = {"fhir": self.fhir, "integrations": self.integrations, "load": load}
        for key, section in asked.items():
            for name, region in self.regions.items():
                if section is not None and section.service not in region.services:
                    raise ValueError(
                        f"regions.{name}.services lacks an address for {section.service}, "
                        f"named under {key}; add it"
                    )
        described = self.certificates.addresses if self.certificates else {}
        strangers = sorted(set(described) - set(self.regions))
        if strangers:
            raise ValueError(_unknown("certificates.addresses", strangers[0], self.regions))

    def _check_delivery(self) -> None:
        """Refuse sections of the delivery that lack what they stand on."""
        for name in ("images", "frontend", "secrets"):
            if getattr(self, name) is not None and self.aws is None:
                raise ValueError(f"{name} is read through the section aws; add it")
        for name in ("images", "frontend"):
            if getattr(self, name) is not None and self.evidence is None:
                raise ValueError(f"{name} needs the build's evidence; add the section evidence")
        if self.mobile is not None and self.mobile.service not in self.services:
            raise ValueError(_unknown("mobile.service", self.mobile.service, self.services))
        if self.frontend is not None and self.frontend.sites:
            lacking = sorted(set(self.regions) - set(self.frontend.sites))
            if lacking:
                raise ValueError(f"frontend.sites lacks the region {lacking[0]}; add its address")

    def _check_flags(self) -> None:
        """Refuse flags without the Redis that holds them, and a trial of a service that is not there."""
        if self.flags is not None and self.redis is None:
            raise ValueError("flags needs the section redis, where the flags are; add it")
        if self.audit is not None and self.audit.trial.service not in self.services:
            raise ValueError(
                _unknown("audit.trial.service", self.audit.trial.service, self.services)
            )

    def _check_load(self) -> None:
        """Refuse load by accounts of which nothing is said."""
        load = self.load
        if load is not None and load.allowed and load.accounts and self.synthetic is None:
            raise ValueError(
                "load.accounts needs the section synthetic, which says how accounts are marked; "
                "add it or write accounts: 0"
            )

    def _check_names(self) -> None:
        """Refuse names that point nowhere."""
        synthetic, external = self.synthetic, self.external
        if synthetic is not None and synthetic.service not in self.services:
            raise ValueError(_unknown("synthetic.service", synthetic.service, self.services))
        if self.data is not None and self.postgres is None:
            raise ValueError("data needs the section postgres, through which it is read; add it")
        if external is None:
            return
        if external.service not in self.services:
            raise ValueError(_unknown("external.service", external.service, self.services))
        endpoints = self.services[external.service].health
        if external.endpoint not in endpoints:
            raise ValueError(_unknown("external.endpoint", external.endpoint, endpoints))
        reported = {service for vendor in external.vendors for service in vendor.services}
        strangers = sorted(reported - set(external.expected))
        if strangers:
            raise ValueError(_unknown("external.vendors", strangers[0], external.expected))


def _unknown(key: str, name: str, known: Iterable[str]) -> str:
    return f"{key} names “{name}”, which is not among {', '.join(known) or 'any there is'}"


def _refuse_shared_addresses(regions: dict[str, Region], public: dict[str, str]) -> None:
    """Two regions with one address would measure one region twice and the other never."""
    seen = {server_of(url): f"public.{service}" for service, url in public.items()}
    for region_name, region in regions.items():
        for service, url in region.services.items():
            here, server = f"regions.{region_name}.services.{service}", server_of(url)
            if server in seen:
                raise ValueError(
                    f"{here} and {seen[server]} are the same address; give each its own"
                )
            seen[server] = here


class LocalFile(Section):
    """An environment file that names the commands which provide the real one."""

    schema_version: Literal[1] = Field(alias="schema")
    """Version of this format."""
    name: Name
    """As `--env` says it; the file's own name."""
    provider: Provider
    """How the real environment is found, brought up and taken down."""
    checks: Text | None = None
    """As in an environment file; relative to this one."""

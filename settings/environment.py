"""What an environment file says, as frozen typed settings.

One model per section. Unknown keys are refused, units stand in the names, secrets are references
(`env:NAME`, `file:PATH`) that are resolved once and never printed. `environments/loader.py` reads the
files; `gate doctor` and docs/environments.md show them to people.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field

from settings.browser import Browser
from settings.cluster import Kubernetes, RegionCluster
from settings.contract import Contract
from settings.data import Data, Postgres
from settings.delivery import Aws, EvidenceStore, Frontend, Images, Mobile, Secrets
from settings.flags import Audit, Flags, Redis
from settings.load import Load
from settings.monitoring import FileSystems, Logs, Monitoring, Security, Stability
from settings.network import Certificates, Dns
from settings.objectives import Canary, Metric, Prometheus, Traffic
from settings.people import Calendar, Deployment, Notify, People, StatusPage, SupportDesk
from settings.rollback import Rollback
from settings.sections import (
    Command,
    HttpUrl,
    Location,
    Name,
    Section,
    Text,
    is_on_this_machine,
    server_of,
)
from settings.service import ExternalServices, Fhir, Integrations, Service, Synthetic
from settings.source import Releases, Source
from settings.statements import Signing, Statements

CHECK_ID = r"[A-Z][A-Z0-9.]*(-[A-Z0-9.]+)+"


def _section_or_check(value: str) -> str:
    if value not in SECTIONS and not re.fullmatch(CHECK_ID, value):
        raise ValueError(
            f"“{value}” is neither a check's id nor a section that checks are about "
            f"({', '.join(SECTIONS)})"
        )
    return value


class EnvironmentPolicy(Section):
    """What no decision about this environment may leave out."""

    must_ask: tuple[Annotated[str, AfterValidator(_section_or_check)], ...] = ()
    """Sections of this file and ids of checks. Where one is missing, or nothing in the catalogue asks for
    it, every gate holds."""


class State(Section):
    """A place that all runs of the gate for this environment can read and add to."""

    url: Location
    """A folder (relative to this file), or an address such as s3://bucket/folder. The machine's own
    credentials are used. Regions that are gated from different machines need an address that all reach."""
    endpoint: HttpUrl | None = None
    """Of an object store that is not Amazon's own."""


class Provider(Section):
    """Commands that provide an environment which does not stand permanently (local)."""

    up: Command
    """Brings it up, or says where it runs already, and prints the path of its environment file.

    `{pid}` is the caller's process: the platform stays up while it wants it. `{folder}` is where the
    environment file lies.
    """
    down: Command
    """Says that the caller, `{pid}`, no longer wants it; takes it down if nobody else does."""


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
    releases: Releases = Releases()
    """Where each release is described."""
    source: Source | None = None
    """Without it nothing is read of where the release comes from."""
    deployment: Deployment | None = None
    """Without it a deployment may begin at any time, and take as long as it likes."""
    rollback: Rollback | None = None
    """Without it a rollback plan has no way back for records, ConfigMap, web application and alert rules."""
    calendar: Calendar | None = None
    """Without it nobody asks for days on which nobody deploys."""
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
    stability: Stability | None = None
    """Without it the first hour's utilisation, latencies and business events are not measured."""
    logs: Logs | None = None
    """Without it no log is reviewed after the deployment."""
    people: People | None = None
    """Without it the checks of rota, channels and contacts do not apply."""
    canary: Canary | None = None
    """Without it versions that serve at once are not compared; what a comparison says is advice."""
    status_page: StatusPage | None = None
    """Without it nobody looks whether users are told of a rollback."""
    support: SupportDesk | None = None
    """Without it nobody counts what users complain about."""
    security: Security | None = None
    """Without it no security alert or event asks for a rollback; a person can declare one."""
    dns: Dns | None = None
    """Without it the checks of DNS records and their propagation do not apply."""
    certificates: Certificates | None = None
    """Without it the check of certificates does not apply."""
    integrations: Integrations | None = None
    """Without it the tries of payment and notifications do not apply."""
    fhir: Fhir | None = None
    """Without it the check of the FHIR server does not apply."""
    statements: Statements | None = None
    """Without it nothing that somebody has to sign is asked."""
    evidence: EvidenceStore | None = None
    """Without it nothing that another tool has to prove can be decided."""
    aws: Aws | None = None
    """The gate's access to images, frontend and secrets; needed by each of them."""
    images: Images | None = None
    """Without it the checks of container images do not apply."""
    frontend: Frontend | None = None
    """Without it the checks of the web application do not apply."""
    browser: Browser | None = None
    """Without it nothing is looked at in a browser: no journey, no accessibility, no web vitals."""
    mobile: Mobile | None = None
    """Without it the checks of the mobile apps' compatibility do not apply."""
    contract: Contract | None = None
    """Without it the contract tests do not apply."""
    secrets: Secrets | None = None
    """Without it the age of secrets is not looked at."""
    load: Load | None = None
    """Without it no load test may send here."""
    notify: Notify | None = None
    """Without it `gate notify` has nobody to tell."""
    signing: Signing | None = None
    """Without it the evidence bundles of runs are not signed."""
    vantage_controls: tuple[HttpUrl, ...] = ()
    """Addresses outside the platform: answering, they show that the gate itself has network."""
    ca_file: str | None = None
    """Certificate authority of the platform's services, where it is not a public one."""

    def _refusals(self) -> Iterator[str]:
        _refuse_shared_addresses(self.regions, self.public)
        self._check_regions()
        self._check_names()
        for section, needed, sentence in _NEEDS:
            if getattr(self, section) and getattr(self, needed) is None:
                yield sentence
        for key, needed in (("alerts", "monitoring"), ("events", "audit")):
            if getattr(self.security, key, ()) and getattr(self, needed) is None:
                yield f"security.{key} needs the section {needed}, through which it is read; add it"
        load = self.load
        if load is not None and load.allowed and load.accounts and self.synthetic is None:
            yield (
                "load.accounts needs the section synthetic, which says how accounts are marked; "
                "add it or write accounts: 0"
            )
        if self.contract is not None and self.contract.writes and self.synthetic is None:
            yield (
                "contract.writes needs the section synthetic, which says how records are marked; "
                "add it or write writes: false"
            )

    @property
    def present(self) -> frozenset[str]:
        """Return the names of the optional sections that are there, and of the parts that checks need."""
        named = {one for one in type(self).model_fields if getattr(self, one) not in (None, (), {})}
        return frozenset(named | {name for name, part in _PARTS.items() if part(self)})

    def _check_regions(self) -> None:
        """Refuse a region that lacks an address or its cluster, and shortened times."""
        for name, region in self.regions.items():
            self._check_time_scale(name, region)
            self._check_addresses(name, region)
            self._check_cluster(name, region)
        sites = self.frontend.sites if self.frontend is not None else {}
        for name in sorted(set(self.regions) - set(sites)) if sites else ():
            raise ValueError(f"frontend.sites lacks the region {name}; add its address")

    def _check_addresses(self, name: str, region: Region) -> None:
        load = self.load if self.load is not None and self.load.allowed else None
        lacking = {"services": sorted(set(self.services) - set(region.services))}
        for key, section in {
            "fhir": self.fhir,
            "integrations": self.integrations,
            "load": load,
        }.items():
            if section is not None and section.service not in region.services:
                lacking[key] = [str(section.service)]
        for key, services in lacking.items():
            if services:
                raise ValueError(
                    f"regions.{name}.services lacks an address for {', '.join(services)}, "
                    f"named under {key}; add it"
                )

    def _check_time_scale(self, name: str, region: Region) -> None:
        """Refuse shortened times for anything but a local platform: seconds prove nothing about minutes."""
        for key, url in {**region.services, "prometheus": region.prometheus}.items():
            if self.time_scale != 1 and not is_on_this_machine(url):
                raise ValueError(
                    f"time_scale {self.time_scale:g} is for a platform on this machine, and "
                    f"regions.{name} has its {key} elsewhere; remove time_scale"
                )

    def _check_cluster(self, name: str, region: Region) -> None:
        if self.kubernetes is not None and region.kubernetes is None:
            raise ValueError(f"regions.{name}.kubernetes is missing; say where its cluster is")
        if self.kubernetes is None and region.kubernetes is not None:
            raise ValueError(f"regions.{name}.kubernetes needs the section kubernetes; add it")

    def _check_names(self) -> None:
        """Refuse names that point nowhere."""
        external = self.external
        health = self.kubernetes.candidate_health if self.kubernetes is not None else None
        asked = {"external": external, "kubernetes.candidate_health": health}
        for key, one in asked.items():
            if one is not None:
                _known(f"{key}.service", [one.service], self.services)
                _known(f"{key}.endpoint", [one.endpoint], self.services[one.service].health)
        for key, service in (
            ("synthetic", self.synthetic and self.synthetic.service),
            ("mobile", self.mobile and self.mobile.service),
            ("contract", self.contract and self.contract.service),
            ("audit.trial", self.audit and self.audit.trial.service),
        ):
            _known(f"{key}.service", [service] if service else (), self.services)
        if external is not None:
            reported = {service for vendor in external.vendors for service in vendor.services}
            _known("external.vendors", reported, external.expected)
        if self.certificates is not None:
            _known("certificates.addresses", self.certificates.addresses, self.regions)


_NEEDS = (
    ("data", "postgres", "data needs the section postgres, through which it is read; add it"),
    ("storage", "prometheus", "storage is measured through the section prometheus; add it"),
    ("stability", "prometheus", "stability is measured through the section prometheus; add it"),
    ("images", "aws", "images is read through the section aws; add it"),
    ("frontend", "aws", "frontend is read through the section aws; add it"),
    ("browser", "frontend", "browser walks through the site of the section frontend; add it"),
    ("browser", "synthetic", "browser needs the section synthetic, whose patients sign in; add it"),
    ("secrets", "aws", "secrets is read through the section aws; add it"),
    ("images", "evidence", "images needs the build's evidence; add the section evidence"),
    ("frontend", "evidence", "frontend needs the build's evidence; add the section evidence"),
    ("logs", "kubernetes", "logs are read through the section kubernetes; add it"),
    ("flags", "redis", "flags needs the section redis, where the flags are; add it"),
)
"""Sections that stand on another one, and what is said without it."""


def _known(key: str, names: Iterable[str], known: Collection[str]) -> None:
    """Refuse the first name, in order, that is not among the known ones."""
    for name in sorted(set(names) - set(known)):
        raise ValueError(
            f"{key} names “{name}”, which is not among {', '.join(known) or 'any there is'}"
        )


def _refuse_shared_addresses(regions: Mapping[str, Region], public: Mapping[str, str]) -> None:
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
    regions: tuple[Name, ...] = ()
    """Those that it will have, so that another one is refused before it is brought up; none: not known."""
    checks: Text | None = None
    """As in an environment file; relative to this one."""


_PARTS: Mapping[str, Callable[[Environment], object]] = {
    "backups": lambda environment: environment.data and environment.data.backups,
    "contract_writes": lambda environment: environment.contract and environment.contract.writes,
    "bug_tracker": lambda environment: environment.source and environment.source.tracker,
    "flag_changes": lambda environment: environment.flags and environment.audit,
    "forge": lambda environment: environment.source and environment.source.forge,
    "migrations": lambda environment: environment.data and environment.data.migrations,
    "openapi": lambda environment: environment.source and environment.source.openapi,
    "proofs": lambda environment: environment.evidence and environment.evidence.proofs,
    "release_notes": lambda environment: environment.source and environment.statements,
    "vendors": lambda environment: environment.external and environment.external.vendors,
}
"""What checks are about that is less than a section, or more than one."""
_NO_SUBJECTS = frozenset({"aws", "evidence", "load", "rollback", "state"})
"""Optional sections that say how the gate works, or others do; no check is about them."""


def _optional_sections() -> set[str]:
    kinds = {name: get_args(field.annotation) for name, field in Environment.model_fields.items()}
    return {
        name
        for name, (kind, *others) in ((name, kinds) for name, kinds in kinds.items() if kinds)
        if type(None) in others and isinstance(kind, type) and issubclass(kind, Section)
    }


SECTIONS = tuple(sorted((_optional_sections() - _NO_SUBJECTS) | set(_PARTS)))
CONDITIONS = tuple(f"environment:{section}" for section in SECTIONS)
"""A closed list: a mistyped section would otherwise excuse its checks everywhere, for good."""

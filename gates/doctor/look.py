"""The doctor: looks at every system of an environment at once, and says what the gate would miss."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from environments.loader import Loaded
from gates.decide.catalogue import Row
from gates.decide.outcome import Decision
from gates.decide.release import Release
from gates.doctor.manners import examine_secrets, examine_sections, examine_traffic
from gates.doctor.scenarios import SCENARIOS, examine_scenarios
from gates.load import Checks, load_catalogue, load_policy
from probes.observation import Deadline, utc_now
from settings.policy import Policy
from steps.cluster.doctor import examine_kubernetes
from steps.data.doctor import examine_data, examine_evidence, examine_grants, examine_postgres
from steps.delivery.doctor import examine_aws
from steps.flags.doctor import examine_redis
from steps.flags.doctor_audit import examine_audit
from steps.kit.findings import Finding, Level, Subject
from steps.kit.platform import Platform
from steps.kit.request import regions_of, release_of
from steps.monitoring.doctor import examine_monitoring
from steps.network.doctor import examine_certificates, examine_dns
from steps.objectives.doctor import examine_overlaps, examine_prometheus
from steps.people.doctor import examine_people
from steps.service.doctor import (
    examine_fhir,
    examine_public_address,
    examine_service,
    examine_synthetic,
    examine_vantage,
)

WHOLE_SECONDS = 8.0
"""All systems are asked at once; whatever has not answered by then has not answered."""
_NO_RELEASE = Release(0, 0, 0)
_MAY_BE_HERE = frozenset(
    {
        "secrets",
        "sections",
        "traffic",
        "backups",
        "repository",
        "evidence",
        "alert rules",
        SCENARIOS,
    }
)
"""Systems that may lie on this machine itself: finding them shows no network."""

Examination = Callable[[], Sequence[Finding]]


@dataclasses.dataclass(frozen=True, slots=True)
class Diagnosis:
    """Everything that was found in one environment."""

    environment: str
    release: str | None
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """Return 0 when the gate can decide, the code of HOLD when something keeps it from it."""
        bad = any(finding.level is Level.BAD for finding in self.findings)
        return (Decision.HOLD if bad else Decision.GO).exit_code

    def count(self, level: Level) -> int:
        """Return how many findings have this level."""
        return sum(finding.level is level for finding in self.findings)

    @property
    def reached_nothing(self) -> bool:
        """Whether not one system on the network answered."""
        asked = [one for one in self.findings if one.system not in _MAY_BE_HERE]
        return bool(asked) and not any(finding.reached for finding in asked)


def subject_of(loaded: Loaded, release: str | None, regions: tuple[str, ...]) -> Subject:
    """Return what is to be examined; raises ConfigurationError for policy, release and regions."""
    policy = load_policy(Checks.of(loaded.checks).policy)
    named = loaded.settings.release if release is None else release
    platform = Platform(
        environment=loaded,
        policy=policy,
        release=release_of(release, loaded.settings.name, loaded)
        if named is not None
        else _NO_RELEASE,
        regions=regions_of(regions, loaded),
        switched_at=loaded.settings.traffic.switched_at,
        deadline=_deadline(policy),
        run_id="doctor",
    )
    return Subject(platform, release_known=named is not None)


def diagnose(subject: Subject) -> Diagnosis:
    """Examine all systems at once, then the scenarios; raises ConfigurationError for a broken catalogue.

    Trying the scenarios takes a processor, which answers of systems must not wait for.
    """
    checks = Checks.of(subject.platform.environment.checks)
    rows = load_catalogue(checks.features)
    examinations = list(_examinations(subject, rows, utc_now()))
    with ThreadPoolExecutor(len(examinations)) as pool:
        found = pool.map(lambda examine: examine(), examinations)
        findings = [finding for findings in found for finding in findings]
    findings += examine_scenarios(subject, rows)
    release = subject.platform.release.tag if subject.release_known else None
    return Diagnosis(subject.settings.name, release, tuple(findings))


def _deadline(policy: Policy) -> Deadline:
    return Deadline.after(min(WHOLE_SECONDS, policy.deadlines.run))


def _examinations(subject: Subject, rows: Sequence[Row], now: dt.datetime) -> Iterator[Examination]:
    """Yield what is to be looked at, in the order in which it is told."""
    settings, file = subject.settings, subject.file
    yield lambda: examine_secrets(subject, now)
    yield lambda: examine_vantage(subject)
    for name in settings.public:
        yield _bound(lambda name: [examine_public_address(subject, name)], name)
    for region in subject.platform.regions:
        yield from _of_region(subject, region)
    yield lambda: examine_overlaps(subject)
    yield from _shared(subject)
    yield lambda: examine_traffic(settings.traffic, file, now)
    yield lambda: examine_sections(subject.platform.environment.sections, rows, file)


def _of_region(subject: Subject, region: str) -> Iterator[Examination]:
    settings = subject.settings
    for name in settings.services:
        yield _bound(lambda name: examine_service(subject, region, name), name)
    prometheus, synthetic = settings.prometheus, settings.synthetic
    if prometheus is not None:
        yield lambda: examine_prometheus(subject, region, prometheus)
    if synthetic is not None:
        yield lambda: examine_synthetic(subject, region, synthetic)
    clusters = settings.kubernetes
    if clusters is not None:
        yield lambda: examine_kubernetes(subject, region, clusters)
    certificates, fhir = settings.certificates, settings.fhir
    if certificates is not None:
        yield lambda: examine_certificates(subject, region, certificates)
    if fhir is not None:
        yield lambda: examine_fhir(subject, region, fhir)


def _shared(subject: Subject) -> Iterator[Examination]:
    settings, platform = subject.settings, subject.platform
    database, cache = platform.postgres(), platform.redis()
    postgres, redis = settings.postgres, settings.redis
    if postgres is not None and database is not None:
        yield lambda: examine_postgres(subject, postgres, database)
    if redis is not None and cache is not None:
        yield lambda: examine_redis(subject, redis, cache)
    if settings.audit is not None:
        yield lambda: examine_audit(subject)
    if settings.aws is not None:
        yield lambda: examine_aws(subject)
    yield from _beside(subject)


def _beside(subject: Subject) -> Iterator[Examination]:
    """Yield what is to be looked at of the systems beside the platform."""
    settings = subject.settings
    looks: tuple[tuple[object, Callable[..., Sequence[Finding]]], ...] = (
        (settings.dns, examine_dns),
        (settings.monitoring, examine_monitoring),
        (settings.people, examine_people),
        (settings.data, examine_grants),
        (settings.data, examine_data),
        (settings.evidence, examine_evidence),
    )
    for section, examine in looks:
        if section is not None:
            yield functools.partial(examine, subject, section)


def _bound(examine: Callable[[str], Sequence[Finding]], name: str) -> Examination:
    """Return an examination of this one name; a lambda in a loop would see only the last."""
    return lambda: examine(name)

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
from gates.doctor.own import (
    SCENARIOS,
    examine_scenarios,
    examine_secrets,
    examine_sections,
    examine_traffic,
)
from gates.load import Checks, load_catalogue, load_policy
from probes.observation import Deadline, utc_now
from settings.policy import Policy
from steps.cluster.doctor import examine_kubernetes
from steps.data.doctor import examine_data, examine_evidence, examine_grants, examine_postgres
from steps.delivery.doctor import examine_aws
from steps.flags.doctor import examine_audit, examine_redis
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
        yield functools.partial(lambda name: [examine_public_address(subject, name)], name)
    for region in subject.platform.regions:
        yield from _of_region(subject, region)
    yield lambda: examine_overlaps(subject)
    yield from _shared(subject)
    yield lambda: examine_traffic(settings.traffic, file, now)
    yield lambda: examine_sections(subject.platform.environment.sections, rows, file)


def _of_region(subject: Subject, region: str) -> Iterator[Examination]:
    settings = subject.settings
    for name in settings.services:
        yield functools.partial(examine_service, subject, region, name)
    looks: tuple[tuple[object, Callable[..., Sequence[Finding]]], ...] = (
        (settings.prometheus, examine_prometheus),
        (settings.synthetic, examine_synthetic),
        (settings.kubernetes, examine_kubernetes),
        (settings.certificates, examine_certificates),
        (settings.fhir, examine_fhir),
    )
    for section, examine in looks:
        if section is not None:
            yield functools.partial(examine, subject, region, section)


def _shared(subject: Subject) -> Iterator[Examination]:
    """Yield what is to be looked at once for all regions."""
    settings, platform = subject.settings, subject.platform
    looks: tuple[tuple[tuple[object, ...], Callable[..., Sequence[Finding]]], ...] = (
        ((settings.postgres, platform.postgres()), examine_postgres),
        ((settings.redis, platform.redis()), examine_redis),
        ((settings.audit,), lambda subject, _: examine_audit(subject)),
        ((settings.aws,), lambda subject, _: examine_aws(subject)),
        ((settings.dns,), examine_dns),
        ((settings.monitoring,), examine_monitoring),
        ((settings.people,), examine_people),
        ((settings.data,), examine_grants),
        ((settings.data,), examine_data),
        ((settings.evidence,), examine_evidence),
    )
    for sections, examine in looks:
        if None not in sections:
            yield functools.partial(examine, subject, *sections)

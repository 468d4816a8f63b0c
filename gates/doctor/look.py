"""The doctor: looks at every system of an environment at once, and says what the gate would miss."""

from __future__ import annotations

import base64
import binascii
import collections
import dataclasses
import datetime as dt
import functools
import json
import os
import pathlib
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from environments.loader import Loaded, references, secret_file
from environments.provider import program
from environments.yaml_file import ConfigurationError
from gates.decide.catalogue import Row
from gates.decide.outcome import Decision
from gates.decide.release import Release
from gates.decide.scope import Phase, PostDeploy, PreDeploy, Surroundings, unmet
from gates.decide.times import COUNTDOWN, WINDOWS
from gates.load import Checks, load_catalogue, load_policy
from gates.run import lines
from gates.run.child import LOG, ChildEnd, ChildPlan, run_child
from gates.run.manifest import check_scenarios, manifest
from probes.observation import Deadline, utc_now
from reports.writers import write_json
from settings.objectives import Traffic
from settings.people import LAST_PHASE
from settings.policy import Policy
from steps.cluster.doctor import examine_kubernetes
from steps.data.doctor import examine_data, examine_evidence, examine_grants, examine_postgres
from steps.delivery.doctor import examine_aws
from steps.flags.doctor import examine_audit, examine_redis
from steps.kit.findings import Finding, Level, Subject, System
from steps.kit.platform import Platform
from steps.kit.request import EVENTS, regions_of, release_of
from steps.logs.reading import examine_logs
from steps.monitoring.doctor import examine_monitoring
from steps.network.doctor import examine_certificates, examine_dns
from steps.objectives.doctor import examine_overlaps, examine_prometheus
from steps.people.doctor import (
    examine_calendars,
    examine_people,
    examine_status_page,
    examine_support,
)
from steps.service.doctor import (
    examine_fhir,
    examine_public_address,
    examine_service,
    examine_synthetic,
    examine_vantage,
)
from steps.source.doctor import examine_forge, examine_repository, examine_tracker
from steps.stability.doctor import examine_stability
from steps.statements.doctor import examine_statements

WHOLE_SECONDS = 8.0
"""All systems are asked at once; whatever has not answered by then has not answered."""
_NO_RELEASE = Release(0, 0, 0)
SCENARIOS = "scenarios"
_SECRETS, _TRAFFIC, _SECTIONS = "secrets", "traffic", "sections"
_MAY_BE_HERE = frozenset(
    {
        *(_SECRETS, _SECTIONS, _TRAFFIC, SCENARIOS),
        *("approvers", "backups", "repository", "source", "evidence", "alert rules"),
    }
)
"""Systems that may lie on this machine itself: finding them shows no network."""

Examination = Callable[[], Sequence[Finding]]
Look = tuple[Callable[..., Sequence[Finding]], tuple[object, ...]]
"""An examination, and what it needs beside its subject."""


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
        # Two that ask one server say the same where it does not answer.
        findings = list(dict.fromkeys(finding for findings in found for finding in findings))
    findings += examine_scenarios(subject, rows)
    release = subject.platform.release.tag if subject.release_known else None
    return Diagnosis(subject.settings.name, release, tuple(findings))


def _deadline(policy: Policy) -> Deadline:
    return Deadline.after(min(WHOLE_SECONDS, policy.deadlines.run))


def _examinations(subject: Subject, rows: Sequence[Row], now: dt.datetime) -> Iterator[Examination]:
    """Yield what is to be looked at, in the order in which it is told; not what no section describes."""
    settings, file = subject.settings, subject.file
    for examine, given in _looks(subject, now):
        if None not in given:
            yield functools.partial(examine, subject, *given)
    yield lambda: examine_traffic(settings.traffic, file, now)
    sections = subject.platform.environment.sections
    yield lambda: examine_sections(sections, rows, file)
    yield lambda: examine_must_ask(settings.policy.must_ask, sections, rows)


def _looks(subject: Subject, now: dt.datetime) -> Iterator[Look]:
    settings, platform = subject.settings, subject.platform
    yield from ((examine_secrets, (now,)), (examine_vantage, ()))
    for name in settings.public:
        yield (lambda subject, name: [examine_public_address(subject, name)]), (name,)
    for region in platform.regions:
        yield from ((examine_service, (region, name)) for name in settings.services)
        yield examine_prometheus, (region, settings.prometheus)
        yield examine_stability, (region, settings.stability)
        yield examine_synthetic, (region, settings.synthetic)
        yield examine_kubernetes, (region, settings.kubernetes)
        yield examine_logs, (region, settings.logs)
        yield examine_certificates, (region, settings.certificates)
        yield examine_fhir, (region, settings.fhir)
    yield examine_overlaps, ()
    yield examine_postgres, (settings.postgres, platform.postgres())
    yield examine_redis, (settings.redis, platform.redis())
    yield (lambda subject, _: examine_audit(subject)), (settings.audit,)
    yield (lambda subject, _: examine_aws(subject)), (settings.aws,)
    yield examine_dns, (settings.dns,)
    yield examine_monitoring, (settings.monitoring,)
    yield examine_people, (settings.people,)
    yield examine_status_page, (settings.status_page,)
    yield examine_support, (settings.support,)
    yield examine_calendars, (settings.calendar,)
    for examine_source in (examine_repository, examine_forge, examine_tracker):
        yield examine_source, (settings.source,)
    yield examine_statements, (settings.statements,)
    yield examine_grants, (settings.data,)
    yield examine_data, (settings.data,)
    yield examine_evidence, (settings.evidence,)


_EXPIRES_SOON = dt.timedelta(days=7)
_PARTS_OF_A_JWT = 3


def examine_secrets(subject: Subject, now: dt.datetime) -> list[Finding]:
    """Look at who may read each secret's file, and when a token ends. All are there: loaded before."""
    secrets = System(subject, _SECRETS)
    return [
        _secret(secrets, key, reference, now) for key, reference in references(subject.settings)
    ]


def _secret(secrets: System, key: str, reference: str, now: dt.datetime) -> Finding:
    environment = secrets.subject.platform.environment
    file = secret_file(reference, environment.path.parent)
    if file is not None and file.stat().st_mode & stat.S_IROTH:
        mounted = "in Kubernetes: defaultMode: 0400 of the secret's volume"
        return secrets.warn(f"{key}: every user may read {file}", f"chmod 600 {file}", mounted)
    ends = ends_at(environment.secret(reference).get_secret_value())
    if ends is None or ends - now > _EXPIRES_SOON:
        until = f", valid until {ends:%Y-%m-%d %H:%M} UTC" if ends else ""
        return secrets.ok(f"{key}: {reference} is there{until}")
    sentence = f"{key}: {reference} {'ended' if ends <= now else 'ends'} {ends:%Y-%m-%d %H:%M} UTC"
    renew = f"renew the token behind {reference}"
    return (secrets.bad if ends <= now else secrets.warn)(sentence, renew)


def ends_at(secret: str) -> dt.datetime | None:
    """Return when a JSON Web Token ends; None for a secret that is none or names no end."""
    parts = secret.split(".")
    if len(parts) != _PARTS_OF_A_JWT:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return dt.datetime.fromtimestamp(claims["exp"], dt.UTC)
    except (binascii.Error, ValueError, TypeError, KeyError, OverflowError, OSError):
        return None


def examine_traffic(traffic: Traffic, file: str, now: dt.datetime) -> list[Finding]:
    """Look at the time of the switch and at the command that brings traffic; it is not run."""
    return [*_switch(traffic, file, now), *_lease(traffic, file)]


def _switch(traffic: Traffic, file: str, now: dt.datetime) -> list[Finding]:
    at = traffic.switched_at
    if at is None:
        remedy = ("gate post-deploy --switched-at …, once traffic is switched",)
        sentence = "it is not known yet since when the release carries traffic"
        return [Finding(_TRAFFIC, None, Level.WARN, sentence, remedy)]
    if at > now:
        line = f"{file}: traffic.switched_at: a time that has passed"
        sentence = f"switched_at {at:%Y-%m-%d %H:%M} lies in the future"
        return [Finding(_TRAFFIC, None, Level.BAD, sentence, (line,))]
    sentence = f"the release carries traffic since {at:%Y-%m-%d %H:%M:%S %Z}"
    return [Finding(_TRAFFIC, None, Level.OK, sentence)]


def _lease(traffic: Traffic, file: str) -> list[Finding]:
    if traffic.lease is None:
        return []
    name = traffic.lease.command[0]
    try:
        runs = os.access(program(name), os.X_OK)
    except ConfigurationError:
        runs = False
    if runs:
        rate = traffic.lease.requests_per_second
        return [Finding(_TRAFFIC, None, Level.OK, f"{name} can bring {rate:g} requests/s more")]
    line = f"{file}: traffic.lease.command: a command that is installed here"
    return [Finding(_TRAFFIC, None, Level.BAD, f"the command {name} can't be run", (line,))]


def examine_sections(sections: frozenset[str], rows: Sequence[Row], file: str) -> list[Finding]:
    """Say which checks do not apply because the environment file leaves their section out."""
    left_out: dict[str, list[str]] = collections.defaultdict(list)
    for row in rows:
        if not row.applies(sections):
            left_out[row.applies_if.partition(":")[2]].append(row.id)
    return [
        Finding(
            _SECTIONS,
            None,
            Level.WARN,
            f"no section {section}: {', '.join(checks)} do not apply",
            (f"{file}: {section}: see docs/environments.md, if the platform has one",),
        )
        for section, checks in left_out.items()
    ]


def examine_must_ask(
    must_ask: Sequence[str], sections: frozenset[str], rows: Sequence[Row]
) -> list[Finding]:
    """Say what must be asked and is not: every gate that it belongs to would hold."""
    around = Surroundings(rows, rows, sections, ())
    phases = (Phase(number) for number in range(1, LAST_PHASE + 1))
    gates = (PreDeploy(COUNTDOWN[-1]), *phases, PostDeploy([*WINDOWS][-1]))
    said = dict.fromkeys(why for gate in gates for why in unmet(must_ask, gate, around))
    return [Finding(_SECTIONS, None, Level.BAD, why) for why in said]


MOST_SECONDS = 120.0
"""A child takes about five seconds, nearly all of them to load; a busy machine is not a finding."""


def examine_scenarios(subject: Subject, rows: Sequence[Row]) -> list[Finding]:
    """Say for which scenarios something is not described: the gate would say ERROR for them."""
    try:
        check_scenarios(rows, Checks.of(subject.platform.environment.checks).features)
        wanted = manifest(rows, subject.platform.environment.sections).ids
    except ConfigurationError as exc:
        return [_bad(sentence) for sentence in exc.sentences]
    with tempfile.TemporaryDirectory(prefix="gate-doctor-") as folder:
        run_dir = pathlib.Path(folder)
        end = run_child(
            _plan(subject, wanted, run_dir), lambda: None, lambda _: None, lambda: False
        )
        return _findings(wanted, lines.read(run_dir / EVENTS), _untried(end, run_dir / LOG))


def _plan(subject: Subject, wanted: Sequence[str], run_dir: pathlib.Path) -> ChildPlan:
    platform = subject.platform
    file = run_dir / "manifest.json"
    write_json(file, {"checks": list(wanted), "regions": list(platform.regions)})
    return ChildPlan(
        environment_file=platform.environment.path,
        run_dir=run_dir,
        manifest=file,
        release=platform.release.tag,
        regions=platform.regions,
        switched_at=None,
        deadline_seconds=MOST_SECONDS,
        debug=False,
        checks=platform.environment.checks,
        asked_as=platform.asked_as or platform.environment.settings.name,
        dry=True,
    )


def _untried(end: ChildEnd, log: pathlib.Path) -> str:
    said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return said[-1] if end.returncode > 1 and said else end.problem or "they did not all end"


def _findings(wanted: Sequence[str], found: lines.Lines, untried: str) -> list[Finding]:
    """Return one finding for each thing that is not described, with the scenarios that need it."""
    if set(wanted) - {one.check for one in found.finished}:
        return [_bad(f"the scenarios could not be tried: {untried}")]
    needing: dict[str, list[str]] = collections.defaultdict(list)
    for ended in found.finished:
        judged = (one for noted in ended.regions.values() for one in noted.judgements)
        for sentence in {one.sentence for one in judged if one.rule == "configuration"}:
            needing[sentence].append(f"{ended.check} “{ended.title}”")
    if needing:
        return [_bad(f"{what}, for {', '.join(checks)}") for what, checks in needing.items()]
    words = f"all that the scenarios need is described ({len(wanted)} tried)"
    return [Finding(SCENARIOS, None, Level.OK, words)]


def _bad(sentence: str) -> Finding:
    return Finding(SCENARIOS, None, Level.BAD, sentence)

"""The doctor on services: does each answer in each region, and do its bodies say what the file says?

FHIR: its statement is found where the environment says. Synthetic records: the token lists them, nobody
else can, and none are left over.
"""

from __future__ import annotations

import concurrent.futures
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

import probes
from gates.decide.judgement import harmless
from gates.decide.outcome import Outcome
from probes import http
from probes.http import HttpAnswer, HttpTarget, NotJsonError
from probes.observation import Failure, Observation
from settings.service import Fhir, HealthEndpoint, Synthetic
from smoke.synthetic import PATH as RECORDS
from smoke.synthetic import RemovalError, SyntheticRecords
from steps.cluster.clusters import Clusters
from steps.kit.check import Check
from steps.kit.failures import failure_of
from steps.kit.findings import Finding, Keys, Level, Subject, unreachable
from steps.service.replicas import AT_ONCE, MOST_ASKS, asks_for, replicas_of

OK, FIRST_SERVER_ERROR = 200, 500
_LOGIN_WANTED = frozenset({401, 403})
_CONTRACT = "let the platform offer the API of docs/platform-contract.md, “Synthetic records”"
_VANTAGE, _FHIR, _SYNTHETIC = "outside", "FHIR", "synthetic"
_FIELD = re.compile(r"[A-Za-z][A-Za-z_]{0,40}")


def examine_service(subject: Subject, region: str, name: str) -> list[Finding]:
    """Read every health endpoint of a service in one region; stop where nothing answers."""
    endpoints = subject.settings.services[name].health
    found: list[Finding] = []
    for endpoint_name, endpoint in endpoints.items():
        observed = http.request(
            subject.platform.service(region, name),
            "GET",
            endpoint.path,
            deadline=subject.deadline(),
        )
        if observed.value is None:
            failure = failure_of(observed)
            return [*found, unreachable(subject, name, region, failure, _keys(region, name))]
        key = f"services.{name}.health.{endpoint_name}"
        expected = _expected(subject, name, endpoint_name)
        found += [
            Finding(name, region, level, sentence, tuple(subject.key(*line) for line in lines))
            for level, sentence, lines in read_health(key, endpoint, observed.value, expected)
        ]
    found += _replicas(subject, region, name) if endpoints else []
    return found or [examine_address(subject, region, name)]


def _replicas(subject: Subject, region: str, name: str) -> list[Finding]:
    """Ask as often as a check does, and say whether every replica behind the address names itself.

    What keeps the number of ready pods from being read is said by the cluster's own findings.
    """
    platform = subject.platform
    check = Check("doctor", platform.regions)
    replicas = replicas_of(Clusters(platform), check, name, region, wait=False)
    path = next(iter(subject.settings.services[name].health.values())).path
    asks = min(asks_for(replicas.count), MOST_ASKS) if replicas.header else 0
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        seen = pool.map(
            lambda _: http.request(
                platform.service(region, name), "GET", path, deadline=subject.deadline()
            ),
            range(asks),
        )
        answers = [one.value for one in seen if one.value is not None]
    line = subject.key(
        f"services.{name}.replica_header", "a header in which each replica names itself"
    )
    return [
        Finding(name, region, Level.OK, one.sentence)
        if one.outcome is Outcome.PASS
        else Finding(name, region, Level.BAD, one.sentence, (line,))
        for one in replicas.met(path, answers)
        if one.outcome is not Outcome.ERROR
    ]


def examine_address(subject: Subject, region: str, name: str) -> Finding:
    """Ask a service without health endpoints for anything at all."""
    observed = http.request(
        subject.platform.service(region, name), "GET", "/", deadline=subject.deadline()
    )
    if observed.value is None:
        return unreachable(subject, name, region, failure_of(observed), _keys(region, name))
    return Finding(name, region, Level.OK, f"answers with status {observed.value.status}")


def examine_public_address(subject: Subject, name: str) -> Finding:
    """Ask an address that users type; none of it decides a verdict, so nothing here is BAD."""
    url = subject.settings.public[name]
    observed = _ask(subject, url)
    system = f"public {name}"
    if observed.value is None:
        failure = failure_of(observed)
        found = unreachable(subject, system, None, failure, Keys(f"public.{name}", "ca_file", ""))
        return Finding(system, None, Level.WARN, found.sentence, found.remedy, found.reached)
    return Finding(system, None, Level.OK, f"{url} answers with status {observed.value.status}")


def examine_vantage(subject: Subject) -> list[Finding]:
    """Ask the addresses that show whether the gate itself has network."""
    controls = subject.settings.vantage_controls
    if not controls:
        line = subject.key("vantage_controls", "[https://an-address.outside-the-platform]")
        sentence = "no vantage control: a gate without network looks like a platform that is down"
        return [Finding(_VANTAGE, None, Level.WARN, sentence, (line,))]
    return [_vantage_control(subject, url) for url in controls]


def _vantage_control(subject: Subject, url: str) -> Finding:
    observed = _ask(subject, url)
    if observed.value is not None:
        return Finding(_VANTAGE, None, Level.OK, f"{url} answers: this machine has network")
    failure = failure_of(observed)
    remedy = (subject.key("vantage_controls", "an address that answers from here"),)
    sentence = f"{url}: {failure.kind.value}"
    return Finding(_VANTAGE, None, Level.WARN, sentence, remedy, reached=False)


def _ask(subject: Subject, url: str) -> Observation[HttpAnswer]:
    address = urlsplit(url)
    target = HttpTarget(f"{address.scheme}://{address.netloc}", subject.settings.ca_file)
    return http.request(target, "GET", address.path or "/", deadline=subject.deadline())


def _expected(subject: Subject, service: str, endpoint: str) -> tuple[str, ...]:
    external = subject.settings.external
    if external is None or (external.service, external.endpoint) != (service, endpoint):
        return ()
    return external.expected


Line = tuple[str, str]
"""A key of the environment file and what to write there."""


def read_health(
    key: str, endpoint: HealthEndpoint, answer: HttpAnswer, expected: tuple[str, ...]
) -> list[tuple[Level, str, tuple[Line, ...]]]:
    """Say whether an answer has what the environment file promises of it.

    An unhealthy service is not a finding: the gate can decide about it. One whose body can't be
    understood is.
    """
    path = endpoint.path
    if answer.status >= FIRST_SERVER_ERROR:
        sentence = f"{path} answers {answer.status}: it is unwell, which the gate would judge"
        return [(Level.WARN, sentence, ())]
    if answer.status in _LOGIN_WANTED:
        line = (f"{key}.path", "a path that asks for no login")
        return [(Level.BAD, f"{path} answers {answer.status}: it asks for a login", (line,))]
    if answer.status != OK:
        line = (f"{key}.path", "the path of this health endpoint")
        return [(Level.BAD, f"{path} answers {answer.status}, not 200", (line,))]
    try:
        body = answer.json()
    except NotJsonError as exc:
        line = (f"{key}.path", "a path that answers with JSON")
        return [(Level.BAD, f"{path}: {exc}", (line,))]
    if not isinstance(body, Mapping):
        line = (f"{key}.path", "a path that answers with a JSON object")
        return [(Level.BAD, f"{path} answers JSON, but no object", (line,))]
    problems = list(_problems(key, endpoint, body, expected))
    return problems or [(Level.OK, f"{path} answers: {_told(endpoint, body)}", ())]


def _problems(
    key: str, endpoint: HealthEndpoint, body: Mapping[str, Any], expected: tuple[str, ...]
) -> Iterator[tuple[Level, str, tuple[Line, ...]]]:
    wanted = (
        ("status_field", endpoint.status_field, str, "text"),
        ("version_field", endpoint.version_field, str, "text"),
        ("latency_field", endpoint.latency_field, (int, float), "a number"),
        ("services_field", endpoint.services_field, Mapping, "an object"),
    )
    for name, field, kind, words in wanted:
        if field is None or isinstance(body.get(field), kind):
            continue
        there = ", ".join(sorted(filter(_FIELD.fullmatch, body))) or "none that is a name"
        sentence = f"{endpoint.path} has no field {field} that is {words}; its fields: {there}"
        yield Level.BAD, sentence, ((f"{key}.{name}", f"the field that holds {words}"),)
    services = body.get(endpoint.services_field or "services")
    missing = [
        name for name in expected if not isinstance(services, Mapping) or name not in services
    ]
    if missing:
        sentence = f"{endpoint.path} does not report {', '.join(missing)}"
        yield Level.BAD, sentence, (("external.expected", "the names that it reports"),)


def _told(endpoint: HealthEndpoint, body: Mapping[str, Any]) -> str:
    likes = (
        (endpoint.status_field, endpoint.healthy),
        (endpoint.version_field, "1.0.0"),
        (endpoint.latency_field, 0),
    )
    told = [f"{field} {harmless(body[field], like)}" for field, like in likes if field]
    services = body.get(endpoint.services_field) if endpoint.services_field else None
    return ", ".join([*told, f"{len(services)} services"] if services else told) or "JSON"


def examine_fhir(subject: Subject, region: str, section: Fhir) -> list[Finding]:
    """Read the CapabilityStatement of a region's FHIR server."""
    target, deadline = subject.platform.service(region, section.service), subject.deadline()
    headers = {"Accept": probes.fhir.ACCEPT}
    observed = http.request(
        target,
        "GET",
        section.path,
        headers=headers,
        max_bytes=probes.fhir.MAX_BYTES,
        deadline=deadline,
    )
    if observed.value is None:
        failure = failure_of(observed)
        return [unreachable(subject, _FHIR, region, failure, _keys(region, section.service))]
    fixes = (subject.key("fhir.path", "the path of the server's CapabilityStatement"),)
    if observed.value.status != OK:
        words = f"GET {section.path} answers {observed.value.status}"
        return [Finding(_FHIR, region, Level.BAD, words, fixes)]
    try:
        stated = probes.fhir.capability(observed.value)
    except probes.fhir.NotACapabilityStatementError as exc:
        return [Finding(_FHIR, region, Level.BAD, f"GET {section.path}: {exc}", fixes)]
    words = f"states FHIR {stated.fhir_version} with {len(stated.interactions)} kinds of resources"
    return [Finding(_FHIR, region, Level.OK, words)]


def examine_synthetic(subject: Subject, region: str, section: Synthetic) -> list[Finding]:
    """List synthetic records with the token and without it; nothing is created or removed."""
    target = subject.platform.service(region, section.service)
    token = subject.platform.environment.secret(section.token)
    status = _status(subject, target, token)
    if isinstance(status, Failure):
        keys = _keys(region, section.service, "synthetic.token")
        return [unreachable(subject, _SYNTHETIC, region, status, keys)]
    if status != OK:
        return [_refused(subject, region, status)]
    return [_listed(subject, region, target, token), *_open(subject, region, target)]


def _status(subject: Subject, target: HttpTarget, token: SecretStr | None) -> int | Failure:
    headers = {"Authorization": SecretStr(f"Bearer {token.get_secret_value()}")} if token else {}
    observed = http.request(target, "GET", RECORDS, deadline=subject.deadline(), headers=headers)
    return failure_of(observed) if observed.value is None else observed.value.status


def _refused(subject: Subject, region: str, status: int) -> Finding:
    if status in _LOGIN_WANTED:
        remedy = f"renew the secret behind synthetic.token of {subject.file}"
        sentence = f"GET {RECORDS} refuses the gate's token (status {status})"
        return Finding(_SYNTHETIC, region, Level.BAD, sentence, (remedy,))
    sentence = f"GET {RECORDS} answers {status}: synthetic records can't be found and removed"
    return Finding(_SYNTHETIC, region, Level.BAD, sentence, (_CONTRACT,))


def _listed(subject: Subject, region: str, target: HttpTarget, token: SecretStr) -> Finding:
    try:
        count = sum(1 for _ in SyntheticRecords(target, token).tags(subject.deadline()))
    except RemovalError as exc:
        return Finding(_SYNTHETIC, region, Level.BAD, str(exc), (_CONTRACT,))
    if count:
        sentence = f"the token lists synthetic records; {count} are there now"
        remedy = "none if a run is under way; the next run removes what is older than 15 minutes"
        return Finding(_SYNTHETIC, region, Level.WARN, sentence, (remedy,))
    return Finding(
        _SYNTHETIC, region, Level.OK, "the token lists synthetic records; none are there"
    )


def _open(subject: Subject, region: str, target: HttpTarget) -> list[Finding]:
    """Return a finding when anybody may list, and so probably delete, without a token."""
    status = _status(subject, target, None)
    if status != OK:
        return []
    sentence = f"GET {RECORDS} lists synthetic records to anybody, without a token"
    return [Finding(_SYNTHETIC, region, Level.BAD, sentence, (_CONTRACT,))]


def _keys(region: str, service: str, credential: str = "") -> Keys:
    return Keys(f"regions.{region}.services.{service}", "ca_file", credential)

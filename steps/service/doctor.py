"""The doctor on services: does each answer in each region, and do its bodies say what the file says?

FHIR: its statement is found where the environment says. Synthetic records: the token lists them, nobody
else can, and none are left over.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

import probes
from gates.decide.judgement import harmless
from gates.decide.outcome import Outcome
from probes import http
from probes.http import HeaderValue, HttpAnswer, HttpTarget, NotJsonError
from probes.observation import Observation
from settings.service import Fhir, HealthEndpoint, Synthetic
from smoke.synthetic import PATH as RECORDS
from smoke.synthetic import RemovalError, SyntheticRecords
from steps.cluster.clusters import Clusters
from steps.kit.check import Check
from steps.kit.failures import failure_of
from steps.kit.findings import Finding, Keys, Level, Subject, System, examination
from steps.service.endpoint import AT_ONCE, MOST_ASKS, asks_for, replicas_of

OK, FIRST_SERVER_ERROR = 200, 500
_LOGIN_WANTED = frozenset({401, 403})
_CONTRACT = "let the platform offer the API of docs/platform-contract.md, “Synthetic records”"
_FIELD = re.compile(r"[A-Za-z][A-Za-z_]{0,40}")


@examination
def examine_service(subject: Subject, region: str, name: str) -> Iterator[Finding]:
    """Read every health endpoint of a service in one region; stop where nothing answers."""
    system = System(subject, name, region, _keys(region, name))
    target, endpoints = (
        subject.platform.service(region, name),
        subject.settings.services[name].health,
    )
    if not endpoints:
        answer = system.read(http.request(target, "GET", "/", deadline=subject.deadline()))
        yield system.ok(f"answers with status {answer.status}")
        return
    for endpoint_name, endpoint in endpoints.items():
        observed = http.request(target, "GET", endpoint.path, deadline=subject.deadline())
        key = f"services.{name}.health.{endpoint_name}"
        expected = _expected(subject, name, endpoint_name)
        yield from read_health(system, key, endpoint, system.read(observed), expected)
    yield from _replicas(system, region, name)


def _replicas(system: System, region: str, name: str) -> Iterator[Finding]:
    """Ask as often as a check does, and say whether every replica behind the address names itself.

    What keeps the number of ready pods from being read is said by the cluster's own findings.
    """
    platform, call = system.subject.platform, system.subject.deadline
    check = Check("doctor", platform.regions)
    replicas = replicas_of(Clusters(platform), check, name, region, wait=False)
    path = next(iter(system.subject.settings.services[name].health.values())).path
    asks = min(asks_for(replicas.count), MOST_ASKS) if replicas.header else 0
    target = platform.service(region, name)
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        seen = pool.map(lambda _: http.request(target, "GET", path, deadline=call()), range(asks))
        answers = [one.value for one in seen if one.value is not None]
    line = system.subject.key(
        f"services.{name}.replica_header", "a header in which each replica names itself"
    )
    for one in replicas.met(path, answers):
        if one.outcome is not Outcome.ERROR:
            good = one.outcome is Outcome.PASS
            yield system.ok(one.sentence) if good else system.bad(one.sentence, line)


def examine_public_address(subject: Subject, name: str) -> Finding:
    """Ask an address that users type; none of it decides a verdict, so nothing here is BAD."""
    url, keys = subject.settings.public[name], Keys(f"public.{name}", "ca_file")
    system, observed = System(subject, f"public {name}", None, keys), _ask(subject, url)
    if observed.value is None:
        return dataclasses.replace(system.unread(failure_of(observed)), level=Level.WARN)
    return system.ok(f"{url} answers with status {observed.value.status}")


def examine_vantage(subject: Subject) -> list[Finding]:
    """Ask the addresses that show whether the gate itself has network."""
    controls, system = subject.settings.vantage_controls, System(subject, "outside")
    if not controls:
        line = subject.key("vantage_controls", "[https://an-address.outside-the-platform]")
        sentence = "no vantage control: a gate without network looks like a platform that is down"
        return [system.warn(sentence, line)]
    return [_vantage_control(system, url) for url in controls]


def _vantage_control(system: System, url: str) -> Finding:
    observed = _ask(system.subject, url)
    if observed.value is not None:
        return system.ok(f"{url} answers: this machine has network")
    remedy = system.subject.key("vantage_controls", "an address that answers from here")
    found = system.warn(f"{url}: {failure_of(observed).kind.value}", remedy)
    return dataclasses.replace(found, reached=False)


def _ask(subject: Subject, url: str) -> Observation[HttpAnswer]:
    address = urlsplit(url)
    target = HttpTarget(f"{address.scheme}://{address.netloc}", subject.settings.ca_file)
    return http.request(target, "GET", address.path or "/", deadline=subject.deadline())


def _expected(subject: Subject, service: str, endpoint: str) -> tuple[str, ...]:
    external = subject.settings.external
    if external is None or (external.service, external.endpoint) != (service, endpoint):
        return ()
    return external.expected


def read_health(
    system: System, key: str, endpoint: HealthEndpoint, answer: HttpAnswer, expected: Sequence[str]
) -> list[Finding]:
    """Say whether an answer has what the environment file promises of it.

    An unhealthy service is not a finding: the gate can decide about it. One whose body can't be
    understood is.
    """
    path, status = endpoint.path, answer.status

    def wrong(words: str, another: str) -> list[Finding]:
        return [system.bad(f"{path}{words}", system.subject.key(f"{key}.path", another))]

    if status >= FIRST_SERVER_ERROR:
        sentence = f"{path} answers {status}: it is unwell, which the gate would judge"
        return [system.warn(sentence)]
    if status in _LOGIN_WANTED:
        return wrong(f" answers {status}: it asks for a login", "a path that asks for no login")
    if status != OK:
        return wrong(f" answers {status}, not 200", "the path of this health endpoint")
    try:
        body = answer.json()
    except NotJsonError as exc:
        return wrong(f": {exc}", "a path that answers with JSON")
    if not isinstance(body, Mapping):
        return wrong(" answers JSON, but no object", "a path that answers with a JSON object")
    problems = list(_problems(system, key, endpoint, body, expected))
    return problems or [system.ok(f"{path} answers: {_told(endpoint, body)}")]


def _problems(
    system: System,
    key: str,
    endpoint: HealthEndpoint,
    body: Mapping[str, Any],
    expected: Sequence[str],
) -> Iterator[Finding]:
    wanted: dict[str, tuple[Any, str]] = {
        **dict.fromkeys(("status", "version"), (str, "text")),
        "latency": ((int, float), "a number"),
        "services": (Mapping, "an object"),
    }
    for name, (kind, words) in wanted.items():
        field = getattr(endpoint, f"{name}_field")
        if field is None or isinstance(body.get(field), kind):
            continue
        there = ", ".join(sorted(filter(_FIELD.fullmatch, body))) or "none that is a name"
        sentence = f"{endpoint.path} has no field {field} that is {words}; its fields: {there}"
        fix = system.subject.key(f"{key}.{name}_field", f"the field that holds {words}")
        yield system.bad(sentence, fix)
    services = body.get(endpoint.services_field or "services")
    reported = services if isinstance(services, Mapping) else ()
    missing = [name for name in expected if name not in reported]
    if missing:
        fix = system.subject.key("external.expected", "the names that it reports")
        yield system.bad(f"{endpoint.path} does not report {', '.join(missing)}", fix)


def _told(endpoint: HealthEndpoint, body: Mapping[str, Any]) -> str:
    likes = (
        (endpoint.status_field, endpoint.healthy),
        (endpoint.version_field, "1.0.0"),
        (endpoint.latency_field, 0),
    )
    told = [f"{field} {harmless(body[field], like)}" for field, like in likes if field]
    services = body.get(endpoint.services_field) if endpoint.services_field else None
    return ", ".join([*told, f"{len(services)} services"] if services else told) or "JSON"


@examination
def examine_fhir(subject: Subject, region: str, section: Fhir) -> Iterator[Finding]:
    """Read the CapabilityStatement of a region's FHIR server."""
    system = System(subject, "FHIR", region, _keys(region, section.service))
    observed = http.request(
        subject.platform.service(region, section.service),
        "GET",
        section.path,
        headers={"Accept": probes.fhir.ACCEPT},
        max_bytes=probes.fhir.MAX_BYTES,
        deadline=subject.deadline(),
    )
    answer = system.read(observed)
    fix = subject.key("fhir.path", "the path of the server's CapabilityStatement")
    if answer.status != OK:
        yield system.bad(f"GET {section.path} answers {answer.status}", fix)
        return
    try:
        stated = probes.fhir.capability(answer)
    except probes.fhir.NotACapabilityStatementError as exc:
        yield system.bad(f"GET {section.path}: {exc}", fix)
    else:
        kinds = f"{len(stated.interactions)} kinds of resources"
        yield system.ok(f"states FHIR {stated.fhir_version} with {kinds}")


@examination
def examine_synthetic(subject: Subject, region: str, section: Synthetic) -> Iterator[Finding]:
    """List synthetic records with the token and without it; nothing is created or removed."""
    keys = _keys(region, section.service, "synthetic.token")
    system, platform = System(subject, "synthetic", region, keys), subject.platform
    target = platform.service(region, section.service)
    answer = system.read(_listing(subject, target, platform.bearer(section.token)))
    if answer.status != OK:
        yield _refused(system, answer.status)
        return
    yield _listed(system, target, platform.environment.secret(section.token))
    open_to_all = _listing(subject, target, {}).value
    if open_to_all is not None and open_to_all.status == OK:
        # Who may list may probably delete.
        sentence = f"GET {RECORDS} lists synthetic records to anybody, without a token"
        yield system.bad(sentence, _CONTRACT)


def _listing(
    subject: Subject, target: HttpTarget, headers: Mapping[str, HeaderValue]
) -> Observation[HttpAnswer]:
    return http.request(target, "GET", RECORDS, deadline=subject.deadline(), headers=headers)


def _refused(system: System, status: int) -> Finding:
    if status in _LOGIN_WANTED:
        remedy = f"renew the secret behind synthetic.token of {system.subject.file}"
        return system.bad(f"GET {RECORDS} refuses the gate's token (status {status})", remedy)
    sentence = f"GET {RECORDS} answers {status}: synthetic records can't be found and removed"
    return system.bad(sentence, _CONTRACT)


def _listed(system: System, target: HttpTarget, token: SecretStr) -> Finding:
    try:
        count = sum(1 for _ in SyntheticRecords(target, token).tags(system.subject.deadline()))
    except RemovalError as exc:
        return system.bad(str(exc), _CONTRACT)
    if not count:
        return system.ok("the token lists synthetic records; none are there")
    sentence = f"the token lists synthetic records; {count} are there now"
    remedy = "none if a run is under way; the next run removes what is older than 15 minutes"
    return system.warn(sentence, remedy)


def _keys(region: str, service: str, credential: str = "") -> Keys:
    return Keys(f"regions.{region}.services.{service}", "ca_file", credential)

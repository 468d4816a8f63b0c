"""The mobile apps that are in use get from the live API what their versions can read."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr

from environments.yaml_file import ConfigurationError, parse, read_yaml
from gates.decide.judgement import Judgement, equals
from gates.decide.outcome import Outcome
from probes import http
from probes.http import HeaderValue, HttpAnswer, NotJsonError
from settings.delivery import Mobile as Settings
from settings.sections import Section
from steps.delivery.openapi import NotComparableError, compared
from steps.delivery.schema_findings import findings, unseen, unusable
from steps.kit.availability import Availability, Reading
from steps.kit.check import Check
from steps.kit.platform import NotDescribedError, Platform

_MAX_DOCUMENT_BYTES = 8 * 1_048_576
_OK = 200
_SHOWN = 5
_SAYS_SOMETHING = frozenset(
    {"type", "$ref", "allOf", "anyOf", "oneOf", "const", "enum", "required", "properties", "items"}
)
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
Operation = Annotated[str, Field(pattern=r"^(GET|HEAD|POST|PUT|PATCH|DELETE) /\S*$")]


class AppRequest(Section):
    """One read of an app and what it can make of the answer."""

    path: str = Field(pattern=r"^/")
    """`{name}` stands for a value of the environment's `mobile.values`."""
    operation: Annotated[str, Field(pattern=r"^GET /\S*$")]
    """The same as the API's own document calls it; the gate reads and does nothing else."""
    authenticated: bool = False
    """Whether the app sends its token."""
    status: int = Field(default=_OK, ge=100, le=599)
    response: str
    """File of the JSON Schema that the answer must meet, beside the contract."""


class AppContract(Section):
    """What one version of the app asks for."""

    schema_version: Literal[1] = Field(alias="schema")
    version: str
    requests: tuple[AppRequest, ...] = Field(min_length=1)
    """What the gate asks in the app's name: reads only."""
    operations: tuple[Operation, ...] = ()
    """What else the app uses; compared by the API's documents and never called."""

    def all_operations(self) -> set[str]:
        """Return every operation that this version uses."""
        return {*self.operations, *(request.operation for request in self.requests)}


def described(platform: Platform) -> Settings:
    """Return what the environment says of mobile apps; NotDescribedError without it."""
    section = platform.environment.settings.mobile
    if section is None:
        raise NotDescribedError("the environment lacks the section mobile; add it")
    return section


def understands(platform: Platform, availability: Availability, check: Check, version: str) -> None:
    """Judge every request of one version of the app in every region."""
    settings = described(platform)
    if version not in settings.versions:
        raise NotDescribedError(f"the environment's mobile.versions lacks {version}; add it")
    try:
        app = _App.load(platform, availability, check, version)
    except ConfigurationError as exc:
        check.judge_everywhere(_unreadable(f"contract of mobile {version}", str(exc)))
        return
    platform.each_region(app.judge)


def nothing_breaks(platform: Platform, availability: Availability, check: Check) -> None:
    """Judge the served API document against the one before, for all that the apps use."""
    settings = described(platform)
    try:
        used = {
            operation
            for version in settings.versions
            for operation in read_contract(_folder(platform, version), version).all_operations()
        }
        before = _previous_document(platform)
    except ConfigurationError as exc:
        check.judge_everywhere(_unreadable("contracts of the mobile apps", str(exc)))
        return
    platform.each_region(
        lambda region: _compare(_Served(platform, availability, check, region), before, used)
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _Served:
    """The service of the apps in one region."""

    platform: Platform
    availability: Availability
    check: Check
    region: str

    def get(
        self, subject: str, path: str, headers: Mapping[str, HeaderValue]
    ) -> Reading[HttpAnswer]:
        """Read one address; an absence is confirmed and judged."""
        settings = described(self.platform)
        target = self.platform.service(self.region, settings.service)
        reading = self.availability.reach(
            self.region,
            settings.service,
            subject,
            lambda: http.request(
                target,
                "GET",
                path,
                deadline=self.platform.call_deadline(),
                headers=headers,
                max_bytes=_MAX_DOCUMENT_BYTES,
            ),
            # An app's request says itself which status it expects, a refusal too.
            lambda _: (),
        )
        self.check.observe(self.region, reading.observation)
        self.check.judge(self.region, *reading.judgements)
        return reading


@dataclasses.dataclass(frozen=True, slots=True)
class _App:
    """One version of the app, with the schemas that its code can read."""

    platform: Platform
    availability: Availability
    check: Check
    contract: AppContract
    schemas: Mapping[str, Mapping[str, Any]]

    @classmethod
    def load(
        cls, platform: Platform, availability: Availability, check: Check, version: str
    ) -> _App:
        """Read contract and schemas; raises ConfigurationError."""
        folder = _folder(platform, version)
        contract = read_contract(folder, version)
        _has_what_it_needs(described(platform), contract)
        schemas = {one.response: _schema(folder / one.response) for one in contract.requests}
        return cls(platform, availability, check, contract, schemas)

    def judge(self, region: str) -> None:
        """Send every request in one region and judge its answer."""
        served = _Served(self.platform, self.availability, self.check, region)
        for request in self.contract.requests:
            subject = f"mobile {self.contract.version}, {request.operation}"
            reading = served.get(subject, self._path(request), self._headers(request))
            answer = reading.observation.value
            if not reading.decided and answer is not None:
                self.check.judge(region, *self._judged(subject, request, answer))

    def _judged(self, subject: str, request: AppRequest, answer: HttpAnswer) -> Iterator[Judgement]:
        status = equals(f"{subject} status", answer.status, request.status)
        yield status
        if status.outcome is Outcome.PASS:
            yield _readable(subject, answer, self.schemas[request.response])

    def _path(self, request: AppRequest) -> str:
        path = request.path
        for name, value in described(self.platform).values.items():
            path = path.replace(f"{{{name}}}", value)
        return path

    def _headers(self, request: AppRequest) -> dict[str, HeaderValue]:
        settings = described(self.platform)
        login = _login(self.platform) if request.authenticated else {}
        return {settings.header: self.contract.version, **login}


def _login(platform: Platform) -> dict[str, HeaderValue]:
    token = platform.secret(described(platform).token)
    return (
        {} if token is None else {"Authorization": SecretStr(f"Bearer {token.get_secret_value()}")}
    )


def _readable(subject: str, answer: HttpAnswer, schema: Mapping[str, Any]) -> Judgement:
    empty: tuple[str, ...] = ()
    try:
        body = answer.json()
        found, empty = findings(schema, body), tuple(unseen(schema, body))
    except NotJsonError as exc:
        found = (str(exc),)
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    seen = f", so far as it was seen: {', '.join(empty)} was empty" if empty else ""
    return Judgement(
        outcome=Outcome.FAIL if found else Outcome.PASS,
        rule="response schema",
        subject=subject,
        sentence=f"{subject}: the app can't read the answer: {found[0]}{more}"
        if found
        else f"{subject} answers what the app can read{seen}",
        observed=len(found),
        target=0,
        clears=f"{subject} answering as that version's schema says" if found else "",
        data={"findings": list(found), "empty": list(empty)},
    )


def _compare(served: _Served, before: Mapping[str, Any], used: set[str]) -> None:
    path = described(served.platform).openapi_path
    subject = f"API document {path}"
    # Many do not show their document to everybody.
    reading = served.get(subject, path, _login(served.platform))
    answer = reading.observation.value
    if reading.decided or answer is None:
        return
    status = equals(f"{subject} status", answer.status, _OK)
    served.check.judge(served.region, status)
    if status.outcome is Outcome.PASS:
        served.check.judge(served.region, _compatible(subject, before, answer, used))


def _compatible(
    subject: str, before: Mapping[str, Any], answer: HttpAnswer, used: set[str]
) -> Judgement:
    try:
        now = answer.json()
        if not isinstance(now, Mapping) or "paths" not in now:
            return _unreadable(subject, "it is no OpenAPI document")
        found = compared(before, now, used)
    except NotJsonError as exc:
        return _unreadable(subject, str(exc))
    except NotComparableError as exc:
        return _unreadable(subject, str(exc))
    changes, unread = found.breaking, found.not_compared
    if unread and not changes:
        return _not_compared(subject, unread)
    more = f", and {len(changes) - 1} more" if len(changes) > 1 else ""
    return Judgement(
        outcome=Outcome.FAIL if changes else Outcome.PASS,
        rule="no breaking change",
        subject=subject,
        sentence=f"a breaking change for mobile apps in use: {changes[0]}{more}"
        if changes
        else f"nothing breaks in the {len(used)} operations that mobile apps use",
        observed=len(changes),
        target=0,
        clears="the old shape kept until those versions are no longer in use" if changes else "",
        data={"changes": list(changes), "not_compared": list(unread)},
    )


def _not_compared(subject: str, unread: Sequence[str]) -> Judgement:
    """Return what is left open by differences in parts whose meaning the gate does not compare."""
    more = f"; and {len(unread) - _SHOWN} more" if len(unread) > _SHOWN else ""
    shown = "; ".join(unread[:_SHOWN]) + more
    return Judgement(
        outcome=Outcome.INCONCLUSIVE,
        rule="no breaking change",
        subject=subject,
        sentence="nothing breaks in what the gate compares, but the documents differ in parts that it does "
        f"not compare: {shown}",
        observed=len(unread),
        target=0,
        clears="a person's look at these parts, and the release's document as mobile.previous_openapi if "
        "no app breaks; or the old shape kept",
        data={"not_compared": list(unread)},
    )


def _unreadable(subject: str, why: str) -> Judgement:
    return Judgement(
        outcome=Outcome.ERROR,
        rule="contract",
        subject=subject,
        sentence=f"{subject} can't be used: {why}",
        observed="unreadable",
        target="a contract",
        clears=f"{subject} mended",
    )


def _folder(platform: Platform, version: str) -> pathlib.Path:
    return platform.environment.path.parent / described(platform).contracts / version


def read_contract(folder: pathlib.Path, version: str) -> AppContract:
    """Return the contract of a version from its folder; raises ConfigurationError."""
    file = folder / "contract.yaml"
    shown = f"{version}/contract.yaml"
    contract = parse(AppContract, read_yaml(file, shown), shown)
    if contract.version != version:
        raise ConfigurationError(f"{shown}: version = {contract.version}: must be {version}.")
    return contract


def _has_what_it_needs(settings: Settings, contract: AppContract) -> None:
    """Refuse requests that can't be sent as they are meant: their refusal would be no finding."""
    for request in contract.requests:
        lacking = set(_PLACEHOLDER.findall(request.path)) - set(settings.values)
        if lacking:
            raise ConfigurationError(
                f"{request.path} can't be asked for: the environment's mobile.values lacks "
                f"{', '.join(sorted(lacking))}; add it."
            )
        if request.authenticated and settings.token is None:
            raise ConfigurationError(
                f"{request.path} needs a login: name the environment's mobile.token."
            )


def _previous_document(platform: Platform) -> Mapping[str, Any]:
    settings = described(platform)
    return _json(platform.environment.path.parent / settings.previous_openapi)


def _schema(file: pathlib.Path) -> Mapping[str, Any]:
    """Read a response's schema; one that says nothing would take any answer."""
    found = _json(file)
    if not _SAYS_SOMETHING & set(found):
        raise ConfigurationError(
            f"{file.name}: says nothing that an answer could break; write its type at least."
        )
    problem = unusable(found)
    if problem:
        raise ConfigurationError(f"{file.name}: is no JSON Schema: {problem}.")
    return found


def _json(file: pathlib.Path) -> Mapping[str, Any]:
    try:
        found = json.loads(file.read_bytes())
    except OSError as exc:
        raise ConfigurationError(f"{file.name}: cannot be read: {exc.strerror}.") from exc
    except ValueError:
        raise ConfigurationError(f"{file.name}: is no JSON.") from None
    if not isinstance(found, dict):
        raise ConfigurationError(f"{file.name}: must be a JSON object.")
    return found

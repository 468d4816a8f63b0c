"""The mobile apps that are in use: what they ask for, can read, and get from the live API."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field
from pytest_bdd import parsers

from environments.yaml_file import ConfigurationError, parse, read_json, read_yaml
from gates.decide.judgement import Judgement, equals
from probes import http
from probes.http import HeaderValue, HttpAnswer, NotJsonError
from probes.observation import Observation, utc_now
from settings.delivery import Mobile
from settings.sections import Section
from steps.delivery import rules
from steps.delivery.json_parts import referred
from steps.delivery.openapi import Change, NotComparableError, compared, others, silent
from steps.kit.asked import Asked, Unread
from steps.kit.platform import NotDescribedError, Platform
from steps.kit.run import Run
from steps.kit.sentence import described, then, when

_OK = 200
_SAYS_SOMETHING = frozenset(
    {"type", "$ref", "allOf", "anyOf", "oneOf", "const", "enum", "required", "properties", "items"}
)
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
Operation = Annotated[str, Field(pattern=r"^(GET|HEAD|POST|PUT|PATCH|DELETE) /\S*$")]
_STRUCTURE = {"properties", "items", "anyOf", "oneOf", "allOf", "$defs"}


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


def read_contract(folder: pathlib.Path, version: str) -> AppContract:
    """Return the contract of a version from its folder; raises ConfigurationError."""
    file = folder / "contract.yaml"
    shown = f"{version}/contract.yaml"
    contract = parse(AppContract, read_yaml(file, shown), shown)
    if contract.version != version:
        raise ConfigurationError(f"{shown}: version = {contract.version}: must be {version}.")
    return contract


def check_sendable(settings: Mobile, contract: AppContract) -> None:
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


def read_schema(file: pathlib.Path) -> Mapping[str, Any]:
    """Read a response's schema; one that says nothing would take any answer."""
    found = read_json(file)
    if not _SAYS_SOMETHING & set(found):
        raise ConfigurationError(
            f"{file.name}: says nothing that an answer could break; write its type at least."
        )
    problem = unusable(found)
    if problem:
        raise ConfigurationError(f"{file.name}: is not JSON Schema: {problem}.")
    return found


def findings(schema: Mapping[str, Any], instance: object) -> tuple[str, ...]:
    """Return one phrase for each difference; names come from the schema, values are never shown."""
    # Imported late: the library takes longer to load than most checks take.
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - see above

    validator = Draft202012Validator(schema)
    return tuple(sorted({_phrase(error) for error in validator.iter_errors(instance)}))


def unusable(schema: Mapping[str, Any]) -> str:
    """Return why a schema is none, such as a type that does not exist; nothing for a good one."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - see above
    from jsonschema.exceptions import SchemaError  # noqa: PLC0415 - see above

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as exc:
        return f"{exc.json_path} is not of {exc.validator} there"
    # The library would look for other files in the network, without a deadline.
    lost = [name for name in _references(schema) if not _leads_somewhere(schema, name)]
    return f"{lost[0]} leads to nothing in the file itself" if lost else ""


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, Mapping):
        named = (part.get(word) for word in ("$ref", "$dynamicRef"))
        yield from (name for name in named if isinstance(name, str))
    for one in part.values() if isinstance(part, Mapping) else part:
        if isinstance(one, Mapping | list):
            yield from _references(one)


def _leads_somewhere(schema: Mapping[str, Any], reference: str) -> bool:
    if reference == "#":
        return True
    return reference.startswith("#/") and bool(referred(schema, {"$ref": reference}))


def unseen(schema: Any, instance: object, place: str = "the answer") -> Iterator[str]:
    """Yield the lists of which a schema describes the items, and that had none."""
    if not isinstance(schema, Mapping):
        return
    if isinstance(instance, list) and "items" in schema:
        if not instance:
            yield place
        for one in instance[:1]:
            yield from unseen(schema["items"], one, place)
    if isinstance(instance, Mapping):
        for name, part in schema.get("properties", {}).items():
            if name in instance:
                yield from unseen(part, instance[name], name)


def _phrase(error: Any) -> str:
    place = _place(error.absolute_schema_path)
    if error.validator == "required":
        there = set(error.instance) if isinstance(error.instance, Mapping) else set()
        missing = sorted(set(error.validator_value) - there)
        return f"{place} lacks {', '.join(missing)}"
    if error.validator in {"type", "const", "enum", "pattern", "format"}:
        return f"{place} is not of {error.validator} {error.validator_value}"
    return f"{place} breaks the rule {error.validator}"


def _place(path: Any) -> str:
    """Return where in the schema; its last step is the rule itself."""
    steps = [str(step) for step in list(path)[:-1]]
    named = [step for step in steps if step not in _STRUCTURE and not step.isdigit()]
    return ".".join(named) or "the answer"


_MAX_DOCUMENT_BYTES = 8 * 1_048_576


@when(
    parsers.parse("mobile {version} sends its requests in every region"), target_fixture="version"
)
def app_in_use(asked: Asked, version: str) -> str:
    if version not in asked.platform.section(Mobile).versions:
        raise NotDescribedError(f"the environment's mobile.versions lacks {version}; add it")
    return version


@then("it can read every answer")
def understands(run: Run, asked: Asked, version: str) -> None:
    settings, folder = asked.platform.section(Mobile), _folder(asked.platform, version)
    try:
        contract = read_contract(folder, version)
        check_sendable(settings, contract)
        schemas = {one.response: read_schema(folder / one.response) for one in contract.requests}
    except ConfigurationError as exc:
        asked.judge(rules.unusable(f"contract of mobile {version}", str(exc)))
        return

    def judge(here: Asked) -> None:
        here.each(
            contract.requests, lambda one: _judge(run, here, version, one, schemas[one.response])
        )

    asked.in_each_region(judge)


described("the API's document is compared with the one of the release before", Mobile, "mobile")


@then("no operation that a mobile app uses has a breaking change")
def nothing_breaks(run: Run, asked: Asked, mobile: Mobile) -> None:
    def of_apps(before: Mapping[str, Any], now: Mapping[str, Any], users: Users) -> Changes:
        return compared(before, now, users), users

    _compare(run, asked, mobile, of_apps)


@then("no other operation has a breaking change")
def nothing_else_breaks(run: Run, asked: Asked, mobile: Mobile) -> None:
    def of_others(before: Mapping[str, Any], now: Mapping[str, Any], users: Users) -> Changes:
        rest = others(before, users)
        return compared(before, now, rest, must_promise=False), dict.fromkeys(rest, "")

    _compare(run, asked, mobile, of_others)


Users = Mapping[str, str]
"""Who uses an operation, such as `mobile 1.0.0, 1.1.0`."""
Changes = tuple[tuple[Change, ...], Users]


def _compare(
    run: Run,
    asked: Asked,
    mobile: Mobile,
    changes: Callable[[Mapping[str, Any], Mapping[str, Any], Users], Changes],
) -> None:
    """Judge, in every region, what became of the document of the release before."""
    try:
        users = _users(asked.platform, mobile)
        before = read_json(asked.platform.beside(mobile.previous_openapi))
    except ConfigurationError as exc:
        asked.judge(rules.unusable("contracts of the mobile apps", str(exc)))
        return

    def judge(here: Asked) -> None:
        subject = f"API document {mobile.openapi_path}"
        # Many do not show their document to everybody.
        login = here.platform.bearer(mobile.token)
        answer = _get(run, here, subject, mobile.openapi_path, login, _OK)
        try:
            now = answer.json()
            if not isinstance(now, Mapping) or "paths" not in now:
                here.judge(rules.unusable(subject, "it is not an OpenAPI document"))
                return
            found, of_whom = changes(before, now, users)
            quiet = silent(before, of_whom)
        except (NotJsonError, NotComparableError) as exc:
            here.judge(rules.unusable(subject, str(exc)))
            return
        accepted = here.platform.policy.contract.accepted
        here.judge(rules.compatible(subject, found, of_whom, accepted, utc_now().date(), quiet))

    asked.in_each_region(judge)


def _users(platform: Platform, mobile: Mobile) -> Users:
    users: dict[str, str] = {}
    for version in mobile.versions:
        contract = read_contract(_folder(platform, version), version)
        for operation in contract.all_operations():
            before = users.get(operation)
            users[operation] = f"{before}, {version}" if before else f"mobile {version}"
    return users


def _folder(platform: Platform, version: str) -> pathlib.Path:
    return platform.beside(platform.section(Mobile).contracts) / version


def _get(
    run: Run, here: Asked, subject: str, path: str, headers: Mapping[str, HeaderValue], status: int
) -> HttpAnswer:
    """Read one address of the apps' service; an absence is confirmed and judged.

    Raises Unread, also where the answer has another status.
    """
    service, platform = here.platform.section(Mobile).service, here.platform
    target = platform.service(here.region, service)

    def ask() -> Observation[HttpAnswer]:
        deadline, most = platform.call_deadline(), _MAX_DOCUMENT_BYTES
        return http.request(target, "GET", path, deadline=deadline, headers=headers, max_bytes=most)

    # An app's request says itself which status it expects, a refusal too.
    answer = run.availability.read(here, service, subject, ask, lambda _: ())
    here.judge(equals(f"{subject} status", answer.status, status))
    if answer.status != status:
        raise Unread(subject)
    return answer


def _judge(
    run: Run, here: Asked, version: str, request: AppRequest, schema: Mapping[str, Any]
) -> None:
    """Send a request as this version of the app does, and judge its answer; raises Unread."""
    settings, path = here.platform.section(Mobile), request.path
    for name, value in settings.values.items():
        path = path.replace(f"{{{name}}}", value)
    login = here.platform.bearer(settings.token) if request.authenticated else {}
    subject = f"mobile {version}, {request.operation}"
    headers: dict[str, HeaderValue] = {settings.header: version, **login}
    answer = _get(run, here, subject, path, headers, request.status)
    here.judge(_readable(subject, answer, schema))


def _readable(subject: str, answer: HttpAnswer, schema: Mapping[str, Any]) -> Judgement:
    try:
        body = answer.json()
    except NotJsonError as exc:
        return rules.readable(subject, (str(exc),), ())
    empty = tuple(unseen(schema, body))
    return rules.readable(subject, findings(schema, body), empty)

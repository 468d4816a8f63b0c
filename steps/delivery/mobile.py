"""The mobile apps that are in use get from the live API what their versions can read."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

from pytest_bdd import parsers

from environments.yaml_file import ConfigurationError
from gates.decide.judgement import Judgement, equals
from probes import http
from probes.http import HeaderValue, HttpAnswer, NotJsonError
from probes.observation import Observation
from settings.delivery import Mobile
from steps.delivery import contracts, rules
from steps.delivery.contracts import AppRequest
from steps.delivery.openapi import NotComparableError, compared
from steps.kit.asked import Asked, Unread
from steps.kit.platform import NotDescribedError, Platform
from steps.kit.run import Run
from steps.kit.sentence import described, then, when

_MAX_DOCUMENT_BYTES = 8 * 1_048_576
_OK = 200


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
        contract = contracts.read_contract(folder, version)
        contracts.check_sendable(settings, contract)
        schemas = {
            one.response: contracts.read_schema(folder / one.response) for one in contract.requests
        }
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
    try:
        used = {
            operation
            for version in mobile.versions
            for operation in contracts.read_contract(
                _folder(asked.platform, version), version
            ).all_operations()
        }
        file = asked.platform.environment.path.parent / mobile.previous_openapi
        before = contracts.read_json(file)
    except ConfigurationError as exc:
        asked.judge(rules.unusable("contracts of the mobile apps", str(exc)))
        return

    def judge(here: Asked) -> None:
        path = mobile.openapi_path
        subject = f"API document {path}"
        # Many do not show their document to everybody.
        answer = _get(run, here, subject, path, here.platform.bearer(mobile.token), _OK)
        here.judge(_compatible(subject, before, answer, used))

    asked.in_each_region(judge)


def _folder(platform: Platform, version: str) -> pathlib.Path:
    return platform.environment.path.parent / platform.section(Mobile).contracts / version


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
    empty = tuple(contracts.unseen(schema, body))
    return rules.readable(subject, contracts.findings(schema, body), empty)


def _compatible(
    subject: str, before: Mapping[str, Any], answer: HttpAnswer, used: set[str]
) -> Judgement:
    try:
        now = answer.json()
        if not isinstance(now, Mapping) or "paths" not in now:
            return rules.unusable(subject, "it is not an OpenAPI document")
        return rules.compatible(subject, compared(before, now, used), used)
    except (NotJsonError, NotComparableError) as exc:
        return rules.unusable(subject, str(exc))

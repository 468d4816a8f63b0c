"""The mobile apps that are in use get from the live API what their versions can read."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr
from pytest_bdd import parsers

from environments.yaml_file import ConfigurationError
from gates.decide.judgement import Judgement, equals
from gates.decide.outcome import Outcome
from probes import http
from probes.http import HeaderValue, HttpAnswer, NotJsonError
from settings.delivery import Mobile
from steps.delivery import contracts, rules
from steps.delivery.contracts import AppRequest
from steps.delivery.openapi import NotComparableError, compared
from steps.kit.asked import Asked, Unread
from steps.kit.expect import need
from steps.kit.platform import NotDescribedError, Platform
from steps.kit.run import Run
from steps.kit.sentence import then, when

_MAX_DOCUMENT_BYTES = 8 * 1_048_576
_OK = 200


@when(
    parsers.parse("mobile {version} sends its requests in every region"), target_fixture="version"
)
def app_in_use(asked: Asked, version: str) -> str:
    if version not in _described(asked.platform).versions:
        raise NotDescribedError(f"the environment's mobile.versions lacks {version}; add it")
    return version


@then("it can read every answer")
def understands(run: Run, asked: Asked, version: str) -> None:
    settings, folder = _described(asked.platform), _folder(asked.platform, version)
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
        app = _App(run, here, version)
        here.each(contract.requests, lambda one: app.judge(one, schemas[one.response]))

    asked.in_each_region(judge)


@when("the API's document is compared with the one of the release before", target_fixture="mobile")
def apps_in_use(asked: Asked) -> Mobile:
    return _described(asked.platform)


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
        answer = _get(run, here, subject, path, _login(here.platform))
        status = equals(f"{subject} status", answer.status, _OK)
        here.judge(status)
        if status.outcome is Outcome.PASS:
            here.judge(_compatible(subject, before, answer, used))

    asked.in_each_region(judge)


def _described(platform: Platform) -> Mobile:
    return need(platform.environment.settings.mobile, "the section mobile")


def _folder(platform: Platform, version: str) -> pathlib.Path:
    return platform.environment.path.parent / _described(platform).contracts / version


def _login(platform: Platform) -> dict[str, HeaderValue]:
    token = platform.secret(_described(platform).token)
    return (
        {} if token is None else {"Authorization": SecretStr(f"Bearer {token.get_secret_value()}")}
    )


def _get(
    run: Run, here: Asked, subject: str, path: str, headers: Mapping[str, HeaderValue]
) -> HttpAnswer:
    """Read one address of the apps' service; an absence is confirmed and judged. Raises Unread."""
    service, platform = _described(here.platform).service, here.platform
    target = platform.service(here.region, service)
    found = run.availability.reach(
        here.region,
        service,
        subject,
        lambda: http.request(
            target,
            "GET",
            path,
            deadline=platform.call_deadline(),
            headers=headers,
            max_bytes=_MAX_DOCUMENT_BYTES,
        ),
        # An app's request says itself which status it expects, a refusal too.
        lambda _: (),
    )
    here.keep(found.observation)
    here.judge(*found.judgements)
    if found.decided or found.observation.value is None:
        raise Unread(subject)
    return found.observation.value


@dataclasses.dataclass(frozen=True, slots=True)
class _App:
    """One version of the app in one region."""

    run: Run
    here: Asked
    version: str

    def judge(self, request: AppRequest, schema: Mapping[str, Any]) -> None:
        """Send a request as the app does, and judge its answer; raises Unread."""
        settings = _described(self.here.platform)
        path = request.path
        for name, value in settings.values.items():
            path = path.replace(f"{{{name}}}", value)
        login = _login(self.here.platform) if request.authenticated else {}
        subject = f"mobile {self.version}, {request.operation}"
        headers = {settings.header: self.version, **login}
        answer = _get(self.run, self.here, subject, path, headers)
        status = equals(f"{subject} status", answer.status, request.status)
        self.here.judge(status)
        if status.outcome is Outcome.PASS:
            self.here.judge(_readable(subject, answer, schema))


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

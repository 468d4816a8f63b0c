"""Every way in which the rules of services judge; `tests.gates.decide.test_said` keeps what they say."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

from gates.decide.judgement import Judgement, contains_all
from gates.decide.outcome import Outcome
from probes.http import HttpAnswer
from probes.postgres import ServerState
from probes.redis import RedisFacts
from settings.service import ExternalServices, Fhir, HealthEndpoint, IntegrationTry, Vendor
from steps.service import health_rules, rules
from steps.service.rules import Outage, Seen
from tests.steps.service.conftest import VENDOR

NOON = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)
PAYFAST = Vendor(**VENDOR)
ENDPOINT = HealthEndpoint(path="/health", status_field="status", services_field="services")
MEGABYTE = 1024 * 1024


def answer(body: object, status: int = 200, content_type: str = "application/json") -> HttpAnswer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpAnswer(status, {}, raw, content_type, "1.1")


def servers() -> Iterator[Judgement]:
    yield rules.not_asked("Redis", "redis")
    for standby in (False, True):
        yield rules.database_serves(ServerState("16", in_recovery=standby, database="clinic"))
    sound = RedisFacts(
        version="7",
        role="master",
        loading=False,
        connected_replicas=0,
        used_memory_bytes=MEGABYTE,
        max_memory_bytes=0,
        ping_seconds=0.1,
    )
    for found in (
        sound,
        dataclasses.replace(sound, loading=True),
        dataclasses.replace(sound, role="slave", primary_is_linked=True),
        dataclasses.replace(sound, role="slave", primary_is_linked=False),
        dataclasses.replace(sound, max_memory_bytes=MEGABYTE),
        dataclasses.replace(sound, append_failed=True),
        dataclasses.replace(sound, save_failed=True),
    ):
        yield rules.redis_serves(found)
        yield from rules.redis_keeps(found)


def vendors() -> Iterator[Judgement | str]:
    for state in ("healthy", "down", None):
        body = {"services": {"pay": {"status": state}, "mail": {"status": "healthy"}}}
        yield rules.vendor_up(PAYFAST, ENDPOINT, body, NOON)
    section = ExternalServices(service="api", endpoint="external", expected=("pay", "mail"))
    well = {"status": "healthy"}
    reports: list[Any] = [
        *({"pay": well, "mail": well}, {"pay": {"status": "down"}, "mail": well}),
        *({"pay": {"status": "down"}}, {"pay": {"status": 3}, "mail": well}, [], "no JSON"),
    ]
    for report in reports:
        told = answer(b"x" if report == "no JSON" else {"services": report})
        down = sorted(rules.reported_down(ENDPOINT, section, told))
        yield f"reported down by {report}: {down or 'nothing'}"
    kept = dataclasses.replace(answer({"services": reports[1]}), headers={"age": "9"})
    for other in (kept, answer([]), None):
        yield f"reported down: {sorted(rules.reported_down(ENDPOINT, section, other)) or 'nothing'}"
    failed = Judgement(
        Outcome.FAIL, "equals", "payment status", "payment status is 402, wanted 201"
    )
    for seen in Seen:
        yield rules.vendor_answers(PAYFAST, seen, NOON)
        outage = Outage(PAYFAST, "api /health/external", NOON, seen, "the release manager")
        yield from rules.read_with(
            outage, (failed, dataclasses.replace(failed, outcome=Outcome.PASS))
        )
    yield from rules.read_with(None, (failed,))
    yield rules.behind(PAYFAST)
    for found in (True, False):
        yield rules.row_exists(found=found)


def tries() -> Iterator[Judgement]:
    worded = IntegrationTry(path="/pay", expect={"a.b": "ok"})
    plain = IntegrationTry(path="/pay")
    page = answer(b"<html>", content_type="text/html")
    for tried, found, unavailable in (
        (worded, answer({"a": {"b": "ok"}}), False),
        (worded, answer({"a": {"b": "no"}}, 404), False),
        (worded, answer({"a": {"b": "no"}}, 502), True),
        (worded, answer({}, 502), True),
        (worded, answer(["ok"]), False),
        (worded, answer(b"x"), False),
        (worded, answer(b"x", 502), True),
        (plain, answer({}), False),
        (plain, answer(["failed"]), False),
        (plain, answer(b""), False),
        (plain, page, False),
        (plain, page, True),
        (plain, answer(b" <x/>", content_type=""), False),
        *((plain, answer({name: False}), False) for name in ("success", "ok", "error")),
        *((plain, answer({name: "FAILED"}), False) for name in ("status", "result", "errors")),
        (plain, answer({"status": "failed"}, 500), False),
    ):
        yield from rules.try_worked("it", found, tried, unavailable=unavailable)


def fhir() -> Iterator[Judgement]:
    section = Fhir(
        service="api", resources={"Patient": ("read",), "Visit": ("read", "search-type")}
    )
    resource: dict[str, Any] = {"type": "Patient", "interaction": [{"code": "create"}]}
    stated: dict[str, Any] = {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-01-31",
        "kind": "instance",
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "rest": [{"mode": "server", "resource": [resource]}],
    }
    bodies: list[Any] = [stated, {**stated, "fhirVersion": "3.0.2"}, {"resourceType": "Bundle"}, []]
    for body in bodies:
        yield from rules.states_capabilities("FHIR /metadata", answer(body), section)
    for status in (401, 403, 200):
        yield from rules.refused("a record", answer({}, status))


def bodies() -> Iterator[Judgement]:
    answered: list[Any] = [{}, [], "healthy", b"", b"<html>", b'{"status": "healthy"']
    answered += [b'{"status": "healthy", "status": "healthy"}', b'{"status": "healthy", "x": NaN}']
    for body in answered:
        yield from health_rules.answers("api", answer(body), 200)
    for status in (404, 204, 302):
        yield from health_rules.answers("api", answer({}, status), 200)
    reported: list[Any] = [{"pay": {"status": "healthy"}}, {"pay": {"status": "down"}}]
    for services in (*reported, {"pay": {"status": True}}, {"pay": "healthy"}, ["pay"], {}, None):
        told = health_rules.services_of(ENDPOINT, {"services": services})
        yield health_rules.service_healthy(ENDPOINT, told, "pay")
        yield contains_all("services", told, ("pay", "mail"))
    good, bad = (
        Judgement(outcome, "equals", "api status", f"api status is {outcome.value}")
        for outcome in (Outcome.PASS, Outcome.FAIL)
    )
    for judged in ([[good]], [[good], [bad], [bad]], [[bad]], [[good], [good]]):
        yield from health_rules.together(judged)
    timed: list[list[Any]] = [[3] * 7, [3, 3, 3, 50, 60, 60, 60]]
    odd: list[Any] = ["3", None, -1, True, [3], {}, 10**400]
    timed += [[3, value] for value in odd]
    for values in timed:
        answers = [answer({"latency": value}) for value in values]
        yield health_rules.median_below("api", "latency", answers, 50)
    for found in (answer({}), answer([]), answer(b"x"), None):
        yield health_rules.median_below("api", "latency", [found], 50)

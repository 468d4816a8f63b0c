"""The doctor's own rules: what a body, a histogram, a token or a file lacks, and what fixes it."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import itertools
import json
import pathlib
import re
import socket
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

from gates.doctor.look import (
    diagnose,
    ends_at,
    examine_must_ask,
    examine_secrets,
    examine_sections,
    examine_traffic,
    subject_of,
)
from probes import grafana
from probes.http import HttpAnswer, HttpTarget
from probes.observation import Deadline
from probes.postgres import Right
from probes.prometheus import Series
from settings.objectives import Lease, Objective, Traffic
from settings.service import HealthEndpoint
from steps.data.doctor import revocations
from steps.flags.doctor import acl_lines
from steps.kit.findings import Level, Subject, System
from steps.monitoring import doctor as doctor_monitoring
from steps.objectives.doctor import bounds_remedy, judge_samples, live_bounds
from steps.service.doctor import examine_service, read_health
from tests.checkout import ROOT
from tests.environments.files import VALID, changed, loaded
from tests.gates.decide.values import a_latency_objective, a_quantile_objective, a_row
from tests.probes.servers import answer as served
from tests.probes.servers import serving
from tests.steps.moody import moody, saying
from tests.tables import cases

Said = Callable[..., None]

NOW = dt.datetime(2026, 1, 31, 23, tzinfo=dt.UTC)
NAMELESS = System(
    cast("Subject", SimpleNamespace(key=lambda *line: f"file: {': '.join(line)}")), "it"
)
"""A system of no platform, for what needs only the words for its findings."""
ENDPOINT = HealthEndpoint(
    path="/health/db", status_field="status", version_field="version", latency_field="latency_ms"
)
GOOD = {"status": "healthy", "version": "1.2.0", "latency_ms": 3.5}


def answer(
    status: int = 200, body: object = GOOD, content_type: str = "application/json"
) -> HttpAnswer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpAnswer(status, {}, raw, content_type, "HTTP/1.1")


HTML = answer(body=b"<html>", content_type="text/html")


def test_no_examination_is_left_out_of_the_doctor() -> None:
    """That of the calendars was: a login that they refuse came up two hours before the deployment."""
    files = [file for name in ("steps", "gates") for file in (ROOT / name).rglob("*.py")]
    product = "\n".join(file.read_text() for file in files)
    defined = set(re.findall(r"(?m)^def (examine_\w+)", product))
    used = set(re.findall(r"(?<!def )\b(examine_\w+)\b(?! import)", product))
    assert (defined - used, len(defined) > 1) == (set(), True)


OTHERWISE = {"state": "healthy", "version": "1", "latency_ms": 1}


@cases(
    "given",
    {
        "all there": answer(),
        "unwell, which the gate decides": answer(body={**GOOD, "status": "unhealthy"}),
        "a server error": answer(503),
        "no such path": answer(404),
        "elsewhere": answer(302),
        "a login wanted": answer(401),
        "HTML": HTML,
        "a JSON list": answer(body=[1]),
        "a field called otherwise": answer(body=OTHERWISE),
        "a latency that is text": answer(body={**GOOD, "latency_ms": "3 ms"}),
    },
)
def test_health_bodies(given: HttpAnswer, said: Said) -> None:
    found = read_health(NAMELESS, "services.api.health.database", ENDPOINT, given, ())
    said([one.record() for one in found])


def test_a_field_that_names_a_patient_is_not_shown() -> None:
    body = {**GOOD, "status": 1, "Müller, Anna; born 1961": 2}
    (found,) = read_health(NAMELESS, "key", ENDPOINT, answer(body=body), ())
    assert "Anna" not in found.sentence


def test_external_services_that_are_not_reported_are_named(said: Said) -> None:
    endpoint = HealthEndpoint(path="/health/external", services_field="services")
    body = {"services": {"stripe": {"status": "healthy"}}}
    found = read_health(NAMELESS, "key", endpoint, answer(body=body), ("aws", "stripe"))
    said([one.record() for one in found])


@cases(
    "events lease",
    {
        "exactly enough": (2995, None),
        "one too few": (2994, None),
        "enough with the lease": (0, 10),
        "too little with the lease": (0, 9),
    },
)
def test_samples(events: float, lease: float | None, said: Said) -> None:
    offered = Lease(command=("send",), requests_per_second=lease) if lease else None
    said(judge_samples(events, 300, 2995, offered))


def test_bounds_are_read_as_numbers_however_they_are_written() -> None:
    series = tuple(Series({"le": bound}, 1.0) for bound in ("+Inf", "1.0", "0.5", "5"))
    assert live_bounds(series) == [0.5, 1.0, 5.0]


COUNTED, BETWEEN = a_latency_objective(), a_quantile_objective()


@cases(
    "objective live",
    {
        "the thresholds are there": (COUNTED, [0.2, 0.5]),
        "the target lies between two bounds": (COUNTED, [0.1, 0.25, 0.5]),
        "under them all": (COUNTED, [0.25, 0.5]),
        "the limit is none": (COUNTED, [0.2, 1]),
        "no bounds": (COUNTED, []),
        "other two around it": (BETWEEN, [0.25, 0.5]),
        "it has become a bound": (BETWEEN, [0.1, 0.3, 0.5]),
        "none below it": (BETWEEN, [0.4, 0.5]),
    },
)
def test_bounds_that_are_not_declared_are_fixed_by_whom_it_costs_least(
    objective: Objective, live: list[float], said: Said
) -> None:
    said(bounds_remedy("took", objective, live, "policy/objectives.yaml"))


def token(**claims: object) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{body}.c2ln"


def test_the_end_of_a_secret() -> None:
    ends = [ends_at(token(**claims)) for claims in ({"exp": NOW.timestamp()}, {"sub": "gate"})]
    assert ends == [NOW, None]
    assert {ends_at(one) for one in (token(exp="soon"), "one.two.three", "p4ss.w0rd")} == {None}


def until(days: float) -> str:
    return token(exp=(NOW + dt.timedelta(days=days)).timestamp())


@pytest.mark.usefixtures("secrets")
@cases(
    "secret mode",
    {
        "present and private": ("sentinel", 0o600),
        "readable by everybody": ("sentinel", 0o644),
        "a token that ends far away": (until(30), 0o600),
        "a token that ends within a week": (until(7), 0o600),
        "a token that is over": (until(0), 0o600),
    },
)
def test_a_secret(tmp_path: pathlib.Path, secret: str, mode: int, said: Said) -> None:
    (tmp_path / "token").write_text(secret)
    (tmp_path / "token").chmod(mode)
    environment = loaded(tmp_path, changed("env:CLINIC_SYNTHETIC_TOKEN", "file:token"))
    findings = examine_secrets(subject_of(environment, None, ()), NOW)
    (found,) = (one for one in findings if one.sentence.startswith("synthetic.token"))
    said(found.record(), {str(tmp_path): "FOLDER"})
    assert secret not in repr(found)


def switched(minutes: int) -> dict[str, dt.datetime]:
    return {"switched_at": NOW + dt.timedelta(minutes=minutes)}


@cases(
    "traffic",
    {
        "not known yet": {},
        "a minute ago": switched(-1),
        "now": switched(0),
        "in a minute": switched(1),
        "a command": {**switched(0), "lease": Lease(command=("sh",), requests_per_second=5)},
        "no command": {**switched(0), "lease": Lease(command=("none",), requests_per_second=5)},
    },
)
def test_the_switch_and_the_command(traffic: dict[str, Any], said: Said) -> None:
    found = examine_traffic(Traffic(**traffic), "clinic.yaml", NOW)
    said([one.record() for one in found])


def test_sections_left_out_name_their_checks() -> None:
    sections = ("redis", "synthetic", "redis")
    rows = [a_row("IV-X-1")] + [
        dataclasses.replace(a_row(f"IV-X-{number}"), applies_if=f"environment:{section}")
        for number, section in enumerate(sections, start=2)
    ]
    (found,) = examine_sections(frozenset({"synthetic"}), rows, "clinic.yaml")
    assert found.sentence == "no section redis: IV-X-2, IV-X-4 do not apply"


def test_what_must_be_asked_and_is_not_is_bad_as_the_gate_holds() -> None:
    row = dataclasses.replace(a_row("IV-X-1"), applies_if="environment:redis", when="1h")
    asked = ("redis", "IV-X-1", "IV-Y-1")
    found = examine_must_ask(asked, frozenset(), [row])
    assert {one.level for one in found} == {Level.BAD}
    lacks = "and the environment has no section redis; add it"
    assert {one.sentence.partition(" names ")[2] for one in found} == {
        *(f"{name}, {lacks}" for name in asked[:2]),
        "IV-Y-1, and no row of the catalogue asks for it; add the row",
    }
    assert examine_must_ask(("redis",), frozenset({"redis"}), [row]) == []


def test_what_a_login_may_do_too_much_is_revoked(said: Said) -> None:
    """A borrowed right goes with its membership, names are quoted as SQL needs it, a long list ends."""
    borrowed = (
        Right("membership", "pg_write_all_data", "pg_write_all_data", "gate"),
        Right("table", "INSERT", "public.visits", "gate"),
        Right("table", "INSERT", "public.visits", "pg_write_all_data"),
    )
    quoted = (Right("role attribute", "CREATEDB", '"the Gate"', "the Gate"),)
    many = [Right("table", "INSERT", f"public.t{number}", "gate") for number in range(30)]
    said(
        [revocations("gate", borrowed), revocations("the Gate", quoted), revocations("gate", many)]
    )


def test_a_user_gets_what_its_redis_knows_and_its_database_needs(said: Said) -> None:
    asked: tuple[dict[str, Any], ...] = (
        {"version": "6.2.14", "flags": "flag:*"},
        {"version": "7.0.15", "flags": "flag:*"},
        {"version": "7.0.15", "flags": None},
        {"version": "7.0.15", "flags": None, "database": 3},
    )
    said([acl_lines("gate", new=True, **one) for one in asked])


@cases(
    "described pods",
    {
        "no name": ("", "abcdef"),
        "each is met": ("replica_header: X-Pod, ", "abcdef"),
        "sticky": ("replica_header: X-Pod, ", "a"),
        "more than described": ("replicas: 5, replica_header: X-Pod, ", "abcdef"),
    },
)
def test_replicas_that_the_gate_could_not_tell_apart_are_said(
    tmp_path: pathlib.Path, described: str, pods: str, said: Said
) -> None:
    turn = itertools.cycle(pods)

    def behave(connection: socket.socket, over: threading.Event) -> None:
        body = json.dumps({"status": "healthy"}).encode()
        served(body, headers={"X-Pod": next(turn)})(connection, over)

    with serving(behave) as server:
        text = (
            "schema: 1\nname: there\nowner: nobody\n"
            f"services: {{api: {{{described}health: {{liveness: {{path: /health}}}}}}}}\n"
            f'regions: {{eu: {{services: {{api: "{server.url}"}}, prometheus: "http://127.0.0.1:1"}}}}\n'
        )
        found = examine_service(subject_of(loaded(tmp_path, text), None, ()), "eu", "api")[-1]
    said(found.record(), {str(tmp_path): "FOLDER"})


def everything_at(port: int) -> str:
    """Return the valid file with every address at one local port."""
    data = yaml.safe_load(VALID)
    base = f"http://127.0.0.1:{port}"
    for name, region in data["regions"].items():
        region.update(services={"api": f"{base}/{name}"}, prometheus=f"{base}/prometheus")
    data["public"] = {"api": f"{base}/public"}
    data["vantage_controls"] = [f"{base}/outside"]
    data["postgres"] |= {"host": "127.0.0.1", "port": port, "sslmode": "disable"}
    data["redis"] |= {"host": "127.0.0.1", "port": port, "tls": False}
    return str(yaml.safe_dump(data))


@pytest.mark.usefixtures("secrets")
def test_servers_that_never_answer_keep_nobody_waiting(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every address is a listener that accepts and says nothing."""
    monkeypatch.setattr("gates.doctor.look.examine_scenarios", lambda *_: [])  # asks no server
    with socket.create_server(("127.0.0.1", 0), backlog=50) as silent:
        text = everything_at(silent.getsockname()[1])
        subject = subject_of(loaded(tmp_path, text), None, ())
        platform = dataclasses.replace(subject.platform, deadline=Deadline.after(1))
        began = time.monotonic()
        diagnosis = diagnose(dataclasses.replace(subject, platform=platform))
    assert time.monotonic() - began < 8
    assert diagnosis.exit_code == 20
    assert diagnosis.reached_nothing


@cases(
    "permissions",
    {
        "a viewer": {"dashboards:read": ["*"], "annotations:write": ["*"]},
        "an editor": {
            **{f"dashboards:{right}": ["*"] for right in ("read", "write")},
            "datasources:create": [""],
        },
        "one without any right": {},
        "an older Grafana": [],
    },
)
def test_what_a_token_may_do_in_grafana(permissions: object, said: Said) -> None:
    with moody(saying(permissions)) as server:
        rights = grafana.rights(HttpTarget(server.url), deadline=Deadline.after(10))
    found = doctor_monitoring._rights(NAMELESS, rights.value)
    said([found.level, found.sentence])

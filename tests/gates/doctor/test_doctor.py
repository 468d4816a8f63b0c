"""The doctor's own rules: what a body, a histogram, a token or a file lacks, and what fixes it."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import itertools
import json
import pathlib
import socket
import threading
import time
from types import SimpleNamespace
from typing import cast

import pytest
import yaml

from gates.decide.catalogue import Row
from gates.decide.outcome import Meaning
from gates.doctor.look import (
    diagnose,
    ends_at,
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
from steps.kit.findings import Finding, Level, Subject, System
from steps.monitoring import doctor as doctor_monitoring
from steps.objectives.doctor import bounds_remedy, judge_samples, live_bounds
from steps.service.doctor import examine_service, read_health
from tests.environments.files import SECRETS, VALID, changed, loaded
from tests.gates.decide.values import a_latency_objective, a_quantile_objective
from tests.probes.servers import answer as served
from tests.probes.servers import serving
from tests.steps.moody import moody, saying

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


@pytest.mark.parametrize(
    ("given", "level", "words", "key"),
    [
        pytest.param(
            answer(), Level.OK, "status healthy, version 1.2.0, latency_ms 3.5", "", id="all there"
        ),
        pytest.param(
            answer(body={**GOOD, "status": "unhealthy"}),
            Level.OK,
            "status unhealthy",
            "",
            id="unwell, which the gate decides",
        ),
        pytest.param(answer(503), Level.WARN, "it is unwell", "", id="a server error"),
        pytest.param(answer(404), Level.BAD, "answers 404, not 200", ".path", id="no such path"),
        pytest.param(answer(302), Level.BAD, "answers 302, not 200", ".path", id="elsewhere"),
        pytest.param(answer(401), Level.BAD, "it asks for a login", ".path", id="a login wanted"),
        pytest.param(
            answer(body=b"<html>", content_type="text/html"), Level.BAD, "", ".path", id="HTML"
        ),
        pytest.param(answer(body=[1]), Level.BAD, "no object", ".path", id="a JSON list"),
        pytest.param(
            answer(body={"state": "healthy", "version": "1", "latency_ms": 1}),
            Level.BAD,
            "no field status that is text; its fields: latency_ms, state, version",
            ".status_field",
            id="a field called otherwise",
        ),
        pytest.param(
            answer(body={**GOOD, "latency_ms": "3 ms"}),
            Level.BAD,
            "no field latency_ms that is a number",
            ".latency_field",
            id="a latency that is text",
        ),
    ],
)
def test_health_bodies(given: HttpAnswer, level: Level, words: str, key: str) -> None:
    (found,) = read_health(NAMELESS, "services.api.health.database", ENDPOINT, given, ())
    assert found.level is level
    assert words in found.sentence
    lines = [line.split(": ")[1] for line in found.remedy]
    assert lines == ([f"services.api.health.database{key}"] if key else [])


def test_a_field_that_names_a_patient_is_not_shown() -> None:
    body = {**GOOD, "status": 1, "Müller, Anna; born 1961": 2}
    (found,) = read_health(NAMELESS, "key", ENDPOINT, answer(body=body), ())
    assert "Anna" not in found.sentence


def test_external_services_that_are_not_reported_are_named() -> None:
    endpoint = HealthEndpoint(path="/health/external", services_field="services")
    body = {"services": {"stripe": {"status": "healthy"}}}
    (found,) = read_health(NAMELESS, "key", endpoint, answer(body=body), ("aws", "stripe"))
    assert (found.level, found.sentence) == (Level.BAD, "/health/external does not report aws")
    assert found.remedy == ("file: external.expected: the names that it reports",)


@pytest.mark.parametrize(
    ("events", "lease", "enough", "words"),
    [
        pytest.param(2995, None, True, "2,995 events in 300 s", id="exactly enough"),
        pytest.param(2994, None, False, "and nothing adds traffic", id="one too few"),
        pytest.param(0, 10, True, "the lease adds about 3,000", id="enough with the lease"),
        pytest.param(0, 9, False, "the lease adds about 2,700", id="too little with the lease"),
    ],
)
def test_samples(events: float, lease: float | None, *, enough: bool, words: str) -> None:
    offered = Lease(command=("send",), requests_per_second=lease) if lease else None
    found, sentence = judge_samples(events, 300, 2995, offered)
    assert found is enough
    assert words in sentence


def test_bounds_are_read_as_numbers_however_they_are_written() -> None:
    series = tuple(Series({"le": bound}, 1.0) for bound in ("+Inf", "1.0", "0.5", "5"))
    assert live_bounds(series) == [0.5, 1.0, 5.0]


HISTOGRAM = "give the platform's histogram took the bound"
POLICY = "policy/objectives.yaml: IV-PERF-1: bucket_bounds:"
COUNTED, BETWEEN = a_latency_objective(), a_quantile_objective()


@pytest.mark.parametrize(
    ("objective", "live", "remedy"),
    [
        pytest.param(COUNTED, [0.2, 0.5], (f"{POLICY} [0.2, 0.5]",), id="the thresholds are there"),
        pytest.param(
            COUNTED,
            [0.1, 0.25, 0.5],
            (
                f"{HISTOGRAM}s 0.2 (seconds)",
                (
                    f"or interpolate: {POLICY} [0.1, 0.25, 0.5], target: "
                    "{quantile: 0.95, target_seconds: 0.2}"
                ),
            ),
            id="the target lies between two bounds",
        ),
        pytest.param(COUNTED, [0.25, 0.5], (f"{HISTOGRAM}s 0.2 (seconds)",), id="under them all"),
        pytest.param(COUNTED, [0.2, 1], (f"{HISTOGRAM}s 0.5 (seconds)",), id="the limit is none"),
        pytest.param(COUNTED, [], (f"{HISTOGRAM}s 0.2, 0.5 (seconds)",), id="no bounds"),
        pytest.param(BETWEEN, [0.25, 0.5], (f"{POLICY} [0.25, 0.5]",), id="other two around it"),
        pytest.param(
            BETWEEN,
            [0.1, 0.3, 0.5],
            (f"{POLICY} [0.1, 0.3, 0.5], target: {{over_seconds: 0.3, budget: 5%}}",),
            id="it has become a bound",
        ),
        pytest.param(BETWEEN, [0.4, 0.5], (f"{HISTOGRAM} 0.3 (seconds)",), id="none below it"),
    ],
)
def test_bounds_that_are_not_declared_are_fixed_by_whom_it_costs_least(
    objective: Objective, live: list[float], remedy: tuple[str, ...]
) -> None:
    assert bounds_remedy("took", objective, live, "policy/objectives.yaml") == remedy


def token(**claims: object) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{body}.c2ln"


@pytest.mark.parametrize(
    ("secret", "ends"),
    [
        pytest.param(token(exp=NOW.timestamp()), NOW, id="a token with an end"),
        pytest.param(token(sub="gate"), None, id="a token without end"),
        pytest.param(token(exp="soon"), None, id="an end that is not a number"),
        pytest.param("one.two.three", None, id="three words"),
        pytest.param("p4ss.w0rd", None, id="a password"),
    ],
)
def test_the_end_of_a_secret(secret: str, ends: dt.datetime | None) -> None:
    assert ends_at(secret) == ends


class TestSecrets:
    def findings(self, folder: pathlib.Path, secret: str, mode: int = 0o600) -> list[Finding]:
        file = folder / "token"
        file.write_text(secret)
        file.chmod(mode)
        environment = loaded(folder, changed("env:CLINIC_SYNTHETIC_TOKEN", "file:token"))
        found = examine_secrets(subject_of(environment, None, ()), NOW)
        return [one for one in found if one.sentence.startswith("synthetic.token")]

    @pytest.fixture(autouse=True)
    def _secrets(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in SECRETS.items():
            monkeypatch.setenv(name, value)

    def test_present_and_private(self, tmp_path: pathlib.Path) -> None:
        (found,) = self.findings(tmp_path, "sentinel")
        assert (found.level, found.sentence) == (
            Level.OK,
            "synthetic.token: file:token is there",
        )

    def test_readable_by_everybody(self, tmp_path: pathlib.Path) -> None:
        (found,) = self.findings(tmp_path, "sentinel", 0o644)
        assert found.level is Level.WARN
        assert found.remedy[0] == f"chmod 600 {tmp_path / 'token'}"

    @pytest.mark.parametrize(
        ("days", "level", "words"),
        [
            pytest.param(30, Level.OK, "valid until 2026-03-02 23:00 UTC", id="far away"),
            pytest.param(7, Level.WARN, "ends 2026-02-07 23:00 UTC", id="within a week"),
            pytest.param(0, Level.BAD, "ended 2026-01-31 23:00 UTC", id="over"),
        ],
    )
    def test_the_end_of_a_token(
        self, days: int, level: Level, words: str, tmp_path: pathlib.Path
    ) -> None:
        secret = token(exp=(NOW + dt.timedelta(days=days)).timestamp())
        (found,) = self.findings(tmp_path, secret)
        assert found.level is level
        assert words in found.sentence
        assert secret not in repr(found)


class TestTraffic:
    @pytest.mark.parametrize(
        ("minutes", "level"),
        [(None, Level.WARN), (-1, Level.OK), (0, Level.OK), (1, Level.BAD)],
    )
    def test_the_switch(self, minutes: int | None, level: Level) -> None:
        at = None if minutes is None else NOW + dt.timedelta(minutes=minutes)
        (found,) = examine_traffic(Traffic(switched_at=at), "clinic.yaml", NOW)
        assert found.level is level

    @pytest.mark.parametrize(("command", "level"), [("sh", Level.OK), ("no-such", Level.BAD)])
    def test_the_command(self, command: str, level: Level) -> None:
        lease = Lease(command=(command,), requests_per_second=5)
        found = examine_traffic(Traffic(switched_at=NOW, lease=lease), "clinic.yaml", NOW)
        assert found[-1].level is level


def test_sections_left_out_name_their_checks() -> None:
    row = Row(
        id="IV-X-1",
        phase="post-deploy",
        when="15m",
        owner="qa",
        severity="critical",
        smoke=True,
        on_fail=Meaning.HOLD,
        applies_if="",
    )
    rows = [
        row,
        *(
            dataclasses.replace(row, id=name, applies_if=f"environment:{section}")
            for name, section in (("IV-X-2", "redis"), ("IV-X-3", "synthetic"), ("IV-X-4", "redis"))
        ),
    ]
    (found,) = examine_sections(frozenset({"synthetic"}), rows, "clinic.yaml")
    assert found.sentence == "no section redis: IV-X-2, IV-X-4 do not apply"


class TestRevocations:
    def test_a_borrowed_right_goes_with_its_membership(self) -> None:
        excess = (
            Right("membership", "pg_write_all_data", "pg_write_all_data", "gate"),
            Right("table", "INSERT", "public.visits", "gate"),
            Right("table", "INSERT", "public.visits", "pg_write_all_data"),
        )
        assert revocations("gate", excess) == ("REVOKE pg_write_all_data FROM gate;",)

    def test_names_are_quoted_as_sql_needs_it(self) -> None:
        excess = (Right("role attribute", "CREATEDB", '"the Gate"', "the Gate"),)
        assert revocations("the Gate", excess) == ('ALTER ROLE "the Gate" NOCREATEDB;',)

    def test_a_long_list_ends(self) -> None:
        excess = [Right("table", "INSERT", f"public.t{number}", "gate") for number in range(30)]
        found = revocations("gate", excess)
        assert len(found) == 21
        assert found[-1] == "-- and 10 more; look again afterwards"


def test_a_user_gets_what_its_redis_knows_and_its_database_needs() -> None:
    old, _ = acl_lines("gate", "6.2.14", new=True, flags="flag:*")
    new, _ = acl_lines("gate", "7.0.15", new=True, flags="flag:*")
    none, _ = acl_lines("gate", "7.0.15", new=True, flags=None)
    assert " ~flag:* " in old
    assert "dryrun" not in old
    assert " %R~flag:* " in new
    assert "+get" in new
    other, _ = acl_lines("gate", "7.0.15", new=True, flags=None, database=3)
    assert "~" not in none
    assert "+select" not in none
    assert " +select" in other
    assert "+get" not in none


@pytest.mark.parametrize(
    ("described", "pods", "level", "says"),
    [
        ("", "abcdef", Level.BAD, "nothing in the answers of /health says which of 6 replicas"),
        ("replica_header: X-Pod, ", "abcdef", Level.OK, "came from 6 replicas"),
        ("replica_header: X-Pod, ", "a", Level.BAD, "came from 1 replicas, wanted 6: the balancer"),
        ("replicas: 5, replica_header: X-Pod, ", "abcdef", Level.BAD, "more replicas serve than"),
    ],
    ids=["no name", "each is met", "sticky", "more than described"],
)
def test_replicas_that_the_gate_could_not_tell_apart_are_said(
    tmp_path: pathlib.Path, described: str, pods: str, level: Level, says: str
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
    assert found.level is level
    assert says in found.sentence
    assert ("services.api.replica_header" in str(found.remedy)) == (level is Level.BAD)


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


def test_servers_that_never_answer_keep_nobody_waiting(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every address is a listener that accepts and says nothing."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("gates.doctor.look.examine_scenarios", lambda *_: [])  # asks no server
    with socket.create_server(("127.0.0.1", 0), backlog=50) as silent:
        text = everything_at(silent.getsockname()[1])
        subject = subject_of(loaded(tmp_path, text), None, ())
        platform = dataclasses.replace(subject.platform, deadline=Deadline.after(1))
        began = time.monotonic()
        diagnosis = diagnose(dataclasses.replace(subject, platform=platform))
    assert time.monotonic() - began < 4
    assert diagnosis.exit_code == 20
    assert diagnosis.reached_nothing


@pytest.mark.parametrize(
    ("permissions", "level", "sentence"),
    [
        (
            {"dashboards:read": ["*"], "annotations:write": ["*"]},
            Level.OK,
            "the token can only read",
        ),
        (
            {"dashboards:read": ["*"], "dashboards:write": ["*"], "datasources:create": [""]},
            Level.WARN,
            "the token may do more than read: dashboards:write, datasources:create",
        ),
        ({}, Level.WARN, "it is not proved that the token can only read"),
        ([], Level.WARN, "it is not proved that the token can only read"),
    ],
    ids=["a viewer", "an editor", "one without any right", "an older Grafana"],
)
def test_what_a_token_may_do_in_grafana(permissions: object, level: Level, sentence: str) -> None:
    with moody(saying(permissions)) as server:
        rights = grafana.rights(HttpTarget(server.url), deadline=Deadline.after(10))
    found = doctor_monitoring._rights(NAMELESS, rights.value)
    assert (found.level, found.sentence) == (level, sentence)

"""The user journey: what a broken step means, for itself and for those behind it; what is left behind."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import pathlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
import trustme

from gates.decide.outcome import Outcome
from smoke.journey import STEPS
from smoke.synthetic import NAME, Journal
from steps.kit.leases import writer_lease
from steps.service import journeys as module
from tests.probes import real_servers
from tests.probes.real_servers import PASSWORD, Database
from tests.probes.servers import closed_port
from tests.steps.json_server import Answer
from tests.steps.patient_server import APPOINTMENT, PatientServer
from tests.steps.platforms import a_policy
from tests.steps.service.conftest import AWalk
from tests.tables import cases

AWAY = (503, {"error": "down"})
REGISTER, LOGIN = "POST /v1/auth/register", "POST /v1/auth/login"
BOOK, PAYMENT, CALL = "POST /v1/appointments", "POST /v1/payments", "POST /v1/video/calls"
READ_BACK = f"GET /v1/appointments/{APPOINTMENT}"
OLD = (dt.datetime.now(dt.UTC) - dt.timedelta(hours=2)).isoformat()
GOOD, UNPAID = ["PASS"] * 5, ["PASS", "PASS", "PASS", "FAIL", "INCONCLUSIVE"]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    authority = tmp_path_factory.mktemp("authority") / "ca.pem"
    trustme.CA().cert_pem.write_to_path(authority)
    with real_servers.postgres_server(str(authority)) as running:
        yield running


def its_postgres(folder: pathlib.Path, port: int) -> dict[str, Any]:
    (folder / "password").write_text(PASSWORD)
    return {
        "host": "127.0.0.1",
        "port": port,
        "database": "clinic",
        "user": "reader",
        "password": "file:password",
        "sslmode": "disable",
        "created_record": {"table": "visits", "id_column": "id"},
    }


def test_a_good_journey_passes_every_step_is_walked_once_and_journalled(
    server: PatientServer, a_walk: AWalk
) -> None:
    walk = a_walk()
    assert walk.outcomes() == GOOD
    assert server.asked.count(LOGIN) == 1
    assert server.records == {}
    assert walk.problems == []
    text = (walk.run.run_dir / NAME).read_text()
    entries = [json.loads(line) for line in text.splitlines() if line]
    assert [next(iter(entry)) for entry in entries] == ["intend", "removed"]
    assert entries[0]["intend"] == "release-gate-20260131T220000Z-test-abc123-eu"
    assert "sentinel" not in text


@pytest.mark.parametrize(
    ("asked", "answer", "broken"),
    [
        (REGISTER, (200, {}), "registration"),
        (LOGIN, (401, {}), "login"),
        (LOGIN, (200, {}), "login"),
        (LOGIN, (200, {"token": ""}), "login"),
        (LOGIN, (200, {"token": 7}), "login"),
        (LOGIN, (200, ["token"]), "login"),
        (BOOK, (201, {"status": "scheduled"}), "booking"),
        (BOOK, (201, {"id": "x", "status": "Maria Muster"}), "booking"),
        (READ_BACK, (404, {}), "booking"),
        (READ_BACK, (200, {"id": "another"}), "booking"),
        (PAYMENT, (201, {"status": "declined"}), "payment"),
        (PAYMENT, (402, {}), "payment"),
        (PAYMENT, AWAY, "payment"),
        (CALL, (201, {"status": "initialised"}), "video call"),
    ],
    ids=str,
)
def test_a_wrong_step_fails_once_confirmed_and_those_behind_it_are_blocked(
    server: PatientServer, a_walk: AWalk, asked: str, answer: Answer, broken: str
) -> None:
    server.always = {asked: answer}
    walk, place = a_walk(), STEPS.index(broken)
    expected = ["PASS"] * place + ["FAIL"] + ["INCONCLUSIVE"] * (len(STEPS) - place - 1)
    assert walk.outcomes() == expected
    for name in STEPS[place + 1 :]:
        assert walk.judged(name)[0].data == {"blocked_by": broken}
    found = " ".join(one.sentence for one in walk.judged(broken))
    assert re.search(r",? for \d+\.\d s \(asked (once|\d+ times)\)", found)
    assert "Muster" not in found
    assert server.records == {}


@cases(
    "always policy outcomes said",
    {
        "and all is well": (
            {},
            a_policy(confirm="5s"),
            ["PASS", "INCONCLUSIVE", "PASS", "PASS", "PASS"],
            ("login", "s after the first ask it answered again"),
        ),
        "and another is away": (
            {PAYMENT: AWAY},
            a_policy(),
            UNPAID,
            ("video call", "by the broken step “payment”"),
        ),
        "and another is wrong": (
            {PAYMENT: (402, {})},
            a_policy(confirm="5s", on_recovery="pass"),
            UNPAID,
            ("video call", "by the broken step “payment”"),
        ),
    },
)
def test_a_step_that_came_back_counts_as_the_policy_says_and_hides_no_other(
    server: PatientServer,
    a_walk: AWalk,
    always: dict[str, Answer],
    policy: Any,
    outcomes: list[str],
    said: tuple[str, str],
) -> None:
    server.once, server.always = {LOGIN: [AWAY]}, always
    walk = a_walk(policy=policy)
    assert walk.outcomes() == outcomes
    assert said[1] in walk.judged(said[0])[0].sentence


@pytest.mark.parametrize(
    ("asked", "answer"), [(LOGIN, (401, {})), (LOGIN, (200, {})), (PAYMENT, (402, {}))], ids=str
)
@pytest.mark.parametrize(("on_recovery", "outcome"), [("hold", "INCONCLUSIVE"), ("pass", "PASS")])
def test_one_wrong_answer_is_shown_and_the_policy_says_what_it_means(
    server: PatientServer, a_walk: AWalk, asked: str, answer: Answer, on_recovery: str, outcome: str
) -> None:
    server.once = {asked: [answer]}
    walk = a_walk(policy=a_policy(confirm="20s", on_recovery=on_recovery))
    broken = "login" if asked == LOGIN else "payment"
    assert walk.outcomes() == [outcome if name == broken else "PASS" for name in STEPS]
    assert "it answered again" in walk.judged(broken)[0].sentence
    assert server.records == {}


def test_a_wrong_step_is_walked_again_before_it_fails(server: PatientServer, a_walk: AWalk) -> None:
    server.always = {PAYMENT: (402, {})}
    assert a_walk(policy=a_policy(confirm="2s")).outcomes() == UNPAID
    assert server.asked.count(PAYMENT) > 1


@pytest.mark.parametrize(
    ("asked", "status", "broken"),
    [
        (REGISTER, 429, "registration"),
        (REGISTER, 403, "registration"),
        (LOGIN, 429, "login"),
        (PAYMENT, 429, "payment"),
    ],
)
def test_a_refused_or_throttled_gate_says_nothing_of_patients(
    server: PatientServer, a_walk: AWalk, asked: str, status: int, broken: str
) -> None:
    server.always = {asked: (status, {})}
    assert a_walk().outcomes()[STEPS.index(broken)] == "ERROR"
    assert server.asked.count(asked) == 1


def test_records_that_can_not_be_removed_are_a_problem_of_the_run(
    server: PatientServer, a_walk: AWalk
) -> None:
    server.removal_works = False
    walk = a_walk()
    walk.outcomes()
    (problem,) = walk.problems
    assert problem.startswith("synthetic records were left in eu: 1 synthetic records")
    assert '"removed"' not in (walk.run.run_dir / NAME).read_text()


def test_what_an_earlier_run_left_is_removed_and_noted(
    tmp_path: pathlib.Path, server: PatientServer, a_walk: AWalk
) -> None:
    walk = a_walk()
    earlier = tmp_path / "out" / "run-1"
    earlier.mkdir()
    Journal(earlier / NAME, "clinic").intend("eu", "release-gate-run-1-eu")
    young = {"release-gate-young-eu": dt.datetime.now(dt.UTC).isoformat()}
    ours = ("release-gate-run-1-eu", "release-gate-elsewhere-eu")
    server.records = {**dict.fromkeys((*ours, "somebody-elses"), OLD), **young}
    walk.outcomes()
    assert set(server.records) == {"somebody-elses", "release-gate-young-eu"}
    assert '"removed": "release-gate-run-1-eu"' in (earlier / NAME).read_text()


def test_a_damaged_journal_of_an_earlier_run_stops_nobody(
    tmp_path: pathlib.Path, a_walk: AWalk
) -> None:
    walk = a_walk()
    earlier = tmp_path / "out" / "run-1"
    earlier.mkdir()
    (earlier / NAME).write_bytes(b'\xff\xfe\n{"environment": "clinic"}\n[]\n{"intend": "x')
    assert walk.outcomes() == GOOD
    assert walk.problems == []


def test_a_lease_held_elsewhere_is_an_error_that_names_the_holder(
    server: PatientServer, a_walk: AWalk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEASE_WAIT_SECONDS", 0.05)
    walk = a_walk()
    with writer_lease(server.url, "run-of-somebody", 1):
        assert walk.outcomes() == ["ERROR"] * len(STEPS)
    assert "run run-of-somebody" in walk.judged("login")[0].sentence
    assert server.asked == []


def test_a_booking_that_arrives_in_the_database_passes(
    tmp_path: pathlib.Path, a_walk: AWalk, database: Database
) -> None:
    row = a_walk(postgres=its_postgres(tmp_path, database.port)).judged("booking")[-1]
    assert (row.rule, row.outcome) == ("row exists", Outcome.PASS)


def test_a_booking_that_is_answered_and_never_written_fails(
    tmp_path: pathlib.Path, server: PatientServer, a_walk: AWalk, database: Database
) -> None:
    ghost = APPOINTMENT.replace("1", "2")
    server.always = {
        BOOK: (201, {"id": ghost, "status": "scheduled"}),
        f"GET /v1/appointments/{ghost}": (200, {"id": ghost}),
    }
    row = a_walk(postgres=its_postgres(tmp_path, database.port)).judged("booking")[-1]
    assert row.outcome is Outcome.FAIL
    assert row.sentence.startswith("the booking in the database is not there, for ")


def test_a_database_that_the_gate_can_not_read_is_an_error_and_no_fail(
    tmp_path: pathlib.Path, a_walk: AWalk
) -> None:
    walk = a_walk(postgres=its_postgres(tmp_path, closed_port()))
    assert walk.judged("booking")[-1].outcome is Outcome.ERROR


def test_records_are_removed_when_the_walk_itself_breaks(
    server: PatientServer, a_walk: AWalk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module.Journeys, "_row_of", interrupted)
    with contextlib.suppress(KeyboardInterrupt):
        a_walk().judged("login")
    assert LOGIN in server.asked
    assert server.records == {}

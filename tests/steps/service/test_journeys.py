"""The user journey: what a broken step means, for itself and for those behind it; what is left behind."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trustme

from smoke.journey import STEPS
from smoke.synthetic import NAME, Journal
from steps.kit import records as kept
from steps.kit.leases import writer_lease
from steps.service import journeys as module
from tests.golden import Said
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
OfBooking = Callable[[int, str], list[str]]
GOOD, UNPAID = ["PASS"] * 5, ["PASS", "PASS", "PASS", "FAIL", "INCONCLUSIVE"]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    authority = tmp_path_factory.mktemp("authority") / "ca.pem"
    trustme.CA().cert_pem.write_to_path(authority)
    with real_servers.postgres_server(str(authority)) as running:
        yield running


@pytest.fixture
def of_booking(tmp_path: pathlib.Path, server: PatientServer, a_walk: AWalk) -> OfBooking:
    """Return what tells what is said of a booking of this id, with a database on a port."""

    def told(port: int, booked: str) -> list[str]:
        server.always = {
            BOOK: (201, {"id": booked, "status": "scheduled"}),
            f"GET /v1/appointments/{booked}": (200, {"id": booked}),
        }
        return a_walk(postgres=its_postgres(tmp_path, port)).told()["booking"]

    return told


@pytest.fixture
def earlier(tmp_path: pathlib.Path) -> pathlib.Path:
    """Return the folder of an earlier run."""
    folder = tmp_path / "out" / "run-1"
    folder.mkdir(parents=True)
    return folder


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


HOLDS, PASSES = {"confirm": "20s"}, {"confirm": "20s", "on_recovery": "pass"}
REFUSED: Answer = (401, {})
NO_TOKEN: Answer = (200, {})
NOT_PAID: Answer = (402, {})


@cases(
    "always once policy",
    {
        "registration answers 200": ({REGISTER: (200, {})}, {}, {}),
        "login is refused": ({LOGIN: REFUSED}, {}, {}),
        "login gives no token": ({LOGIN: NO_TOKEN}, {}, {}),
        "login gives an empty token": ({LOGIN: (200, {"token": ""})}, {}, {}),
        "login gives a number": ({LOGIN: (200, {"token": 7})}, {}, {}),
        "login answers a list": ({LOGIN: (200, ["token"])}, {}, {}),
        "booking has no id": ({BOOK: (201, {"status": "scheduled"})}, {}, {}),
        "booking has a name as status": ({BOOK: (201, {"id": "x", "status": "Jo Muster"})}, {}, {}),
        "booking is not there": ({READ_BACK: (404, {})}, {}, {}),
        "booking is another one": ({READ_BACK: (200, {"id": "another"})}, {}, {}),
        "payment is declined": ({PAYMENT: (201, {"status": "declined"})}, {}, {}),
        "payment is refused": ({PAYMENT: NOT_PAID}, {}, {}),
        "payment is unavailable": ({PAYMENT: AWAY}, {}, {}),
        "the call has no address": ({CALL: (201, {"status": "initialised"})}, {}, {}),
        "login came back": ({}, {LOGIN: AWAY}, {"confirm": "5s"}),
        "login came back, another is away": ({PAYMENT: AWAY}, {LOGIN: AWAY}, {}),
        "login came back, another is wrong": (
            {PAYMENT: NOT_PAID},
            {LOGIN: AWAY},
            {"confirm": "5s", "on_recovery": "pass"},
        ),
        "login was refused once": ({}, {LOGIN: REFUSED}, HOLDS),
        "login was refused once, which passes": ({}, {LOGIN: REFUSED}, PASSES),
        "login gave no token once": ({}, {LOGIN: NO_TOKEN}, HOLDS),
        "login gave no token once, which passes": ({}, {LOGIN: NO_TOKEN}, PASSES),
        "payment was refused once": ({}, {PAYMENT: NOT_PAID}, HOLDS),
        "payment was refused once, which passes": ({}, {PAYMENT: NOT_PAID}, PASSES),
    },
)
def test_a_wrong_step_fails_once_confirmed_and_those_behind_it_are_blocked(
    server: PatientServer,
    a_walk: AWalk,
    always: dict[str, Answer],
    once: dict[str, Answer],
    policy: dict[str, str],
    said: Said,
) -> None:
    server.always, server.once = always, {asked: [answer] for asked, answer in once.items()}
    found = a_walk(policy=a_policy(**policy)).told()
    said(found)
    assert "Muster" not in str(found)
    assert server.records == {}


def test_a_wrong_step_is_walked_again_before_it_fails(server: PatientServer, a_walk: AWalk) -> None:
    server.always = {PAYMENT: NOT_PAID}
    assert a_walk(policy=a_policy(confirm="2s")).outcomes() == UNPAID
    assert server.asked.count(PAYMENT) > 1


@pytest.mark.parametrize(
    ("asked", "status"), [(REGISTER, 429), (REGISTER, 403), (LOGIN, 429), (PAYMENT, 429)]
)
def test_a_refused_or_throttled_gate_says_nothing_of_patients(
    server: PatientServer, a_walk: AWalk, asked: str, status: int, said: Said
) -> None:
    server.always = {asked: (status, {})}
    said(a_walk().told())
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
    earlier: pathlib.Path, server: PatientServer, a_walk: AWalk
) -> None:
    Journal(earlier / NAME, "clinic").intend("eu", "release-gate-run-1-eu")
    young = {"release-gate-young-eu": dt.datetime.now(dt.UTC).isoformat()}
    ours = ("release-gate-run-1-eu", "release-gate-elsewhere-eu")
    server.records = {**dict.fromkeys((*ours, "somebody-elses"), OLD), **young}
    a_walk().outcomes()
    assert set(server.records) == {"somebody-elses", "release-gate-young-eu"}
    assert '"removed": "release-gate-run-1-eu"' in (earlier / NAME).read_text()


def test_a_damaged_journal_of_an_earlier_run_stops_nobody(
    earlier: pathlib.Path, a_walk: AWalk
) -> None:
    (earlier / NAME).write_bytes(b'\xff\xfe\n{"environment": "clinic"}\n[]\n{"intend": "x')
    walk = a_walk()
    assert walk.outcomes() == GOOD
    assert walk.problems == []


def test_a_lease_held_elsewhere_is_an_error_that_names_the_holder(
    server: PatientServer, a_walk: AWalk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "LEASE_WAIT_SECONDS", 0.05)
    walk = a_walk()
    with writer_lease(server.url, "run-of-somebody", 1):
        assert walk.outcomes() == ["ERROR"] * len(STEPS)
    assert "run run-of-somebody" in walk.judged("login")[0].sentence
    assert server.asked == []


@cases(
    "booked away",
    {
        "it arrives": (APPOINTMENT, False),
        "it is answered and never written": (APPOINTMENT.replace("1", "2"), False),
        "the database can't be read": (APPOINTMENT, True),
    },
)
def test_a_booking_is_looked_for_in_the_database(
    of_booking: OfBooking, database: Database, booked: str, *, away: bool, said: Said
) -> None:
    said(of_booking(closed_port() if away else database.port, booked))


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

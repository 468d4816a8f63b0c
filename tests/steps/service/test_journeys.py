from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
import pathlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
import trustme

from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from smoke.journal import NAME, Journal
from smoke.journey import STEPS
from steps.kit.availability import Availability
from steps.kit.check import Check
from steps.kit.writer_lease import writer_lease
from steps.service import journeys as module
from steps.service.journeys import Journeys
from tests.probes import real_servers
from tests.probes.real_servers import PASSWORD, Database
from tests.probes.servers import closed_port
from tests.steps.patient_server import APPOINTMENT, PatientServer, patient_server
from tests.steps.platforms import a_platform, a_policy

SYNTHETIC = {
    "service": "api",
    "email_domain": "synthetic.example",
    "token": "file:token",
    "provider_id": "synthetic-provider",
}
AWAY = (503, {"error": "down"})
LOGIN, PAYMENT = "POST /v1/auth/login", "POST /v1/payments"
OLD = (dt.datetime.now(dt.UTC) - dt.timedelta(hours=2)).isoformat()


@dataclasses.dataclass
class Walk:
    """One region's platform, and everything its journeys said."""

    server: PatientServer
    run_dir: pathlib.Path
    journeys: Journeys
    problems: list[str]

    def judged(self, name: str) -> tuple[Judgement, ...]:
        check = Check("IV-FLOW-1", ("eu",))
        self.journeys.judge(check, name)
        judgements = check.noted()["eu"].judgements
        json.dumps([one.record() for one in judgements], allow_nan=False)
        return judgements

    def outcomes(self) -> dict[str, str]:
        """Return the worst outcome of every step, in the journey's order."""
        found = {}
        for name in STEPS:
            check = Check("IV-FLOW-1", ("eu",))
            self.journeys.judge(check, name)
            found[name] = str(check.outcome("eu"))
        return found


def a_walk(folder: pathlib.Path, server: PatientServer, **sections: Any) -> Walk:
    (folder / "token").write_text("sentinel-admin")
    run_dir = folder / "out" / "run-2"
    run_dir.mkdir(parents=True)
    policy = sections.pop("policy", None) or a_policy()
    platform = a_platform(
        folder, {"eu": server.url}, policy=policy, synthetic=SYNTHETIC, **sections
    )
    problems: list[str] = []
    return Walk(
        server,
        run_dir,
        Journeys(platform, Availability(platform), run_dir, problems.append),
        problems,
    )


@pytest.fixture
def server() -> Iterator[PatientServer]:
    with patient_server() as serving:
        yield serving


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


def test_a_good_journey_passes_every_step_and_is_walked_once(
    tmp_path: pathlib.Path, server: PatientServer
) -> None:
    walk = a_walk(tmp_path, server)
    assert walk.outcomes() == dict.fromkeys(STEPS, "PASS")
    assert server.asked.count(LOGIN) == 1
    assert server.records == {}
    assert walk.problems == []


def test_what_was_created_was_journalled_before_and_is_noted_as_removed(
    tmp_path: pathlib.Path, server: PatientServer
) -> None:
    walk = a_walk(tmp_path, server)
    walk.outcomes()
    text = (walk.run_dir / NAME).read_text()
    entries = [json.loads(line) for line in text.splitlines() if line]
    assert [next(iter(entry)) for entry in entries] == ["intend", "removed"]
    assert entries[0]["intend"] == "release-gate-20260131T220000Z-test-abc123-eu"
    assert "sentinel" not in text


@pytest.mark.parametrize(
    ("fault", "broken"),
    [
        ({"POST /v1/auth/register": (200, {})}, "registration"),
        ({LOGIN: (401, {})}, "login"),
        ({LOGIN: (200, {})}, "login"),
        ({LOGIN: (200, {"token": ""})}, "login"),
        ({LOGIN: (200, {"token": 7})}, "login"),
        ({LOGIN: (200, ["token"])}, "login"),
        ({"POST /v1/appointments": (201, {"status": "scheduled"})}, "booking"),
        ({"POST /v1/appointments": (201, {"id": "x", "status": "Maria Muster"})}, "booking"),
        ({f"GET /v1/appointments/{APPOINTMENT}": (404, {})}, "booking"),
        ({f"GET /v1/appointments/{APPOINTMENT}": (200, {"id": "another"})}, "booking"),
        ({PAYMENT: (201, {"status": "declined"})}, "payment"),
        ({PAYMENT: (402, {})}, "payment"),
        ({"POST /v1/video/calls": (201, {"status": "initialised"})}, "video call"),
    ],
    ids=str,
)
def test_a_wrong_step_fails_and_those_behind_it_are_blocked(
    tmp_path: pathlib.Path, server: PatientServer, fault: dict[str, Any], broken: str
) -> None:
    server.always = fault
    walk = a_walk(tmp_path, server)
    place = STEPS.index(broken)
    expected = ["PASS"] * place + ["FAIL"] + ["INCONCLUSIVE"] * (len(STEPS) - place - 1)
    assert list(walk.outcomes().values()) == expected
    for name in STEPS[place + 1 :]:
        assert walk.judged(name)[0].data == {"blocked_by": broken}
    assert "Muster" not in str(walk.judged(broken))
    assert server.records == {}


def test_a_step_whose_server_is_away_fails_once_confirmed(
    tmp_path: pathlib.Path, server: PatientServer
) -> None:
    server.always = {PAYMENT: AWAY}
    walk = a_walk(tmp_path, server)
    assert list(walk.outcomes().values()) == ["PASS", "PASS", "PASS", "FAIL", "INCONCLUSIVE"]
    assert "status 503 for 0." in walk.judged("payment")[0].sentence
    assert server.asked.count(PAYMENT) > 1
    assert server.records == {}


def test_a_step_that_came_back_holds_and_the_others_are_judged_by_the_walk_that_got_through(
    tmp_path: pathlib.Path, server: PatientServer
) -> None:
    server.once = {LOGIN: [AWAY]}
    walk = a_walk(tmp_path, server, policy=a_policy(confirm="5s"))
    assert list(walk.outcomes().values()) == ["PASS", "INCONCLUSIVE", "PASS", "PASS", "PASS"]
    assert "s after the first ask it answered again" in walk.judged("login")[0].sentence


def test_the_step_that_is_still_away_fails_and_not_the_one_that_was_away_before(
    tmp_path: pathlib.Path, server: PatientServer
) -> None:
    server.once = {LOGIN: [AWAY]}
    server.always = {PAYMENT: AWAY}
    walk = a_walk(tmp_path, server)
    assert walk.outcomes() == {
        "registration": "PASS",
        "login": "PASS",
        "booking": "PASS",
        "payment": "FAIL",
        "video call": "INCONCLUSIVE",
    }
    assert walk.judged("video call")[0].data == {"blocked_by": "payment"}


def test_a_step_that_is_wrong_after_another_came_back_blocks_those_behind_it(
    tmp_path: pathlib.Path, server: PatientServer
) -> None:
    server.once = {LOGIN: [AWAY]}
    server.always = {PAYMENT: (402, {})}
    walk = a_walk(tmp_path, server, policy=a_policy(confirm="5s", on_recovery="pass"))
    assert list(walk.outcomes().values()) == ["PASS", "PASS", "PASS", "FAIL", "INCONCLUSIVE"]
    assert walk.judged("video call")[0].data == {"blocked_by": "payment"}


@pytest.mark.parametrize(
    "once", [{LOGIN: [(401, {})]}, {LOGIN: [(200, {})]}, {PAYMENT: [(402, {})]}], ids=str
)
@pytest.mark.parametrize(("on_recovery", "outcome"), [("hold", "INCONCLUSIVE"), ("pass", "PASS")])
def test_one_wrong_answer_is_shown_and_the_policy_says_what_it_means(
    tmp_path: pathlib.Path,
    server: PatientServer,
    once: dict[str, Any],
    on_recovery: str,
    outcome: str,
) -> None:
    server.once = {asked: list(answers) for asked, answers in once.items()}
    policy = a_policy(confirm="20s", on_recovery=on_recovery)
    walk = a_walk(tmp_path, server, policy=policy)
    broken = "login" if LOGIN in once else "payment"
    assert walk.outcomes() == {**dict.fromkeys(STEPS, "PASS"), broken: outcome}
    assert "it answered again" in walk.judged(broken)[0].sentence
    assert server.records == {}


def test_a_wrong_step_is_walked_again_before_it_fails(
    tmp_path: pathlib.Path, server: PatientServer
) -> None:
    server.always = {PAYMENT: (402, {})}
    walk = a_walk(tmp_path, server)
    (judgement,) = walk.judged("payment")
    assert re.search(
        r"payment status is 402, wanted 201, for 0\.\d s \(asked \d+ times\)", judgement.sentence
    )
    assert server.asked.count(PAYMENT) > 1


@pytest.mark.parametrize(
    ("fault", "broken"),
    [
        ({"POST /v1/auth/register": (429, {})}, "registration"),
        ({"POST /v1/auth/register": (403, {})}, "registration"),
        ({LOGIN: (429, {})}, "login"),
        ({PAYMENT: (429, {})}, "payment"),
    ],
    ids=str,
)
def test_a_refused_or_throttled_gate_says_nothing_of_patients(
    tmp_path: pathlib.Path, server: PatientServer, fault: dict[str, Any], broken: str
) -> None:
    server.always = fault
    walk = a_walk(tmp_path, server)
    assert walk.outcomes()[broken] == "ERROR"
    assert server.asked.count(next(iter(fault))) == 1


def test_records_that_can_not_be_removed_are_a_problem_of_the_run(
    tmp_path: pathlib.Path, server: PatientServer
) -> None:
    server.removal_works = False
    walk = a_walk(tmp_path, server)
    walk.outcomes()
    assert len(walk.problems) == 1
    assert walk.problems[0].startswith("synthetic records were left in eu: 1 synthetic records")
    assert '"removed"' not in (walk.run_dir / NAME).read_text()


def test_what_an_earlier_run_left_is_removed_and_noted(
    tmp_path: pathlib.Path, server: PatientServer
) -> None:
    walk = a_walk(tmp_path, server)
    earlier = tmp_path / "out" / "run-1"
    earlier.mkdir()
    Journal(earlier / NAME, "clinic").intend("eu", "release-gate-run-1-eu")
    server.records = {
        "release-gate-run-1-eu": OLD,
        "release-gate-elsewhere-eu": OLD,
        "somebody-elses": OLD,
        "release-gate-young-eu": dt.datetime.now(dt.UTC).isoformat(),
    }
    walk.outcomes()
    assert set(server.records) == {"somebody-elses", "release-gate-young-eu"}
    assert '"removed": "release-gate-run-1-eu"' in (earlier / NAME).read_text()


def test_a_damaged_journal_of_an_earlier_run_stops_nobody(
    tmp_path: pathlib.Path, server: PatientServer
) -> None:
    walk = a_walk(tmp_path, server)
    earlier = tmp_path / "out" / "run-1"
    earlier.mkdir()
    (earlier / NAME).write_bytes(b'\xff\xfe\n{"environment": "clinic"}\n[]\n{"intend": "x')
    assert walk.outcomes() == dict.fromkeys(STEPS, "PASS")
    assert walk.problems == []


def test_a_lease_held_elsewhere_is_an_error_that_names_the_holder(
    tmp_path: pathlib.Path, server: PatientServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEASE_WAIT_SECONDS", 0.05)
    walk = a_walk(tmp_path, server)
    with writer_lease(server.url, "run-of-somebody", 1):
        outcomes = walk.outcomes()
    assert outcomes == dict.fromkeys(STEPS, "ERROR")
    assert "run run-of-somebody" in walk.judged("login")[0].sentence
    assert server.asked == []


def test_a_booking_that_arrives_in_the_database_passes(
    tmp_path: pathlib.Path, server: PatientServer, database: Database
) -> None:
    walk = a_walk(tmp_path, server, postgres=its_postgres(tmp_path, database.port))
    assert [one.rule for one in walk.judged("booking")][-1] == "row exists"
    assert walk.outcomes()["booking"] == "PASS"


def test_a_booking_that_is_answered_and_never_written_fails(
    tmp_path: pathlib.Path, server: PatientServer, database: Database
) -> None:
    ghost = APPOINTMENT.replace("1", "2")
    server.always = {
        "POST /v1/appointments": (201, {"id": ghost, "status": "scheduled"}),
        f"GET /v1/appointments/{ghost}": (200, {"id": ghost}),
    }
    walk = a_walk(tmp_path, server, postgres=its_postgres(tmp_path, database.port))
    row = walk.judged("booking")[-1]
    assert row.outcome is Outcome.FAIL
    assert row.sentence.startswith("the booking in the database is not there, for 0.")


def test_a_database_that_the_gate_can_not_read_is_an_error_and_no_fail(
    tmp_path: pathlib.Path, server: PatientServer
) -> None:
    walk = a_walk(tmp_path, server, postgres=its_postgres(tmp_path, closed_port()))
    assert walk.judged("booking")[-1].outcome is Outcome.ERROR


def test_records_are_removed_when_the_walk_itself_breaks(
    tmp_path: pathlib.Path, server: PatientServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk = a_walk(tmp_path, server)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module.Journeys, "_row_of", interrupted)
    with contextlib.suppress(KeyboardInterrupt):
        walk.judged("login")
    assert LOGIN in server.asked
    assert server.records == {}

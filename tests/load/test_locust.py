"""The load test as users run it: real processes, a real null server, short and slow enough to be kind."""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence

import pytest

from tests.environments.files import VALID, write
from tests.load.forked_locust import BOUND_SECONDS, Locust, forker
from tests.probes.servers import closed_port, wait_until
from tests.tables import cases

QUICK = ("--null-server", "--rps", "200", "-t", "1s", "--only-summary")
LONG = ("--null-server", "--rps", "100", "-t", "30s")
MEANS = {"PASS": 0, "FAIL": 10, "INVALID": 20}


@pytest.fixture(scope="module")
def forks() -> Iterator[subprocess.Popen[str]]:
    with forker() as process:
        yield process


@pytest.fixture
def locust(forks: subprocess.Popen[str], tmp_path: pathlib.Path) -> Iterator[Locust]:
    with contextlib.closing(Locust(forks, tmp_path)) as one:
        yield one


def two_processes() -> list[str]:
    """Return what makes a master and two workers, on a port that no other load test has."""
    port = str(closed_port())
    return ["--processes", "2", "--master-bind-port", port, "--master-port", port]


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


def gone(process: int) -> None:
    """Wait for a process's end."""
    file = pathlib.Path(f"/proc/{process}")
    wait_until(lambda: not file.exists(), "the null server ended", BOUND_SECONDS)


def test_a_run_is_judged_and_reported_and_its_code_is_the_verdict(
    locust: Locust, tmp_path: pathlib.Path
) -> None:
    kept, figures = tmp_path / "kept", ("--json", "--skip-log", "--csv", str(tmp_path / "run"))
    ran = locust.run(*QUICK, *figures, "--report-to", str(kept), forked=False)
    record = ran.record
    # A busy machine may make it INVALID, for a reason that is then told; a null server never fails.
    assert record["result"] in {"PASS", "INVALID"}
    assert ran.code == MEANS[record["result"]] == record["exit_code"]
    assert record["interrupted"] == ""
    totals = record["totals"]
    assert totals["due"] == totals["sent"] + totals["dropped"]
    assert totals["completed"] == totals["sent"] > 100
    assert totals["failed"] == 0
    assert (ran.folder / "load.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    (allure,) = (ran.folder / "allure-results").glob("*-result.json")
    shown = json.loads(allure.read_text(encoding="utf-8"))
    assert shown["status"] == {"PASS": "passed", "INVALID": "broken"}[record["result"]]
    assert [one["name"] for one in shown["attachments"]] == ["load.html", "load.json"]
    assert all((allure.parent / one["source"]).is_file() for one in shown["attachments"])
    delivered = kept / ran.folder.name / "load.json"
    assert json.loads(delivered.read_text(encoding="utf-8")) == record
    with (tmp_path / "run_stats.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["Name"]: row for row in csv.DictReader(file)}
    # Locust's own files know the same kinds of requests, in milliseconds that are not all whole.
    assert {"/health", "/v1/payments", "Aggregated"} <= set(rows)
    assert any(not float(row["Average Response Time"]).is_integer() for row in rows.values())
    # Figures for a program are alone on the output.
    assert {row["name"] for row in json.loads(ran.out)} >= {"/health", "/v1/payments"}
    assert "load: " in ran.err


def test_several_workers_make_one_run(locust: Locust) -> None:
    """Locust gathers the same answers on a way of its own: not one is missing or counted twice.

    It waits half a second for a worker's last report, which comes later on a busy machine: one run of ten.
    """
    missing = []
    for _ in range(10):
        ran = locust.run(*QUICK, *two_processes())
        record = ran.record
        assert [worker["lost"] for worker in record["workers"]] == [False, False]
        assert record["totals"]["completed"] == record["totals"]["sent"] > 100
        counted = [one for tally in record["counted"] for one in tally["endpoints"].values()]
        by_us = sum(sum(one["response"]["counts"].values()) for one in counted)
        by_locust = re.search(r"^ +Aggregated +(\d+) ", ran.said, re.MULTILINE)
        assert by_locust is not None
        missing.append(by_us - int(by_locust[1]))
        assert missing[-1] >= 0, "none is counted twice"
        if missing[-1] == 0:
            return
    raise AssertionError(f"answers that Locust does not have, run by run: {missing}")


def test_a_worker_that_is_killed_makes_the_run_invalid(locust: Locust) -> None:
    locust.start(*LONG, *two_processes())
    locust.until_it_sends()
    os.kill(locust.child("locust"), signal.SIGKILL)
    ran = locust.ended()
    assert (ran.code, ran.record["result"]) == (20, "INVALID")
    assert "was lost" in ran.record["interrupted"]


@cases(
    "signals",
    {"SIGINT": [signal.SIGINT], "SIGTERM, and then SIGINT": [signal.SIGTERM, signal.SIGINT]},
)
def test_a_run_that_is_ended_is_invalid_and_leaves_nothing_behind(
    locust: Locust, signals: list[signal.Signals]
) -> None:
    locust.start(*LONG)
    locust.until_it_sends()
    server = locust.child("_null_server")
    for number in signals:
        os.kill(locust.pid, number)
    ran = locust.ended()
    assert (ran.code, ran.record["result"]) == (20, "INVALID")
    assert ran.record["interrupted"]
    assert ran.record["totals"]["sent"] == ran.record["totals"]["completed"]
    assert ("it is ending already" in ran.said) is (len(signals) > 1)
    gone(server)


def test_a_killed_run_leaves_no_verdict_and_no_server(locust: Locust) -> None:
    locust.start(*LONG)
    folder = locust.until_it_sends()
    server = locust.child("_null_server")
    os.kill(locust.pid, signal.SIGKILL)
    locust.ended()
    gone(server)
    assert json.loads((folder / "load.json").read_text(encoding="utf-8"))["result"] is None
    assert not (folder / "load.html").exists()


def test_users_of_locusts_own_options_say_the_rate_and_the_time(locust: Locust) -> None:
    ran = locust.run("--null-server", "-u", "50", "-r", "50", "-t", "3s", "--only-summary")
    assert ran.code == MEANS[ran.record["result"]]
    assert "this run can prove nothing: it sends 150 requests" in ran.said
    last = ran.out.strip().splitlines()[-1]
    assert last.startswith(f"load: {ran.record['result']}"), "the verdict is the last line"
    assert (ran.record["plan"]["profile"], ran.record["interrupted"]) == ("manual", "")
    rises, measured = ran.record["stages"]
    assert [(one["rps"], one["measured"]) for one in (rises, measured)] == [(50, False), (50, True)]
    began, ended = (dt.datetime.fromisoformat(measured[key]) for key in ("began_at", "ended_at"))
    assert (ended - began).total_seconds() == pytest.approx(3, abs=0.5)


def test_callers_who_wait_have_no_rate_and_tags_choose_requests(locust: Locust) -> None:
    # Not the first of the tasks: the null server must know which are left, too.
    callers = ("--closed", "2", "-t", "1s", "--tags", "payment")
    record = locust.run("--null-server", *callers, "--only-summary").record
    assert record["plan"]["model"] == "closed"
    totals = record["totals"]
    assert totals["sent"] > 200
    assert totals["dropped"] == totals["late"] == totals["failed"] == 0
    assert {row["endpoint"] for row in record["endpoints"]} == {"POST /v1/payments", "all"}


STOCK = """
from locust import User, constant, task

class Stock(User):
    host = "http://127.0.0.1:9"
    fixed_count = 1
    wait_time = constant(0.2)

    @task
    def fail(self):
        self.environment.events.request.fire(
            request_type="GET", name="/stock", response_time=1, response_length=0,
            exception=RuntimeError("no"), context={},
        )
"""
SHAPE = "from locust import LoadTestShape\n\nclass Theirs(LoadTestShape):\n    tick = None\n"


def beside(folder: pathlib.Path, text: str) -> str:
    """Write a file of Locust's own and return what names it beside ours."""
    (folder / "theirs.py").write_text(text, encoding="utf-8")
    return f"load/locustfile.py,{folder / 'theirs.py'}"


def test_users_of_locusts_own_run_beside(locust: Locust, tmp_path: pathlib.Path) -> None:
    ran = locust.run(*QUICK, files=beside(tmp_path, STOCK))
    assert re.search(r"GET +/stock: RuntimeError", ran.said)
    assert ran.code == {"PASS": 1, "INVALID": 20}[ran.record["result"]]
    assert "/stock" not in json.dumps(ran.record["endpoints"])


@cases(
    "options theirs code words",
    {
        "production": (("--env", "prod", "--rps", "5"), "", 64, "no load test may send there"),
        "no task": (("--null-server", "--tags", "nosuch"), "", 64, "no task of the load test"),
        "no baseline": ((*QUICK, "--baseline", "nowhere.json"), "", 78, "cannot be read"),
        "users who send elsewhere": (
            QUICK,
            STOCK.replace("http://127.0.0.1:9", "https://api.example"),
            64,
            "its host is not an address that this run may load",
        ),
        "users who do not say where": (QUICK, STOCK.replace("host =", "its ="), 64, "no host"),
        "a second shape": (
            QUICK,
            SHAPE,
            64,
            "Theirs: --rps, --closed and profiles have their own shape",
        ),
        "a report that cannot be kept": (
            (*QUICK, "--report-to", __file__),
            "",
            70,
            "the report cannot be kept there",
        ),
    },
)
def test_what_cannot_be_is_refused_before_anything_is_sent(
    locust: Locust,
    tmp_path: pathlib.Path,
    options: Sequence[str],
    theirs: str,
    code: int,
    words: str,
) -> None:
    ran = locust.run(*options, files=beside(tmp_path, theirs) if theirs else "load/")
    assert ran.code == code
    assert words in ran.said
    assert "Load: steady" not in ran.said
    assert len([line for line in ran.said.splitlines() if line.startswith("locust: ")]) == 1


@cases(
    "more words",
    {
        "a platform that is down": ("", "registration of a synthetic patient in eu"),
        "no accounts": (", accounts: 0", "load.accounts is 0"),
    },
)
def test_a_scenario_that_cannot_be_prepared_is_no_pass(
    locust: Locust, tmp_path: pathlib.Path, more: str, words: str
) -> None:
    here = f"http://127.0.0.1:{closed_port()}"
    load = f"load: {{allowed: true, service: api, max_rps: 500{more}}}\n"
    file = write(tmp_path, VALID.replace("https://eu.clinic.example", here) + load)
    ran = locust.run("--env", str(file), "--region", "eu", "--rps", "5", "-t", "1s")
    assert ran.code == 20
    assert words in ran.record["interrupted"]
    assert ran.record["totals"]["sent"] == 0


def test_a_report_that_cannot_be_written_at_the_end_leaves_no_verdict_in_the_output(
    locust: Locust,
) -> None:
    locust.start(*QUICK)
    folder = locust.until_it_sends()
    shutil.rmtree(folder)
    folder.write_text("", encoding="utf-8")
    try:
        ran = locust.ended()
    finally:
        folder.unlink()
    assert ran.code == 70
    assert "load: no result (exit code 70)" in ran.said
    assert "the load run's report cannot be written" in ran.said
    assert not re.search("^load: (PASS|INVALID)", ran.said, re.MULTILINE)


def waiting() -> list[str]:
    """Return what makes a master that waits for a worker."""
    return ["--master", "--expect-workers", "1", "--master-bind-port", str(closed_port())]


def test_workers_that_do_not_come_leave_nothing_decided(locust: Locust) -> None:
    ran = locust.run(*QUICK, *waiting(), "--expect-workers-max-wait", "2")
    assert ran.code == 20
    assert "locust: 0 of 1 workers came within 2 s; nothing was sent" in ran.said


def test_a_master_that_is_ended_while_it_waits_for_workers_says_so(locust: Locust) -> None:
    locust.start(*QUICK, *waiting(), "--loglevel", "DEBUG")
    locust.until("Waiting for workers")
    os.kill(locust.pid, signal.SIGTERM)
    ran = locust.ended()
    assert ran.code == 20
    assert "interrupted while it waited for workers" in ran.said


def test_a_page_on_which_nobody_starts_a_run_decides_nothing(locust: Locust) -> None:
    port = closed_port()
    locust.start("--null-server", "--web-port", str(port), headless=False)
    wait_until(lambda: listens(port), "its page is there", BOUND_SECONDS)
    os.kill(locust.pid, signal.SIGINT)
    ran = locust.ended()
    assert ran.code == 20
    assert "no run was started, so nothing is decided" in ran.said

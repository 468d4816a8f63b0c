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
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from gates.load import ROOT
from tests.environments.files import SECRETS, VALID, write
from tests.probes.servers import closed_port, wait_until
from tests.tables import cases

BOUND_SECONDS = 90
QUICK = ("--null-server", "--rps", "200", "-t", "1s", "--only-summary")
MEANS = {"PASS": 0, "FAIL": 10, "INVALID": 20}


class Ran:
    """A load test that has ended."""

    def __init__(self, code: int, said: str) -> None:
        self.code, self.said = code, said

    @property
    def folder(self) -> pathlib.Path:
        found = re.search(r"^Report: (.+)/load\.html$", self.said, re.MULTILINE)
        assert found is not None, self.said
        return pathlib.Path(found[1])

    @property
    def record(self) -> dict[str, Any]:
        record: dict[str, Any] = json.loads((self.folder / "load.json").read_text(encoding="utf-8"))
        return record

    def sentences(self) -> str:
        return "\n".join(one["judgement"]["sentence"] for one in self.record["judgements"])


def start(*options: str, files: str = "load/", headless: bool = True) -> subprocess.Popen[str]:
    mode = ("--headless",) if headless else ()
    command = [sys.executable, "-m", "locust", "-f", files, *mode, "--calibrate", "0", *options]
    return subprocess.Popen(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, **SECRETS}, start_new_session=True,
    )  # fmt: skip


def ended(process: subprocess.Popen[str]) -> Ran:
    try:
        said, _ = process.communicate(timeout=BOUND_SECONDS)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert "Traceback" not in said, said
    return Ran(process.returncode, said)


def run(*options: str, files: str = "load/") -> Ran:
    return ended(start(*options, files=files))


def two_processes() -> list[str]:
    """Return what makes a master and two workers, on a port that no other load test has."""
    port = str(closed_port())
    return ["--processes", "2", "--master-bind-port", port, "--master-port", port]


def until_it_sends(process: subprocess.Popen[str]) -> pathlib.Path:
    """Wait until a run is warm; return its folder."""
    assert process.stdout is not None
    folder = None
    for line in process.stdout:
        if (named := re.search(r"Load: run (\S+)", line)) is not None:
            folder = pathlib.Path(os.environ["GATE_OUT"], named[1])
        if "Load: steady" in line:
            assert folder is not None
            return folder
    raise AssertionError("it never began")


def child(process: subprocess.Popen[str], words: str) -> int:
    """Return the first child of a run whose command has these words."""
    listed = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(process.pid)],  # noqa: S607 - the system's own
        capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    return next(int(line.split()[0]) for line in listed.splitlines() if words in line)


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


def test_a_run_is_judged_and_reported_and_its_code_is_the_verdict(tmp_path: pathlib.Path) -> None:
    ran = run(*QUICK, "--csv", str(tmp_path / "run"), "--report-to", str(tmp_path / "kept"))
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
    kept = tmp_path / "kept" / ran.folder.name / "load.json"
    assert json.loads(kept.read_text(encoding="utf-8")) == record
    with (tmp_path / "run_stats.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["Name"]: row for row in csv.DictReader(file)}
    # Locust's own files know the same kinds of requests, in milliseconds that are not all whole.
    assert {"/health", "/v1/payments", "Aggregated"} <= set(rows)
    assert any(not float(row["Average Response Time"]).is_integer() for row in rows.values())


def test_several_workers_make_one_run() -> None:
    """Locust gathers the same answers on a way of its own: not one is missing or counted twice.

    It does not wait for a worker's last report, which comes late on a busy machine: one run of three.
    """
    missing = []
    for _ in range(3):
        ran = run(*QUICK, *two_processes())
        record = ran.record
        assert [worker["lost"] for worker in record["workers"]] == [False, False]
        assert record["totals"]["completed"] == record["totals"]["sent"] > 100
        counted = [one for tally in record["counted"] for one in tally["endpoints"].values()]
        by_us = sum(sum(one["response"]["counts"].values()) for one in counted)
        by_locust = re.search(r"^ +Aggregated +(\d+) ", ran.said, re.MULTILINE)
        assert by_locust is not None
        missing.append(by_us - int(by_locust[1]))
        if missing[-1] == 0:
            return
    raise AssertionError(f"answers that Locust does not have, in three runs: {missing}")


def test_a_worker_that_is_killed_makes_the_run_invalid() -> None:
    process = start("--null-server", "--rps", "100", "-t", "60s", *two_processes())
    until_it_sends(process)
    os.kill(child(process, "locust"), signal.SIGKILL)
    ran = ended(process)
    assert ran.code == 20
    assert ran.record["result"] == "INVALID"
    assert "was lost" in ran.record["interrupted"]


@cases(
    "signals",
    {"SIGINT": [signal.SIGINT], "SIGTERM, and then SIGINT": [signal.SIGTERM, signal.SIGINT]},
)
def test_a_run_that_is_ended_is_invalid_and_leaves_nothing_behind(
    signals: list[signal.Signals],
) -> None:
    process = start("--null-server", "--rps", "100", "-t", "60s")
    until_it_sends(process)
    server = child(process, "_null_server")
    for number in signals:
        process.send_signal(number)
    ran = ended(process)
    assert (ran.code, ran.record["result"]) == (20, "INVALID")
    assert ran.record["interrupted"]
    assert ran.record["totals"]["sent"] == ran.record["totals"]["completed"]
    assert ("it is ending already" in ran.said) is (len(signals) > 1)
    wait_until(
        lambda: not pathlib.Path(f"/proc/{server}").exists(), "the null server ended", BOUND_SECONDS
    )


def test_a_killed_run_leaves_no_verdict_and_no_server() -> None:
    process = start("--null-server", "--rps", "100", "-t", "60s")
    folder = until_it_sends(process)
    server = child(process, "_null_server")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=BOUND_SECONDS)
    wait_until(
        lambda: not pathlib.Path(f"/proc/{server}").exists(), "the null server ended", BOUND_SECONDS
    )
    assert json.loads((folder / "load.json").read_text(encoding="utf-8"))["result"] is None
    assert not (folder / "load.html").exists()


def test_users_of_locusts_own_options_say_the_rate_and_the_time() -> None:
    ran = run("--null-server", "-u", "50", "-r", "50", "-t", "3s", "--only-summary")
    assert ran.code == MEANS[ran.record["result"]]
    assert (ran.record["plan"]["profile"], ran.record["interrupted"]) == ("manual", "")
    rises, measured = ran.record["stages"]
    assert [(one["rps"], one["measured"]) for one in (rises, measured)] == [(50, False), (50, True)]
    began, ended = (dt.datetime.fromisoformat(measured[key]) for key in ("began_at", "ended_at"))
    assert (ended - began).total_seconds() == pytest.approx(3, abs=0.5)


def test_callers_who_wait_have_no_rate_and_tags_choose_requests() -> None:
    # Not the first of the tasks: the null server must know which are left, too.
    callers = ("--closed", "2", "-t", "1s", "--tags", "payment")
    ran = run("--null-server", *callers, "--only-summary")
    assert ran.record["plan"]["model"] == "closed"
    totals = ran.record["totals"]
    assert totals["sent"] > 200
    assert totals["dropped"] == totals["late"] == totals["failed"] == 0
    assert {row["endpoint"] for row in ran.record["endpoints"]} == {"POST /v1/payments", "all"}


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


def test_users_of_locusts_own_run_beside(tmp_path: pathlib.Path) -> None:
    (tmp_path / "stock.py").write_text(STOCK, encoding="utf-8")
    ran = run(*QUICK, files=f"load/locustfile.py,{tmp_path / 'stock.py'}")
    assert re.search(r"GET +/stock: RuntimeError", ran.said)
    assert ran.code == {"PASS": 1, "INVALID": 20}[ran.record["result"]]
    assert "/stock" not in json.dumps(ran.record["endpoints"])


@cases(
    "file words",
    {
        "users who send elsewhere": (
            STOCK.replace("http://127.0.0.1:9", "https://api.example"),
            "its host is not an address that this run may load",
        ),
        "users who do not say where": (STOCK.replace("host =", "its ="), "names no host"),
        "a second shape": (SHAPE, "Theirs: --rps, --closed and profiles have their own shape"),
    },
)
def test_what_else_a_file_of_locusts_own_brings_is_refused(
    tmp_path: pathlib.Path, file: str, words: str
) -> None:
    (tmp_path / "theirs.py").write_text(file, encoding="utf-8")
    ran = run(*QUICK, files=f"load/locustfile.py,{tmp_path / 'theirs.py'}")
    assert ran.code == 64
    assert words in ran.said


@cases(
    "options code words",
    {
        "production": (("--env", "prod", "--rps", "5"), 64, "no load test may send there"),
        "no task": (("--null-server", "--tags", "nosuch"), 64, "no task of the load test"),
        "no baseline": ((*QUICK, "--baseline", "nowhere.json"), 78, "cannot be read"),
    },
)
def test_what_cannot_be_is_refused_before_anything_is_sent(
    options: Sequence[str], code: int, words: str
) -> None:
    ran = run(*options)
    assert ran.code == code
    assert words in ran.said
    assert len([line for line in ran.said.splitlines() if line.startswith("locust: ")]) == 1


@cases(
    "more words",
    {
        "a platform that is down": ("", "registration of a synthetic patient in eu"),
        "no accounts": (", accounts: 0", "load.accounts is 0"),
    },
)
def test_a_scenario_that_cannot_be_prepared_is_no_pass(
    tmp_path: pathlib.Path, more: str, words: str
) -> None:
    here = f"http://127.0.0.1:{closed_port()}"
    load = f"load: {{allowed: true, service: api, max_rps: 500{more}}}\n"
    file = write(tmp_path, VALID.replace("https://eu.clinic.example", here) + load)
    ran = run("--env", str(file), "--region", "eu", "--rps", "5", "-t", "1s")
    assert ran.code == 20
    assert words in ran.record["interrupted"]
    assert ran.record["totals"]["sent"] == 0


def test_a_report_that_cannot_be_kept_is_no_pass(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    ran = run(*QUICK, "--report-to", str(tmp_path / "file"))
    assert ran.code == 70
    assert "the report cannot be kept there" in ran.said
    assert "Load: steady" not in ran.said


def test_a_report_that_cannot_be_written_at_the_end_leaves_no_verdict_in_the_output() -> None:
    process = start("--null-server", "--rps", "200", "-t", "1s", "--only-summary")
    folder = until_it_sends(process)
    shutil.rmtree(folder)
    folder.write_text("", encoding="utf-8")
    try:
        ran = ended(process)
    finally:
        folder.unlink()
    assert ran.code == 70
    assert "load: no result (exit code 70)" in ran.said
    assert "the load run's report cannot be written" in ran.said
    assert not re.search("^load: (PASS|INVALID)", ran.said, re.MULTILINE)


def test_workers_that_do_not_come_leave_nothing_decided() -> None:
    waiting = ("--master", "--expect-workers", "1", "--expect-workers-max-wait", "2")
    ran = run(*QUICK, *waiting, "--master-bind-port", str(closed_port()))
    assert ran.code == 20
    assert "locust: 0 of 1 workers came within 2 s; nothing was sent" in ran.said


def test_a_page_on_which_nobody_starts_a_run_decides_nothing() -> None:
    port = closed_port()
    process = start("--null-server", "--web-port", str(port), headless=False)
    wait_until(lambda: listens(port), "its page is there", BOUND_SECONDS)
    process.send_signal(signal.SIGINT)
    ran = ended(process)
    assert ran.code == 20
    assert "no run was started, so nothing is decided" in ran.said


def test_a_master_that_is_ended_while_it_waits_for_workers_says_so() -> None:
    waiting = ("--master", "--expect-workers", "1", "--master-bind-port", str(closed_port()))
    process = start(*QUICK, *waiting, "--loglevel", "DEBUG")
    assert process.stdout is not None
    assert any("Waiting for workers" in line for line in process.stdout)
    process.send_signal(signal.SIGTERM)
    ran = ended(process)
    assert ran.code == 20
    assert "interrupted while it waited for workers" in ran.said


def test_figures_for_a_program_are_alone_on_the_output() -> None:
    asked = ("-f", "load/", "--headless", *QUICK, "--json", "--skip-log")
    command = [sys.executable, "-m", "locust", *asked]
    done = subprocess.run(
        command, cwd=ROOT, text=True, capture_output=True, timeout=BOUND_SECONDS, check=False
    )
    assert {row["name"] for row in json.loads(done.stdout)} >= {"/health", "/v1/payments"}
    assert "load: " in done.stderr

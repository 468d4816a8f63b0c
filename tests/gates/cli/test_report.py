"""`gate report`: what Allure is given of runs, and what is said where there is no report."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import pathlib
import shutil
import sys
from typing import Any

import pytest

from gates.cli import report
from gates.cli.main import main
from gates.decide.judgement import equals
from gates.decide.outcome import Meaning
from gates.decide.suite import Attachment, Kind
from gates.decide.verdict import Verdict
from gates.run.verdict import keep
from load._keep import write_allure
from reports import allure_program
from tests.load import runs
from tests.reports import verdicts
from tests.reports.test_evidence import a_suite
from tests.reports.test_evidence import verdict_of as evidence_of
from tests.tables import cases

NODE = """#!{python}
import json, pathlib, shutil, sys
work, seen = pathlib.Path.cwd(), pathlib.Path({seen!r})
shutil.copytree(work, seen, dirs_exist_ok=True)
pathlib.Path(seen / "line").write_text(json.dumps(sys.argv))
(work / "built").mkdir()
tell = '<script async src="https://www.googletagmanager.com/x"></script> <script>gtag("a")</script>'
(work / "built/index.html").write_text("<html><head><title>x</title></head>" + tell + "<p>whole</p>")
"""
NPM = """#!/bin/sh
[ -z "$NPM_BREAKS" ] || {{ echo "npm error code ENOTFOUND" >&2; exit 1; }}
mkdir -p node_modules/allure && : > node_modules/allure/cli.js
"""


@dataclasses.dataclass(frozen=True)
class Place:
    """Runs, and programs that take the places of node and npm."""

    out: pathlib.Path
    seen: pathlib.Path
    """What node found in its folder."""

    def run(self, number: int, make: Any = verdicts.go, **changes: Any) -> str:
        name = f"202611{number:02d}T011536Z-{changes.get('gate', 'post-deploy')}-a1b2c3"
        at = f"2026-11-{number:02d}T01:15:36.100+00:00"
        verdict: Verdict = verdicts.changed(make(), run=name, started_at=at, **changes)
        (self.out / name).mkdir(parents=True)
        keep(self.out / name, verdict)
        return name

    def report(self, *line: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        code = main(["report", *line, "--out", str(self.out)], out, err)
        return code, out.getvalue().strip(), err.getvalue()

    def results(self) -> list[dict[str, Any]]:
        found = (self.seen / "results").glob("*-result.json")
        return [json.loads(one.read_text()) for one in found]


@pytest.fixture
def place(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    (tmp_path / "bin").mkdir()
    for name, text in {"node": NODE, "npm": NPM}.items():
        program = tmp_path / "bin" / name
        program.write_text(text.format(python=sys.executable, seen=str(tmp_path / "seen")))
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Place(tmp_path / "out", tmp_path / "seen")


def test_a_report_is_one_file_of_a_run_that_tells_nobody_who_reads_it(place: Place) -> None:
    place.run(21)
    earlier = place.run(22, verdicts.rollback)
    place.run(22, gate="phase", phase="2", window=None)
    run = place.run(23)
    code, said, _ = place.report(run)
    assert (code, said) == (0, str(place.out / run / "report.html"))
    page = pathlib.Path(said).read_text()
    assert "googletagmanager" not in page
    assert "gtag" not in page
    assert '<head><meta http-equiv="Content-Security-Policy" content="default-src \'none\'' in page
    assert page.endswith("<p>whole</p>")
    assert len(place.results()) == 13
    past = [json.loads(one) for one in (place.seen / "history.jsonl").read_text().splitlines()]
    assert [one["uuid"][:8] for one in past] == ["20261121", earlier[:8]]
    ended = [one["status"] for one in past[1]["testResults"].values()]
    assert (len(ended), ended.count("failed"), ended.count("skipped")) == (13, 3, 2)
    assert not [one for one in past if "ot verified" in json.dumps(one)]
    assert json.loads((place.seen / "allurerc.json").read_text())["name"].startswith(
        "GO: v1.2.0 on"
    )


def test_history_is_folded_again_as_long_as_time_lasts_and_marked_beyond(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    lied = place.run(21)
    file = place.out / lied / "verdict.json"
    file.write_text(file.read_text().replace('"outcome": "PASS"', '"outcome": "FAIL"', 1))
    run = place.run(22)
    assert place.report(run)[0] == 0
    assert (place.seen / "history.jsonl").read_text() == ""
    monkeypatch.setattr(report, "VERIFYING_SECONDS", 0.0)
    assert place.report(run)[0] == 0
    (past,) = map(json.loads, (place.seen / "history.jsonl").read_text().splitlines())
    said = [past["name"], *(one["error"]["message"] for one in past["testResults"].values())]
    assert {one[:12] for one in said} == {"Not verified"}


def test_a_release_has_its_load_run_its_contract_and_its_browser_results(place: Place) -> None:
    picture = Attachment(name="page", file="evidence/page.png", media_type="image/png")
    browser = a_suite("BR-BOOK-1", kind=Kind.BROWSER, attachments=(picture,))
    rows = (*verdicts.ROWS, verdicts.row("BR-BOOK-1", "web", Meaning.HOLD))
    booked = {("BR-BOOK-1", region): (equals("booked", 1, 1),) for region in verdicts.REGIONS}
    made = lambda: verdicts.verdict_of(verdicts.passing() | booked, rows=rows)  # noqa: E731 - made when it is kept
    run = place.run(21, made, gate="phase", phase="4", window=None, suites=(browser,))
    (place.out / run / "evidence/page.png").write_bytes(b"picture")
    place.run(22, lambda: evidence_of(a_suite("CT-READ-1"), a_suite("CT-FULL-1")))
    for number, release in enumerate(("v1.2.0", "v1.1.0")):
        folder = place.out / f"2026112{number}T100000Z-load-aaaaaa"
        folder.mkdir()
        record = runs.concluded(runs.valid_run(plan=runs.a_plan(release=release)))
        (folder / "load.json").write_text(json.dumps(record))
        (folder / "load.html").write_text(release)
        write_allure(record, folder, began=0.0, ended=30.0)
    assert place.report("--release", "v1.2.0")[0] == 0
    shown = {one["name"]: json.dumps(one) for one in place.results()}
    assert f"{Kind.BROWSER.value}: 1 tests" in shown["BR-BOOK-1 eu: BR-BOOK-1"]
    assert f"{Kind.CONTRACT.value}: 1 tests" in shown["CT-READ-1 us: CT-READ-1"]
    (load,) = (one for one in place.results() if one["name"].startswith("Load test"))
    assert {one["name"]: one["value"] for one in load["parameters"]}["release"] == "v1.2.0"
    files = {one.name: one for one in (place.seen / "results").iterdir()}
    (page,) = (one for one in load["attachments"] if one["type"] == "text/html")
    assert files[page["source"]].read_text() == "v1.2.0"
    pictures = [one.read_bytes() for name, one in files.items() if name.endswith(".png")]
    assert pictures == [b"picture"] * len(verdicts.REGIONS)


def test_a_release_has_all_its_runs_and_no_others(place: Place) -> None:
    place.run(21, gate="phase", phase="2", window=None)
    place.run(22, verdicts.hold)
    place.run(23, release="v1.1.0")
    place.run(24, environment="prod")
    code, said, _ = place.report("--release", "1.2.0", "--env", "local")
    assert (code, said) == (0, str(place.out / "report-1.2.0.html"))
    epics = {
        label["value"]
        for one in place.results()
        for label in one["labels"]
        if label["name"] == "epic"
    }
    assert epics == {"phase 2", "post-deploy"}
    name = json.loads((place.seen / "allurerc.json").read_text())["name"]
    assert name == "v1.2.0 on local: 2 runs, 1 HOLD, 1 GO"


@cases(
    "line code says",
    {
        "no such run": (["2099"], 64, "there is no run “2099”"),
        "no such release": (["--release", "v9.9.9"], 64, "there is no run of v9.9.9"),
        "not a release": (["--release", "9"], 64, "“9” is not a release"),
        "both": (["2026", "--release", "v1.2.0"], 64, "give either RUN or --release"),
        "an environment of a run": (["2026", "--env", "prod"], 64, "--env goes with --release"),
    },
)
def test_what_is_no_run_is_said(place: Place, line: list[str], code: int, says: str) -> None:
    place.run(21)
    found, _, said = place.report(*line)
    assert (found, says in said) == (code, True)


def test_without_node_or_network_one_sentence_says_so(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.run(21)
    monkeypatch.setenv("NPM_BREAKS", "yes")
    code, _, said = place.report()
    assert (code, said.count("\n")) == (70, 1)
    assert "npm could not fetch it (ENOTFOUND); check the network" in said
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    assert place.report()[::2] == (70, f"gate report: {allure_program.NO_NODE}.\n")


def test_each_part_of_allure_is_pinned_by_its_digest_and_by_nobodys_address() -> None:
    folder = pathlib.Path(allure_program.__file__).with_name("npm")
    lock = (folder / "package-lock.json").read_text()
    packages = json.loads(lock)["packages"]
    wanted = json.loads((folder / "package.json").read_text())["dependencies"]["allure"]
    assert packages["node_modules/allure"]["version"] == wanted
    assert all(one["integrity"].startswith("sha512-") for name, one in packages.items() if name)
    assert "resolved" not in lock

"""Journeys in a browser, on the real pages: sound they pass, each mistake of a page is found where it is."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import probes
from gates.decide.outcome import Outcome
from gates.decide.suite import EVENT
from probes.browser import Event
from settings.browser import AllowedEvent, BrowserPolicy
from smoke.synthetic import NAME
from steps.browser import journey_rules as rules
from steps.browser.reading import Browsers
from steps.kit.check import Check
from steps.kit.leases import writer_lease
from steps.kit.platform import NotDescribedError, Platform
from steps.kit.request import EVENTS
from tests.checkout import ROOT
from tests.golden import Said
from tests.probes.servers import Behaviour, answer, closed_port, serving, wait_until
from tests.steps.patient_server import PatientServer, patient_server
from tests.steps.platforms import a_platform, ruled
from tests.steps.scenarios import a_run, told, wrong
from tests.steps.scenarios import judged as by_id
from tests.tables import cases
from tests.web_site import Site, web_site

BOOK_OLD, BOOK_NEW, DECLINED = "BR-BOOK-1", "BR-BOOK-2", "BR-DECLINED-1"
PHONE, OUT, EXPIRED, DOWN = "BR-PHONE-1", "BR-OUT-1", "BR-EXPIRED-1", "BR-DOWN-1"
ALL = (BOOK_OLD, BOOK_NEW, PHONE, OUT, EXPIRED, DECLINED, DOWN)
_VARIES = re.compile(r"chromium|\(\d+ times\)|up to \d+|\b[0-9a-f]{8,}\b|(?<=\.)[0-9a-f]{8}(?=\.)")


def platform(folder: pathlib.Path, site: str, api: str, **sections: Any) -> Platform:
    """Return a platform of one region with this site; records are listed and removed at `api`."""
    (folder / "token").write_text("a-token-of-the-gate")
    made = a_platform(
        folder,
        {"eu": api},
        run_seconds=60,
        aws={"region": "eu-west-1"},
        evidence={"folder": str(folder)},
        frontend={"bucket": "web", "distribution": "E1", "sites": {"eu": site}},
        synthetic={
            "service": "api",
            "email_domain": "synthetic.example.org",
            "token": f"file:{folder}/token",
            "provider_id": "synthetic-provider",
        },
        **{"browser": {}, **sections},
    )
    # This machine makes pages slow, too.
    return ruled(made, "browser", walk_within=40.0, long_task=60.0)


@pytest.fixture(scope="module")
def browsers(
    tmp_path_factory: pytest.TempPathFactory, browser: probes.browser.Browser
) -> Iterator[Browsers]:
    """Return browsers that the runs of this module share."""
    folder = tmp_path_factory.mktemp("browsers")
    nowhere = f"http://127.0.0.1:{closed_port()}"
    with a_run(platform(folder, nowhere, nowhere), folder) as run:
        shared = run.shared(Browsers)
        shared._made["chromium"] = browser
        yield shared


@pytest.fixture(autouse=True)
def no_other_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    """Leave this machine without Firefox and WebKit."""
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "none"))


@pytest.fixture(scope="module")
def records() -> Iterator[PatientServer]:
    with patient_server() as serving:
        yield serving


@pytest.fixture(scope="module")
def sound() -> Iterator[Site]:
    with web_site() as site:
        yield site


def judged(check: str, asked: Platform, browsers: Browsers, folder: pathlib.Path) -> Check:
    with a_run(asked, folder) as run:
        run._shared[Browsers] = browsers
        return by_id(check, asked, run=run)


def handed_over(folder: pathlib.Path) -> dict[str, Any]:
    """Return what a run kept for the evidence of the release."""
    lines = [json.loads(line) for line in (folder / EVENTS).read_text().splitlines()]
    (one,) = [line for line in lines if line["event"] == EVENT]
    return dict(one)


def not_run(evidence: dict[str, Any]) -> list[str]:
    """Return what is said of engines that are not installed."""
    said = [one["sentence"] for one in evidence["tests"]]
    return [one for one in said if "not run" in one]


@pytest.mark.parametrize("check", ALL)
def test_on_a_sound_site_each_journey_comes_to_its_end(
    check: str,
    sound: Site,
    records: PatientServer,
    browsers: Browsers,
    tmp_path: pathlib.Path,
    said: Said,
) -> None:
    asked = len(sound.patients.requests)
    found = judged(check, platform(tmp_path, sound.url, records.url), browsers, tmp_path)
    assert found.outcome("eu") is Outcome.PASS, wrong(found)
    said(told(found))
    evidence = handed_over(tmp_path)
    assert evidence["kind"] == "browser-test"
    assert evidence["tests"][0]["outcome"] == "PASS"
    assert len(not_run(evidence)) == 2
    assert evidence["findings"] == evidence["attachments"] == []
    sent = sound.patients.requests[asked:]
    assert all("release-gate-" in headers.get("x-synthetic-tag", "") for _, _, headers in sent)
    assert bool(sent) is (check != DOWN), "what is made in the browser reaches no API"


class Noting(list[Any]):
    """What an API is asked; each time something is noted too."""

    def __init__(self, note: Callable[[], object]) -> None:
        super().__init__()
        self._note = note

    def append(self, asked: Any) -> None:
        """Note what there is when it is asked."""
        self._note()
        super().append(asked)


def test_what_is_made_is_journalled_before_and_removed_afterwards(
    records: PatientServer, browsers: Browsers, tmp_path: pathlib.Path
) -> None:
    journal, before = tmp_path / NAME, list[str]()
    with web_site() as site:
        site.patients.requests = Noting(lambda: before.append(journal.read_text()))
        judged(OUT, platform(tmp_path, site.url, records.url), browsers, tmp_path)
    assert before
    assert all("intend" in text and "removed" not in text for text in before)
    assert "removed" in journal.read_text()
    assert records.asked[-2:] == ["DELETE /v1/synthetic/records", "GET /v1/synthetic/records"]


MISTAKES: dict[str, tuple[tuple[str, ...], str]] = {
    "a booking button that does nothing": (("dead_book_button",), BOOK_OLD),
    "a new form that sends nonsense": (("new_form_broken",), BOOK_NEW),
    "a form that phones do not show": (("phone_form_hidden",), PHONE),
    "a dialog, and a session that signing out does not end": (
        ("dialog", "sign_out_keeps_session"),
        OUT,
    ),
    "an expired session that nobody mentions": (("expiry_unnoticed",), EXPIRED),
    "a download": (("download",), EXPIRED),
    "a declined card that counts as paid": (("declined_as_paid",), DECLINED),
    "an error of the API shown as an empty page": (("empty_error_page",), DOWN),
    "a page that never settles": (("never_settles",), OUT),
    "what a browser reports": (
        ("blocked_script", "stale_asset", "mixed_content"),
        DOWN,
    ),
    "an error in the console": (("console_error",), BOOK_NEW),
}


@cases("bugs check", MISTAKES)
def test_a_mistake_of_a_page_is_found_and_shown(
    bugs: tuple[str, ...],
    check: str,
    records: PatientServer,
    browsers: Browsers,
    tmp_path: pathlib.Path,
    said: Said,
) -> None:
    with web_site(bugs=bugs) as site:
        asked = platform(tmp_path, site.url, records.url)
        strict = ruled(asked, "browser", step_within=2.5)
        found = judged(check, strict, browsers, tmp_path)
    assert found.outcome("eu") is Outcome.FAIL
    said([_VARIES.sub("…", one) for one in wrong(found)])
    stopped = any("can't go on" in one for one in wrong(found))
    files = [f"evidence/{check}-eu-chromium.{end}" for end in ("png", "zip")] if stopped else []
    assert [one["file"] for one in handed_over(tmp_path)["attachments"]] == files


def test_what_the_policy_calls_advisory_is_shown_and_passes(
    records: PatientServer, browsers: Browsers, tmp_path: pathlib.Path
) -> None:
    with web_site(bugs=("long_task",)) as site:
        where = ruled(platform(tmp_path, site.url, records.url), "browser", long_task=0.4)
        found = judged(BOOK_NEW, where, browsers, tmp_path)
    assert found.outcome("eu") is Outcome.PASS
    assert [one for one in told(found) if one.endswith("(advisory)")]


def test_an_api_that_is_down_fails_a_journey_and_says_what_the_page_says(
    records: PatientServer, browsers: Browsers, tmp_path: pathlib.Path, said: Said
) -> None:
    with web_site() as site:
        site.patients.down = True
        where = ruled(platform(tmp_path, site.url, records.url), "browser", step_within=2.5)
        found = judged(BOOK_OLD, where, browsers, tmp_path)
    assert found.outcome("eu") is Outcome.FAIL
    said(wrong(found))


@cases(
    "behaviour",
    {
        "nobody listens": None,
        "it answers 503": answer(b"", status="503 Service Unavailable"),
        "it answers 404": answer(b"", status="404 Not Found"),
        "it shows a page of somebody else": answer(b"<h1>Parked</h1>", content_type="text/html"),
    },
)
def test_a_site_that_can_not_be_walked_through_is_never_good(
    behaviour: Behaviour | None,
    records: PatientServer,
    browsers: Browsers,
    tmp_path: pathlib.Path,
    said: Said,
) -> None:
    with contextlib.ExitStack() as stack:
        port = closed_port()
        if behaviour is not None:
            port = stack.enter_context(serving(behaviour)).port
        address = f"http://127.0.0.1:{port}"
        asked = platform(tmp_path, address, records.url, vantage_controls=[records.url])
        short = ruled(asked, "browser", walk_within=7.0, step_within=1.0)
        found = judged(DOWN, short, browsers, tmp_path)
    assert found.outcome("eu") is Outcome.FAIL
    said(told(found))
    assert handed_over(tmp_path)["tests"][0]["outcome"] == "FAIL"


def test_a_browser_that_does_not_start_is_an_error(
    sound: Site, records: PatientServer, tmp_path: pathlib.Path, said: Said
) -> None:
    asked = platform(tmp_path, sound.url, records.url, browser={"executable": "/nowhere/chromium"})
    with a_run(asked, tmp_path) as run:
        found = by_id(OUT, asked, run=run)
    assert found.outcome("eu") is Outcome.ERROR
    said(told(found))


def test_a_browser_that_dies_is_an_error(
    records: PatientServer, browsers: Browsers, tmp_path: pathlib.Path, said: Said
) -> None:
    with web_site() as site:
        site.patients.requests = Noting(lambda: os.kill(browsers.of("chromium")._pids[0], 9))
        found = judged(OUT, platform(tmp_path, site.url, records.url), browsers, tmp_path)
    assert found.outcome("eu") is Outcome.ERROR
    said(told(found))


def test_a_run_that_is_ended_leaves_neither_a_browser_nor_a_record(
    records: PatientServer, chromium: str, tmp_path: pathlib.Path
) -> None:
    asked = len(records.asked)
    with web_site(bugs=("never_settles",)) as site:
        platform(tmp_path, site.url, records.url, browser={"executable": chromium})
        running = started(tmp_path, OUT)
        wait_until(lambda: site.patients.requests, "a patient is being made")
        below = descendants(running.pid)
        running.terminate()
        running.communicate(timeout=60)
    assert len(below) > 1
    wait_until(lambda: not any(map(alive, below)), "the browser is gone")
    assert records.asked[asked:][-2:] == [
        f"{how} /v1/synthetic/records" for how in ("DELETE", "GET")
    ]
    assert "removed" in (tmp_path / "run" / NAME).read_text()


def started(folder: pathlib.Path, check: str) -> subprocess.Popen[bytes]:
    """Start a check of the platform in a folder as people do."""
    file = str(folder / "environment.yaml")
    line = [sys.executable, "-m", "pytest", "-q", "-m", check, "--env", file, "--release", "v1.2.0"]
    line += ["--environment-file", file, "--run-dir", str(folder / "run")]
    return subprocess.Popen(line, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def descendants(pid: int) -> set[int]:
    """Return the processes that a process has started, and those that they have."""
    parents = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found = {pid}
    while more := {one for one, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def alive(pid: int) -> bool:
    """Tell whether a process runs: one that is dead has no program any more."""
    return pathlib.Path(f"/proc/{pid}/exe").exists()


def test_while_another_run_writes_nothing_is_tried(
    sound: Site, records: PatientServer, browsers: Browsers, tmp_path: pathlib.Path
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("steps.kit.records.LEASE_WAIT_SECONDS", 0.1)
        with writer_lease(records.url, "another-run", 1):
            found = judged(OUT, platform(tmp_path, sound.url, records.url), browsers, tmp_path)
    assert found.outcome("eu") is Outcome.ERROR
    assert "one run at a time writes synthetic records" in told(found)[0]


def test_an_engine_that_the_policy_asks_for_and_nobody_installed_leaves_its_check_open(
    sound: Site, records: PatientServer, browsers: Browsers, tmp_path: pathlib.Path
) -> None:
    asked = platform(tmp_path, sound.url, records.url)
    found = judged(
        DOWN, ruled(asked, "browser", engines=("chromium", "firefox")), browsers, tmp_path
    )
    assert found.outcome("eu") is Outcome.INCONCLUSIVE
    assert len(wrong(found)) == 1
    assert len(not_run(handed_over(tmp_path))) == 2


def test_without_the_section_browser_a_check_says_which_is_missing(tmp_path: pathlib.Path) -> None:
    where = platform(tmp_path, "http://127.0.0.1:9", "http://127.0.0.1:8")
    settings = where.environment.settings.model_copy(update={"browser": None})
    bare = dataclasses.replace(where.environment, settings=settings)
    with pytest.raises(NotDescribedError, match="section browser"):
        by_id(DOWN, dataclasses.replace(where, environment=bare))


def event(
    kind: str, what: str = "", where: str = "a.example/x", value: float = 0.0, text: str = ""
) -> Event:
    return Event(kind, what, where, value, text)


RULES: dict[str, tuple[list[Event], dict[str, Any]]] = {
    "nothing": ([], {}),
    "an answer that the walk is about": ([event("failed request", "GET 401")], {}),
    "another answer": ([event("failed request", "GET 403")], {}),
    "the same error twice": ([event("console error", "TypeError")] * 2, {}),
    "six places": ([event("console error", "error", f"a.example/{n}") for n in range(6)], {}),
    "two violations": ([event("policy violation", "script-src")] * 2, {}),
    "a task as long as it may be": ([event("long task", value=200.0)], {}),
    "a longer task": ([event("long task", value=201.0), event("long task", value=50.0)], {}),
    "shifts at the limit": ([event("layout shift", value=0.05)] * 2, {}),
    "shifts over the limit": ([event("layout shift", value=0.06)] * 2, {}),
    "a kind that is advisory": ([event("dialog", "alert")], {"events": {"dialog": "advisory"}}),
    "an exception": (
        [event("console error", "error", text="known noise")],
        {
            "allowed": (
                AllowedEvent(
                    kind="console error", where="a.example/.*", text="noise", reason="old"
                ),
            )
        },
    ),
    "an exception for another text": (
        [event("console error", "error", text="new")],
        {
            "allowed": (
                AllowedEvent(
                    kind="console error", where="a.example/.*", text="noise", reason="old"
                ),
            )
        },
    ),
    "an exception for another place": (
        [event("console error", "error", "b.example/x")],
        {"allowed": (AllowedEvent(kind="console error", where="a.example/.*", reason="old"),)},
    ),
    "an exception for another kind": (
        [event("dialog", "alert")],
        {"allowed": (AllowedEvent(kind="console error", where="a.example/.*", reason="old"),)},
    ),
}


@cases("events policy", RULES)
def test_what_happens_is_judged_by_the_policy(
    events: list[Event], policy: dict[str, Any], said: Said
) -> None:
    found = rules.happened("signs out", BrowserPolicy(**policy), events, ("401",))
    said([f"{one.outcome}: {one.sentence}" for one in found])

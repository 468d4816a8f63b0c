"""What is computed of the countdown's other items, and notices that are found or signed."""

from __future__ import annotations

import datetime as dt
import json
import pathlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from pydantic import SecretStr

from gates.decide.outcome import Outcome
from gates.decide.statements import Kind
from sandbox.systems.people import standins
from steps.countdown import countdown
from steps.kit.platform import Platform
from tests.golden import Said
from tests.probes.mail_server import mailbox
from tests.probes.servers import closed_port
from tests.probes.standin_server import ADMIN, StandIn, listening
from tests.steps.platforms import NOWHERE
from tests.steps.scenarios import a_run, judged, told
from tests.steps.statements.signing import Scene
from tests.tables import cases

P, F, U, E, N = (
    Outcome(one) for one in ("PASS", "FAIL", "INCONCLUSIVE", "ERROR", "NOT_APPLICABLE")
)
ITEMS, APPROVALS = "T1-GONOGO-2", "T1-GONOGO-4"
TOKEN = "sentinel-9f2-token"
_TIMES = re.compile(r"(\w+day )?\d{4}-\d\d-\d\d \S+")
WAIVED = {"T7-TEST-8": (F, "waived until Friday"), "T7-DOCS-2": (U, "waived until Friday")}


@cases(
    "found outcome",
    {
        "all are done, or do not apply": ({"A-1": P, "A-2": N}, P),
        "one is bad": ({"A-1": P, "A-2": F, "A-3": U}, F),
        "one could not be decided": ({"A-1": P, "A-2": U}, U),
        "one could not be measured": ({"A-1": P, "A-2": E}, U),
        "one did not run": ({"A-1": P, "A-2": None}, U),
        "nothing was asked": ({}, U),
        "a bad one is waived": ({"A-1": P, "T7-TEST-8": F}, P),
        "what is better than when it was waived": ({"A-1": P, "T7-TEST-8": U}, P),
        "what is worse than when it was waived": ({"A-1": P, "T7-DOCS-2": F}, F),
        "an error is not waived": ({"A-1": P, "T7-TEST-8": E}, U),
        "what did not run is not waived": ({"A-1": P, "T7-TEST-8": None}, U),
        "a waiver that nobody needs is not named": ({"T7-TEST-8": P}, P),
        "eleven are open": ({f"A-{n}": U for n in range(11)}, U),
    },
)  # fmt: skip
def test_what_is_computed(
    found: Mapping[str, Outcome | None], outcome: Outcome, said: Said
) -> None:
    judgement = countdown.completed("items", found, WAIVED)
    assert judgement.outcome is outcome
    said([judgement.sentence, judgement.data])


def computed(
    platform: Platform, folder: pathlib.Path, check: str, found: Mapping[str, Mapping[str, str]]
) -> list[str]:
    """Run a computed check in a run that found this of its other items."""
    folder.mkdir(exist_ok=True)
    (folder / "manifest.json").write_text(
        json.dumps({"checks": [*found, check], "regions": ["eu"]})
    )
    with a_run(platform, folder) as run:
        for item, by_region in found.items():
            regions = {
                region: {"judgements": [_judgement(word)] if word else [], "observations": []}
                for region, word in by_region.items()
            }
            if by_region:
                run.events.write("check_finished", check=item, regions=regions)
        return told(judged(check, platform, run=run))


def _judgement(word: str) -> dict[str, Any]:
    return {"outcome": word, "rule": "r", "subject": "s", "sentence": "it is so"}


def test_the_results_of_the_same_run_decide_and_waived_ones_are_named(
    tmp_path: pathlib.Path, said: Said
) -> None:
    scene = Scene(tmp_path)
    platform, run = scene.platform, tmp_path / "run"
    sound: dict[str, Mapping[str, str]] = {"T7-TEST-8": {"eu": "PASS"}, "T7-DOCS-2": {"eu": "PASS"}}
    open_: dict[str, Mapping[str, str]] = {
        "T7-TEST-8": {"eu": "FAIL"},
        "T7-DOCS-2": {"eu": "PASS"},
        "T7-DOCS-3": {},
    }
    run.mkdir()
    found = [
        computed(platform, run / str(number), ITEMS, one)
        for number, one in enumerate((sound, open_, {}))
    ]
    approvals = {f"T1-GONOGO-{n}": {"eu": "PASS"} for n in range(5, 10)}
    found.append(computed(platform, run / "all", APPROVALS, approvals))
    lacking = {**approvals, "T1-GONOGO-7": {"eu": "INCONCLUSIVE"}}
    found.append(computed(platform, run / "four", APPROVALS, lacking))
    waive: dict[str, Any] = {
        "kind": Kind.WAIVE, "items": {"T7-TEST-8": "FAIL"}, "reason": "No devices.", "ticket": "UH-9",
        "expires_at": dt.datetime.now(dt.UTC).replace(microsecond=0) + dt.timedelta(days=2),
    }  # fmt: skip
    for who, role in (("rosa.keller", "release-manager"), ("quinn.adler", "qa-lead")):
        scene.sign(who, "T7-TEST-8", role=role, **waive)
    waived = {**open_, "T7-DOCS-3": {"eu": "PASS"}}
    found.append(computed(scene.platform, run / "waived", ITEMS, waived))
    until = f"{waive['expires_at']:%Y-%m-%d %H:%M}"
    said(found, {until: "UNTIL"})


def test_outside_of_a_gate_nothing_is_complete(tmp_path: pathlib.Path, said: Said) -> None:
    said(told(judged(ITEMS, Scene(tmp_path).platform)))


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    with listening(standins.slack(SecretStr(ADMIN), {"token": TOKEN})) as url:
        yield StandIn(url)


@pytest.fixture
def slack(server: StandIn) -> Iterator[StandIn]:
    yield server
    server.straighten()


def noticed(folder: pathlib.Path, url: str, says: str = "announcement", **changed: Any) -> Scene:
    """Return a release whose announcement is looked for in Slack."""
    (folder / "token").write_text(TOKEN)
    reference = f"file:{folder / 'token'}"
    notice = {
        "channel": "deployments",
        "channel_id": "C2",
        "says": [says, "{release}"],
        "within": "4h",
    }
    slack = {
        "url": f"{url}/api", "token": reference, "channels": ["deployments"],
        "notices": {"T2H-TASK-8": {**notice, **changed}},
    }  # fmt: skip
    people = {
        "window": {"begins": "2026-01-31T22:00:00Z", "ends": "2026-02-01T06:00:00Z"},
        "pagerduty": {"token": reference, "schedules": ["A"], "services": ["B"]},
        "slack": slack, "roles": ["Release Manager"], "contacts": {},
    }  # fmt: skip
    return Scene(folder, sections={"people": people})


@cases(
    "bent changed",
    {
        "it is posted": ({}, {}),
        "nobody posted it": ({"posted": {"C2": ["Is everybody ready?"]}}, {}),
        "nothing was ever posted": ({"posted": {"C2": []}}, {}),
        "of another release": ({"posted": {"C2": ["Deployment announcement: v1.1.0"]}}, {}),
        "too long ago": ({}, {"within": "2h"}),
        "of a candidate": ({"posted": {"C2": ["Deployment announcement: v1.2.0-rc1"]}}, {}),
        "in a channel that is not there": ({}, {"channel_id": "C9"}),
    },
)
def test_an_announcement_is_found_in_slack(
    tmp_path: pathlib.Path,
    slack: StandIn,
    bent: dict[str, Any],
    changed: dict[str, Any],
    said: Said,
) -> None:
    slack.bend(**bent)
    found = told(judged("T2H-TASK-8", noticed(tmp_path, slack.url, **changed).platform))
    said([_TIMES.sub("…", one) for one in found])


def test_slack_that_is_down_proves_nothing_and_without_it_people_sign(
    tmp_path: pathlib.Path, said: Said
) -> None:
    down = noticed(tmp_path, NOWHERE.format(closed_port())).platform
    scene = Scene(tmp_path)
    before = told(judged("T2H-TASK-8", scene.platform))
    scene.sign("rosa.keller", "T2H-TASK-8")
    after = told(judged("T2H-TASK-8", scene.platform))
    said([_TIMES.sub("…", one) for one in (*told(judged("T2H-TASK-8", down)), *before, *after)])


def mailed(folder: pathlib.Path, port: int) -> Platform:
    """Return a release whose code freeze is looked for by mail."""
    scene = noticed(folder, NOWHERE.format(closed_port()))
    (folder / "password").write_text("sëcret")
    people = scene.sections["people"]
    people["ca_file"] = f"{folder / 'ca.pem'}"
    people["mail"] = {
        "host": "localhost", "port": port,
        "user": "gate@clinic.example", "password": f"file:{folder / 'password'}",
        "notices": {"T7-CODE-7": {"says": ["code freeze", "{release}"], "within": "4h"}},
    }  # fmt: skip
    return scene.platform


@cases(
    "subject hours",
    {
        "it was sent": (b"Code freeze for v1.2.0", 1),
        "of another release": (b"Code freeze for v1.1.0", 1),
        "too long ago": (b"Code freeze for v1.2.0", 5),
    },
)
def test_a_code_freeze_is_found_by_mail(
    tmp_path: pathlib.Path, subject: bytes, hours: int, said: Said
) -> None:
    at = dt.datetime.now(dt.UTC) - dt.timedelta(hours=hours)
    with mailbox(tmp_path, [(at, b"Subject: " + subject + b"\r\n\r\n")]) as port:
        found = told(judged("T7-CODE-7", mailed(tmp_path, port)))
    said([_TIMES.sub("…", one) for one in found])


def test_a_mail_server_that_is_down_proves_nothing(tmp_path: pathlib.Path, said: Said) -> None:
    with mailbox(tmp_path, []):
        pass  # for its authority
    port = closed_port()
    said(
        [
            one.replace(str(port), "PORT")
            for one in told(judged("T7-CODE-7", mailed(tmp_path, port)))
        ]
    )

"""Whom a deployment can call on, and the time that it takes."""

from __future__ import annotations

import datetime as dt
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from gates.decide.outcome import Decision, Outcome
from sandbox.systems.people import standins
from steps.kit.baseline import history_of
from steps.kit.check import Check
from steps.kit.platform import Platform
from steps.people import people as people_steps
from tests.gates.decide.histories import AT, Step, keep
from tests.golden import Said
from tests.probes.servers import closed_port
from tests.probes.standin_server import ADMIN, StandIn, listening
from tests.steps.platforms import NOWHERE, a_platform
from tests.steps.scenarios import judged, told
from tests.tables import cases

TOKEN = "sentinel-9f2-token"
ON_CALL, CHANNELS, CONTACTS = "T1-FINAL-2", "T1-FINAL-4", "CONTACT-1"
BEGINS = dt.datetime.now(dt.UTC).replace(minute=0, second=0, microsecond=0) + dt.timedelta(hours=2)
ENDS = BEGINS + dt.timedelta(hours=4)
GOOD = {"name": "Robin Release", "phone": "+49 30 5550101"}


@pytest.fixture(scope="module")
def rota() -> Iterator[StandIn]:
    with listening(standins.pagerduty(SecretStr(ADMIN), {"token": TOKEN})) as url:
        yield StandIn(url)


@pytest.fixture(scope="module")
def channels() -> Iterator[StandIn]:
    with listening(standins.slack(SecretStr(ADMIN), {"token": TOKEN})) as url:
        yield StandIn(url)


class Scene:
    """Checks of people against the two stand-ins."""

    def __init__(self, folder: pathlib.Path, rota: StandIn, channels: StandIn) -> None:
        self._folder = folder
        self.rota = rota
        self.channels = channels
        self.token = TOKEN

    def ask(self, check_id: str, **changed: Any) -> Check:
        token = self._folder / "token"
        token.write_text(self.token)
        reference = f"file:{token}"
        people = {
            "window": {"begins": BEGINS.isoformat(), "ends": ENDS.isoformat()},
            "pagerduty": {
                "url": self.rota.url,
                "token": reference,
                "schedules": ["PRIMARY"],
                "services": ["PLATFORM"],
            },
            "slack": {
                "url": f"{self.channels.url}/api",
                "token": reference,
                "channels": ["deployments", "incidents"],
            },
            "roles": ["Release Manager"],
            "contacts": {"Release Manager": GOOD},
        }
        regions = {"eu": NOWHERE.format(1)}
        return judged(check_id, a_platform(self._folder, regions, people={**people, **changed}))


@pytest.fixture
def scene(tmp_path: pathlib.Path, rota: StandIn, channels: StandIn) -> Iterator[Scene]:
    yield Scene(tmp_path, rota, channels)
    rota.straighten()
    channels.straighten()


PLACES = {
    f"{BEGINS + dt.timedelta(hours=hours):%Y-%m-%d %H:%M}": f"BEGINS + {hours} h"
    for hours in (4 - 7 * 24, *range(29), 30 * 24)
}
NOWHERE_AT_ALL = StandIn(NOWHERE.format(closed_port()))


def window(days: float) -> dict[str, Any]:
    moments = (("begins", BEGINS), ("ends", ENDS))
    return {"window": {name: (at + dt.timedelta(days=days)).isoformat() for name, at in moments}}


@cases(
    "check_id bent closed changed",
    {
        "a rota that reaches somebody": (ON_CALL, {}, {}, {}),
        "channels that somebody hears": (CHANNELS, {}, {}, {}),
        "a contact for each role": (CONTACTS, {}, {}, {}),
        "a gap": (ON_CALL, {"hours_without": [12.0, 24.0]}, {}, {}),
        "a gap on the last page": (ON_CALL, {"page": 1, "hours_without": [12.0, 24.0]}, {}, {}),
        "shifts on several pages": (ON_CALL, {"page": 1}, {}, {}),
        "an unknown schedule": (ON_CALL, {"schedules": []}, {}, {}),
        "the window of the deployment before": (ON_CALL, {}, {}, window(-7)),
        "the window of next month": (ON_CALL, {}, {}, window(30)),
        "nobody escalates": (CHANNELS, {"escalates": False}, {}, {}),
        "a service is disabled": (CHANNELS, {"services": {"PLATFORM": "disabled"}}, {}, {}),
        "a service is maintained": (CHANNELS, {"services": {"PLATFORM": "maintenance"}}, {}, {}),
        "a channel is archived": (CHANNELS, {}, {"archived": ["incidents"]}, {}),
        "a channel without the app": (CHANNELS, {}, {"without_app": ["incidents"]}, {}),
        "a channel is not there": (CHANNELS, {}, {"channels": ["deployments"]}, {}),
        "a role without a contact": (CONTACTS, {}, {}, {"contacts": {}}),
    },
)
def test_what_is_said_of_people(
    scene: Scene,
    check_id: str,
    bent: dict[str, Any],
    closed: dict[str, Any],
    changed: dict[str, Any],
    said: Said,
) -> None:
    scene.rota.bend(**bent)
    scene.channels.bend(**closed)
    said(told(scene.ask(check_id, **changed)), PLACES)


@pytest.mark.parametrize("check_id", [ON_CALL, CHANNELS])
def test_what_can_not_be_asked_is_our_error_and_shows_no_token(
    scene: Scene, tmp_path: pathlib.Path, check_id: str, said: Said
) -> None:
    scene.token = "sentinel-other"
    refused = told(scene.ask(check_id))
    said([refused, told(Scene(tmp_path, NOWHERE_AT_ALL, NOWHERE_AT_ALL).ask(check_id))])


def test_channels_that_can_not_be_read_hide_no_service_that_is_off(
    scene: Scene, said: Said
) -> None:
    scene.channels, channels = NOWHERE_AT_ALL, scene.channels
    scene.rota.bend(services={"PLATFORM": "disabled"})
    said(told(scene.ask(CHANNELS)))
    scene.channels = channels


def test_channels_behind_more_pages_than_are_read_are_not_called_missing(
    scene: Scene, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people_steps, "_MOST_PAGES", 1)
    said(told(scene.ask(CHANNELS)))


def test_slacks_own_client_reads_the_stand_in(channels: StandIn) -> None:
    import slack_sdk  # noqa: PLC0415 - half a second for whoever collects

    client = slack_sdk.WebClient(TOKEN, base_url=f"{channels.url}/api/")
    pages = client.conversations_list(limit=2)
    found = [channel["name"] for page in pages for channel in page["channels"]]
    assert found == ["general", "random", "deployments", "incidents"]


REGIONS = {"eu": NOWHERE.format(1), "us": NOWHERE.format(2)}
ALWAYS = {"opens": "Monday 00:00", "closes": "Monday 00:00"}


def a_deployment(
    folder: pathlib.Path, *, window: dict[str, str] | None = None, minutes_ago: float = 40
) -> Platform:
    sections: dict[str, Any] = {"state": {"url": "state"}}
    if window is not None:
        sections["deployment"] = {"windows": [window]}
    platform = a_platform(folder, REGIONS, **sections)
    minutes = (dt.datetime.now(dt.UTC) - AT).total_seconds() / 60 - minutes_ago
    said = {"1.1": dict.fromkeys(REGIONS, Decision.GO)}
    keep(history_of(platform), Step(minutes, said))
    return platform


def checked(platform: Platform) -> Check:
    return judged("TIME-1", platform)


def test_a_deployment_in_time_passes_and_tells_of_a_phase_over_its_plan(
    tmp_path: pathlib.Path,
) -> None:
    check = checked(a_deployment(tmp_path, window=ALWAYS))
    judgement = check.noted()["us"].judgements[0]
    assert judgement.outcome is Outcome.PASS
    assert judgement.data["remark"] == "phase 2 has taken 40 min, planned are 20 min: 20 min over."


def test_a_try_of_last_week_has_taken_nothing_of_this_one(tmp_path: pathlib.Path) -> None:
    check = checked(a_deployment(tmp_path, window=ALWAYS, minutes_ago=7 * 24 * 60))
    judgement = check.noted()["us"].judgements[0]
    assert judgement.outcome is Outcome.PASS
    assert "has taken" not in judgement.sentence + str(judgement.data)


def test_a_window_that_closes_too_soon_fails(tmp_path: pathlib.Path) -> None:
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=30)
    opened = soon + dt.timedelta(hours=1)
    window = {"opens": f"{opened:%A %H:%M}", "closes": f"{soon:%A %H:%M}"}
    check = checked(a_deployment(tmp_path, window=window))
    assert {check.outcome(region) for region in REGIONS} == {Outcome.FAIL}


def test_a_damaged_history_is_an_error_and_no_finding_about_time(tmp_path: pathlib.Path) -> None:
    platform = a_deployment(tmp_path, window=ALWAYS)
    record = next((tmp_path / "state").rglob("000002.json"))
    record.write_text(record.read_text().replace('"eu": "GO"', '"eu": "HOLD"'))
    check = checked(platform)
    assert {check.outcome(region) for region in REGIONS} == {Outcome.ERROR}
    assert "does not match its digest" in check.noted()["eu"].judgements[0].sentence


OPEN = {"status": "triggered", "urgency": "high"}
INCIDENTS: dict[str, tuple[dict[str, Any], Outcome]] = {
    "none": ({}, Outcome.PASS),
    "an urgent one is triggered": ({"incidents": [OPEN]}, Outcome.FAIL),
    "somebody has acknowledged it": (
        {"incidents": [{**OPEN, "status": "acknowledged"}]},
        Outcome.FAIL,
    ),
    "one that is not urgent": ({"incidents": [{**OPEN, "urgency": "low"}]}, Outcome.PASS),
    "one of another service": ({"incidents": [{**OPEN, "service": "OTHER"}]}, Outcome.PASS),
    "a service in maintenance": ({"services": {"PLATFORM": "maintenance"}}, Outcome.INCONCLUSIVE),
    "no such service": ({"services": {}}, Outcome.ERROR),
}


@cases("bent outcome", INCIDENTS)
def test_an_urgent_incident_that_is_open_is_seen(
    scene: Scene, bent: dict[str, Any], outcome: Outcome
) -> None:
    scene.rota.bend(**bent)
    assert scene.ask("H24-2").outcome("eu") is outcome

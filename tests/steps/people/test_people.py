"""Whom a deployment can call on, and the time that it takes."""

from __future__ import annotations

import datetime as dt
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
import slack_sdk
from pydantic import SecretStr

from gates.decide.outcome import Decision, Outcome
from sandbox.systems.people import standins
from steps.kit.baseline import history_of
from steps.kit.check import Check
from steps.kit.platform import Platform
from steps.people import people as people_steps
from tests.gates.decide.histories import AT, Step, keep
from tests.probes.servers import closed_port
from tests.probes.standin_server import ADMIN, StandIn, listening
from tests.steps.platforms import NOWHERE, a_platform
from tests.steps.scenarios import judged
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


def sentences(check: Check) -> list[str]:
    found = check.noted()["eu"].judgements
    return [one.sentence for one in found if one.outcome is not Outcome.PASS]


@pytest.mark.parametrize("check_id", [ON_CALL, CHANNELS, CONTACTS])
def test_people_who_can_be_reached_pass(scene: Scene, check_id: str) -> None:
    assert scene.ask(check_id).outcome("eu") is Outcome.PASS


GAP = f"until {BEGINS + dt.timedelta(hours=12):%Y-%m-%d %H:%M} UTC"
BENT_ROTA: dict[str, tuple[str, dict[str, Any], str]] = {
    "a gap": (ON_CALL, {"hours_without": [12.0, 24.0]}, GAP),
    "a gap on the last page": (ON_CALL, {"page": 1, "hours_without": [12.0, 24.0]}, GAP),
    "an unknown schedule": (ON_CALL, {"schedules": []}, "schedule PRIMARY"),
    "nobody escalates": (CHANNELS, {"escalates": False}, "has nobody on call now"),
    "disabled": (CHANNELS, {"services": {"PLATFORM": "disabled"}}, "PLATFORM is disabled"),
    "maintained": (CHANNELS, {"services": {"PLATFORM": "maintenance"}}, "PLATFORM is maintenance"),
}


@pytest.mark.parametrize(("check_id", "bent", "said"), BENT_ROTA.values(), ids=BENT_ROTA)
def test_a_rota_that_reaches_nobody_fails(
    scene: Scene, check_id: str, bent: dict[str, Any], said: str
) -> None:
    scene.rota.bend(**bent)
    check = scene.ask(check_id)
    assert check.outcome("eu") is Outcome.FAIL
    assert said in sentences(check)[0]


def test_shifts_are_read_to_the_last_page(scene: Scene) -> None:
    scene.rota.bend(page=1)
    assert sentences(scene.ask(ON_CALL)) == []


@cases("days", {"the one before": -7, "one of next month": 30})
def test_the_window_of_another_deployment_says_nothing_of_this_one(
    scene: Scene, days: float
) -> None:
    begins, ends = BEGINS + dt.timedelta(days=days), ENDS + dt.timedelta(days=days)
    check = scene.ask(ON_CALL, window={"begins": begins.isoformat(), "ends": ends.isoformat()})
    assert check.outcome("eu") is Outcome.INCONCLUSIVE
    assert "it is not this deployment's" in sentences(check)[0]


@cases(
    "bent said",
    {
        "archived": ({"archived": ["incidents"]}, "Slack channel #incidents is closed, or the app"),
        "the app is not a member": (
            {"without_app": ["incidents"]},
            "Slack channel #incidents is closed, or the app",
        ),
        "not there": ({"channels": ["deployments"]}, "Slack channel #incidents is not there"),
    },
)
def test_a_channel_that_nobody_hears_fails(scene: Scene, bent: dict[str, Any], said: str) -> None:
    scene.channels.bend(**bent)
    found = sentences(scene.ask(CHANNELS))
    assert len(found) == 1
    assert found[0].startswith(said)


@pytest.mark.parametrize("check_id", [ON_CALL, CHANNELS])
def test_a_refused_token_is_our_error_and_shows_no_token(scene: Scene, check_id: str) -> None:
    scene.token = "sentinel-other"
    check = scene.ask(check_id)
    assert check.outcome("eu") is Outcome.ERROR
    assert "sentinel" not in str(check.noted())


@pytest.mark.parametrize("check_id", [ON_CALL, CHANNELS])
def test_an_instrument_that_does_not_answer_is_an_error(
    check_id: str, tmp_path: pathlib.Path
) -> None:
    nowhere = StandIn(NOWHERE.format(closed_port()))
    assert Scene(tmp_path, nowhere, nowhere).ask(check_id).outcome("eu") is Outcome.ERROR


def test_channels_that_can_not_be_read_hide_no_service_that_is_off(scene: Scene) -> None:
    scene.channels = StandIn(NOWHERE.format(closed_port()))
    scene.rota.bend(services={"PLATFORM": "disabled"})
    assert "PagerDuty service PLATFORM is disabled" in sentences(scene.ask(CHANNELS))


def test_channels_behind_more_pages_than_are_read_are_not_called_missing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people_steps, "_MOST_PAGES", 1)
    check = scene.ask(CHANNELS)
    assert check.outcome("eu") is Outcome.INCONCLUSIVE
    assert "more pages of channels" in sentences(check)[0]


def test_a_role_without_a_contact_fails(scene: Scene) -> None:
    check = scene.ask(CONTACTS, contacts={})
    assert sentences(check) == ["Release Manager: nobody is named"]


def test_slacks_own_client_reads_the_stand_in(channels: StandIn) -> None:
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

from __future__ import annotations

import datetime as dt
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import slack_sdk
from pydantic import SecretStr

from gates.decide.outcome import Outcome
from sandbox.systems.people import pagerduty, slack
from steps.kit.check import Check
from steps.people import rota as people
from steps.people.rota import Backing
from tests.probes.servers import closed_port
from tests.probes.standin_server import ADMIN, StandIn, listening
from tests.steps.platforms import NOWHERE, a_platform

TOKEN = "sentinel-9f2-token"
BEGINS = dt.datetime.now(dt.UTC).replace(minute=0, second=0, microsecond=0) + dt.timedelta(hours=2)
ENDS = BEGINS + dt.timedelta(hours=4)
GOOD = {"name": "Robin Release", "phone": "+49 30 5550101"}


@pytest.fixture(scope="module")
def rota() -> Iterator[StandIn]:
    with listening(pagerduty.make_app(SecretStr(ADMIN), {"token": TOKEN})) as url:
        yield StandIn(url)


@pytest.fixture(scope="module")
def channels() -> Iterator[StandIn]:
    with listening(slack.make_app(SecretStr(ADMIN), {"token": TOKEN})) as url:
        yield StandIn(url)


class Scene:
    """Checks of people against the two stand-ins."""

    def __init__(self, folder: pathlib.Path, rota: StandIn, channels: StandIn) -> None:
        self._folder = folder
        self.rota = rota
        self.channels = channels
        self.token = TOKEN

    def ask(self, question: Callable[[Backing], None], **changed: Any) -> Check:
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
        platform = a_platform(self._folder, {"eu": NOWHERE.format(1)}, people={**people, **changed})
        check = Check("T1-X-1", platform.regions)
        question(Backing(platform, check))
        return check


@pytest.fixture
def scene(tmp_path: pathlib.Path, rota: StandIn, channels: StandIn) -> Iterator[Scene]:
    yield Scene(tmp_path, rota, channels)
    rota.straighten()
    channels.straighten()


def sentences(check: Check) -> list[str]:
    return [
        judgement.sentence
        for judgement in check.noted()["eu"].judgements
        if judgement.outcome is not Outcome.PASS
    ]


def everything(backing: Backing) -> None:
    backing.somebody_on_call()
    backing.channels_open()
    backing.services_take_incidents()
    backing.contacts_named()


def test_people_who_can_be_reached_pass(scene: Scene) -> None:
    assert scene.ask(everything).outcome("eu") is Outcome.PASS


def test_a_gap_in_the_rota_fails_and_says_from_when(scene: Scene) -> None:
    scene.rota.bend(hours_without=[12.0, 24.0])
    check = scene.ask(Backing.somebody_on_call)
    assert check.outcome("eu") is Outcome.FAIL
    gap = BEGINS + dt.timedelta(hours=12)
    assert f"until {gap:%Y-%m-%d %H:%M} UTC" in sentences(check)[0]


@pytest.mark.parametrize("days", [-7, 30], ids=["the one before", "one of next month"])
def test_the_window_of_another_deployment_says_nothing_of_this_one(
    scene: Scene, days: float
) -> None:
    begins, ends = BEGINS + dt.timedelta(days=days), ENDS + dt.timedelta(days=days)
    window = {"begins": begins.isoformat(), "ends": ends.isoformat()}
    check = scene.ask(Backing.somebody_on_call, window=window)
    assert check.outcome("eu") is Outcome.INCONCLUSIVE
    assert "it is not this deployment's" in sentences(check)[0]


def test_a_schedule_that_nobody_knows_fails(scene: Scene) -> None:
    scene.rota.bend(schedules=[])
    assert scene.ask(Backing.somebody_on_call).outcome("eu") is Outcome.FAIL


def test_shifts_are_read_to_the_last_page(scene: Scene) -> None:
    scene.rota.bend(page=1)
    assert sentences(scene.ask(Backing.somebody_on_call)) == []
    scene.rota.bend(page=1, hours_without=[12.0, 24.0])
    assert scene.ask(Backing.somebody_on_call).outcome("eu") is Outcome.FAIL


def test_a_service_whose_escalation_policy_has_nobody_on_call_reaches_nobody(scene: Scene) -> None:
    scene.rota.bend(escalates=False)
    check = scene.ask(Backing.services_take_incidents)
    assert check.outcome("eu") is Outcome.FAIL
    assert "has nobody on call now" in sentences(check)[0]


@pytest.mark.parametrize("status", ["disabled", "maintenance"])
def test_a_service_that_takes_no_incidents_fails(scene: Scene, status: str) -> None:
    scene.rota.bend(services={"PLATFORM": status})
    check = scene.ask(Backing.services_take_incidents)
    assert sentences(check) == [f"PagerDuty service PLATFORM is {status}"]


@pytest.mark.parametrize(
    ("bent", "said"),
    [
        ({"archived": ["incidents"]}, "Slack channel #incidents is closed, or the app"),
        ({"without_app": ["incidents"]}, "Slack channel #incidents is closed, or the app"),
        ({"channels": ["deployments"]}, "Slack channel #incidents is not there"),
    ],
    ids=["archived", "the app is no member", "not there"],
)
def test_a_channel_that_nobody_hears_fails(scene: Scene, bent: dict[str, Any], said: str) -> None:
    scene.channels.bend(**bent)
    found = sentences(scene.ask(Backing.channels_open))
    assert len(found) == 1
    assert found[0].startswith(said)


@pytest.mark.parametrize("question", [Backing.somebody_on_call, Backing.channels_open])
def test_a_refused_token_is_our_error_and_shows_no_token(
    scene: Scene, question: Callable[[Backing], None]
) -> None:
    scene.token = "sentinel-other"
    check = scene.ask(question)
    assert check.outcome("eu") is Outcome.ERROR
    assert "sentinel" not in str(check.noted())


@pytest.mark.parametrize("question", [Backing.somebody_on_call, Backing.channels_open])
def test_nobody_who_answers_is_an_error(
    question: Callable[[Backing], None], tmp_path: pathlib.Path
) -> None:
    nowhere = StandIn(NOWHERE.format(closed_port()))
    away = Scene(tmp_path, nowhere, nowhere)
    assert away.ask(question).outcome("eu") is Outcome.ERROR


@pytest.mark.parametrize(
    ("contact", "said"),
    [
        (None, "nobody is named"),
        ({**GOOD, "name": "TBD"}, "the name is a placeholder"),
        ({**GOOD, "phone": "+1-XXX-XXX-XXXX"}, "the telephone number is a placeholder"),
        ({**GOOD, "phone": "+00 000 0000"}, "the telephone number is a placeholder"),
        ({"name": "Robin"}, "there is no way to reach them"),
        ({"name": "Robin", "email": "robin@example.org"}, "the e-mail address is a placeholder"),
        ({"name": "Robin", "email": "robin@mail.invalid"}, "the e-mail address is a placeholder"),
        ({"name": "Robin", "email": "robin"}, "the e-mail address is none"),
    ],
    ids=[
        "none",
        "to be determined",
        "X for digits",
        "zeros for digits",
        "no way",
        "of a document",
        "of a test",
        "no address",
    ],
)
def test_a_contact_that_is_none_fails(
    scene: Scene, contact: dict[str, str] | None, said: str
) -> None:
    contacts = {} if contact is None else {"Release Manager": contact}
    check = scene.ask(Backing.contacts_named, contacts=contacts)
    assert check.outcome("eu") is Outcome.FAIL
    assert said in sentences(check)[0]


@pytest.mark.parametrize("name", ["Na Li", "Jamie Foxx", "Robin van Todo", "On-Call Rotation"])
def test_a_name_that_holds_a_placeholders_letters_is_a_name(scene: Scene, name: str) -> None:
    contacts = {"Release Manager": {**GOOD, "name": name}}
    assert sentences(scene.ask(Backing.contacts_named, contacts=contacts)) == []


@pytest.mark.parametrize(
    "name", ["N/A", "na", "none", "X", "XXX", "Name XX", "tbd (ops)", "??", "-"]
)
def test_a_placeholder_is_no_name(scene: Scene, name: str) -> None:
    contacts = {"Release Manager": {**GOOD, "name": name}}
    assert "a placeholder" in sentences(scene.ask(Backing.contacts_named, contacts=contacts))[0]


def test_channels_behind_more_pages_than_are_read_are_not_called_missing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "_MOST_PAGES", 1)
    check = scene.ask(Backing.channels_open)
    assert check.outcome("eu") is Outcome.INCONCLUSIVE
    assert "more pages of channels" in sentences(check)[0]


class TestOfficialClient:
    """The stand-in speaks what Slack's own client reads."""

    def test_slack(self, channels: StandIn) -> None:
        client = slack_sdk.WebClient(TOKEN, base_url=f"{channels.url}/api/")
        found = [
            channel["name"]
            for page in client.conversations_list(limit=2)
            for channel in page["channels"]
        ]
        assert found == ["general", "random", "deployments", "incidents"]

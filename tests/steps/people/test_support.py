"""The support desk: what of its tickets is a complaint, and when few of them say nothing."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

import probes
from gates.decide.outcome import Outcome
from probes.observation import Deadline, FailureKind
from sandbox.systems.people import standins
from settings.people import SupportDesk
from steps.kit.findings import Subject
from steps.kit.platform import Platform
from steps.people.doctor import examine_support
from tests.probes.servers import Behaviour, answer, closed_port, serving
from tests.probes.standin_server import ADMIN, StandIn, listening
from tests.steps.platforms import NOWHERE, a_platform
from tests.steps.scenarios import judged, told
from tests.tables import cases

TOKEN = "sentinel-9f2-token"
NOW = dt.datetime.now(dt.UTC).isoformat()
MINUTE = dt.timedelta(minutes=1)
CRITICAL = standins.CRITICAL
QUIET = (
    "INCONCLUSIVE: 0 complaints about critical functionality since the traffic switch, 0 may come; "
)
COMPLAINT = {"at": NOW, "tags": [CRITICAL, "login"]}
SYNTHETIC = {"at": NOW, "tags": [CRITICAL, "synthetic-tenant"]}


EU = {"eu": NOWHERE.format(1)}


def live(platform: Platform) -> Platform:
    """Return a platform whose traffic was switched just now."""
    return dataclasses.replace(platform, switched_at=dt.datetime.fromisoformat(NOW) - MINUTE)


@pytest.fixture(scope="module")
def desk() -> Iterator[StandIn]:
    with listening(standins.support(SecretStr(ADMIN), {"token": TOKEN})) as url:
        yield StandIn(url)


def described(folder: pathlib.Path, url: str, **changed: Any) -> dict[str, Any]:
    """Return the section of an environment."""
    (folder / "token").write_text(changed.pop("token", TOKEN))
    return {
        "url": url,
        "user": standins.SUPPORT_AGENT,
        "token": f"file:{folder / 'token'}",
        "critical": [CRITICAL],
        "synthetic": ["synthetic-tenant"],
        **changed,
    }


@cases(
    "bent changed words",
    {
        "nobody complains": ({}, {}, "PASS: 0 complaints"),
        "a question is no complaint": ({"new": [{"at": NOW, "tags": ["how-to"]}]}, {}, "PASS: 0"),
        "a synthetic tenant complains": ({"new": [SYNTHETIC]}, {}, "PASS: 0 complaints"),
        "somebody complains": ({"new": [COMPLAINT]}, {}, "FAIL: 1 complaints"),
        "more than a page complain": ({"new": [COMPLAINT] * 11}, {}, "FAIL: 11 complaints"),
        "one ticket with two of the tags": (
            {"new": [COMPLAINT]},
            {"critical": [CRITICAL, "login"]},
            "FAIL: 1 complaints",
        ),
        "a tag that no ticket ever carried": (
            {},
            {"critical": [CRITICAL, "mistyped"]},
            QUIET + "but no ticket ever carried the tag mistyped",
        ),
        "a desk into which nothing comes": (
            {"old": [{"hours_ago": 900, "tags": [CRITICAL]}]},
            {},
            QUIET + "but the desk gets no tickets",
        ),
        "a token that is refused": ({}, {"token": "another"}, "ERROR: the support desk"),
    },
)
def test_complaints_since_the_switch(
    desk: StandIn, tmp_path: pathlib.Path, bent: dict[str, Any], changed: dict[str, Any], words: str
) -> None:
    desk.bend(**bent)
    section = described(tmp_path, desk.url, **changed)
    found = told(judged("XV-USER-4", live(a_platform(tmp_path, EU, support=section))))
    desk.straighten()
    assert [one for one in found if one.startswith(words)] == found != []
    assert TOKEN not in str(found)


def test_a_desk_that_is_down_says_nothing(tmp_path: pathlib.Path) -> None:
    section = described(tmp_path, NOWHERE.format(closed_port()))
    platform = a_platform(tmp_path, EU, support=section)
    assert judged("XV-USER-4", platform).outcome("eu") is Outcome.ERROR


def test_a_tag_that_nobody_uses_is_what_the_doctor_says(
    desk: StandIn, tmp_path: pathlib.Path
) -> None:
    described_so = described(tmp_path, desk.url, critical=[CRITICAL, "mistyped"])
    platform = live(a_platform(tmp_path, EU, support=described_so))
    section = platform.section(SupportDesk)
    found = examine_support(Subject(platform, release_known=True), section)
    assert [one.sentence for one in found][1:] == ["no ticket ever carried the tag mistyped"]


def throttled(times: int) -> Behaviour:
    """Refuse so many asks until there is room, and then answer with one ticket."""
    ticket = {"id": 7, "created_at": NOW, "tags": [CRITICAL]}
    good = answer(json.dumps({"count": 1, "results": [ticket], "next_page": None}).encode())
    busy = answer(b"{}", status="429 Busy", headers={"Retry-After": "0"})
    left = iter([busy] * times)
    return lambda connection, over: next(left, good)(connection, over)  # noqa: PLW0108 - each connection the next


@cases("times kind", {"once": (1, None), "again and again": (9, FailureKind.SERVER_BUSY)})
def test_a_desk_that_has_no_room_is_asked_once_more(times: int, kind: FailureKind | None) -> None:
    since = dt.datetime.fromisoformat(NOW)
    wanted = probes.zendesk.Wanted([CRITICAL], [], since, since)
    with serving(throttled(times)) as server:
        target = probes.zendesk.target(server.url, "gate", SecretStr(TOKEN))
        found = probes.zendesk.tickets(target, wanted, deadline=Deadline.after(5))
    assert (found.failure and found.failure.kind) == kind
    assert found.value is None or found.value.written == (since,)


def test_a_search_that_lacks_some_of_what_it_counts_is_not_believed() -> None:
    since = dt.datetime.fromisoformat(NOW)
    wanted = probes.zendesk.Wanted([CRITICAL], [], since, since)
    with serving(answer(b'{"count": 2, "results": [], "next_page": null}')) as server:
        target = probes.zendesk.target(server.url, "gate", SecretStr(TOKEN))
        found = probes.zendesk.tickets(target, wanted, deadline=Deadline.after(5))
    assert found.failure is not None
    assert found.failure.kind is FailureKind.UNUSABLE_ANSWER

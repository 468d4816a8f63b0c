"""When one may deploy: the checks by their ids, against a calendar as the local platform serves it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import pathlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from environments.release_file import path_of
from gates.decide.outcome import Outcome
from probes.observation import utc_now
from sandbox.systems.people import standins
from settings.people import Calendar
from steps.kit.findings import Subject
from steps.kit.platform import Platform
from steps.people import windows
from steps.people.doctor import examine_calendars
from tests.environments.test_release_file import WHOLE
from tests.golden import Said
from tests.probes.servers import closed_port
from tests.probes.standin_server import ADMIN, StandIn, listening
from tests.steps.platforms import NOWHERE, a_platform
from tests.steps.scenarios import judged, told
from tests.steps.statements.signing import Scene
from tests.tables import cases

TOKEN = "sentinel-9f2-token"
ALWAYS = {"opens": "Monday 00:00", "closes": "Monday 00:00"}
PRIMARY = {"opens": "Saturday 22:00", "closes": "Sunday 06:00"}
_TIMES = re.compile(r"\w+day (…|\d{4}-\d\d-\d\d( \d\d:\d\d)?|\d\d:\d\d)")


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    with listening(standins.calendar(SecretStr(ADMIN), {"token": TOKEN})) as url:
        yield StandIn(url)


@pytest.fixture
def audits(server: StandIn) -> Iterator[StandIn]:
    yield server
    server.straighten()


def a_platform_with(folder: pathlib.Path, url: str, **changed: Any) -> Platform:
    """Return a platform with one calendar."""
    (folder / "token").write_text(changed.pop("token", TOKEN))
    feed = {"url": f"{url}/audits.ics", "token": f"file:{folder / 'token'}"}
    calendar = {"feeds": {"audits": {**feed, "time_zone": "Europe/Berlin"}}, **changed}
    sections: dict[str, Any] = {"deployment": {"windows": [ALWAYS]}, "calendar": calendar}
    return a_platform(folder, {"eu": NOWHERE.format(1)}, **sections)


def asked(folder: pathlib.Path, check_id: str, url: str, **changed: Any) -> list[str]:
    """Return what a check says, without the times of today."""
    found = told(judged(check_id, a_platform_with(folder, url, **changed)))
    return [_TIMES.sub("…", one) for one in found]


def entry(*lines: str, uid: str = "more") -> str:
    stamp = f"DTSTAMP:{utc_now():%Y%m%dT%H%M%SZ}"
    return "\n".join(["BEGIN:VEVENT", f"UID:{uid}", stamp, *lines, "END:VEVENT"])


def stamped(hours: float) -> str:
    return f"{utc_now() + dt.timedelta(hours=hours):%Y%m%dT%H%M%S}"


FOR_EVER = entry(f"DTSTART:{stamped(-24)}Z", "RRULE:FREQ=SECONDLY")


@cases(
    "bent changed",
    {
        "nothing is in the way": ({}, {}),
        "an audit began yesterday": ({"audit_in_days": -1.0}, {}),
        "nobody wrote to it for a year": ({"written_days_ago": 365.0}, {}),
        "it breaks off": ({"cut_at": 300}, {}),
        "a rule that takes for ever": ({"more": FOR_EVER}, {}),
        "the token is refused": ({}, {"token": "sentinel-other"}),
    },
)
def test_what_is_said_of_a_calendar(
    tmp_path: pathlib.Path,
    audits: StandIn,
    bent: dict[str, Any],
    changed: dict[str, Any],
    said: Said,
) -> None:
    audits.bend(**bent)
    said(asked(tmp_path, "WIN-2", audits.url, **changed))


@cases(
    "changed levels",
    {"with its token": ({}, {"OK"}), "with another": ({"token": "other"}, {"BAD"})},
)
def test_the_doctor_reads_every_calendar(
    tmp_path: pathlib.Path, audits: StandIn, changed: dict[str, Any], levels: set[str]
) -> None:
    platform = a_platform_with(tmp_path, audits.url, **changed)
    subject = Subject(platform, release_known=True)
    found = examine_calendars(subject, platform.section(Calendar))
    assert {one.level.name for one in found} == levels


def test_a_blackout_day_is_today(
    tmp_path: pathlib.Path, audits: StandIn, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In the evening a deployment reaches into the next day, which is one more.
    noon = utc_now().replace(hour=12)
    monkeypatch.setattr(windows, "utc_now", lambda: noon)
    always = {"name": "Stocktaking", "first": "Jan 1", "last": "Dec 31"}
    found = asked(tmp_path, "WIN-2", audits.url, blackouts=[always])
    said([one for one in found if "blackout" in one])


def test_a_calendar_that_is_unreachable_or_has_ended_is_never_free(
    tmp_path: pathlib.Path, audits: StandIn, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = asked(tmp_path, "WIN-2", NOWHERE.format(closed_port()))
    ended = standins._calendar(standins.CalendarState(), utc_now() - dt.timedelta(days=50))
    only = "\r\n".join(ended.replace("RRULE:FREQ=YEARLY\r\n", "").splitlines())
    monkeypatch.setattr(standins, "_calendar", lambda *_: only)
    said([nowhere, asked(tmp_path, "WIN-2", audits.url)])


@cases(
    "now phase start",
    {
        "at T-2h the planned start counts": ("2026-01-31T20:00:00", None, WHOLE["planned_start"]),
        "a planned start that is over": ("2026-02-01T02:01:00", None, WHOLE["planned_start"]),
        "a planned start too late": ("2026-01-31T20:00:00", None, "2026-02-01T02:01:00Z"),
        "without a planned start it is now": ("2026-01-31T20:00:00", None, None),
        "a release.yaml that can't be read": ("2026-01-31T22:00:00", None, "tomorrow"),
        "in a phase it is now": ("2026-01-31T21:59:00", 3, WHOLE["planned_start"]),
        "after the last phase": ("2026-02-01T04:00:00", 7, WHOLE["planned_start"]),
    },
)
def test_of_which_start_the_window_is_asked(
    tmp_path: pathlib.Path,
    now: str,
    phase: int | None,
    start: str | None,
    said: Said,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moment = dt.datetime.fromisoformat(now).replace(tzinfo=dt.UTC)
    monkeypatch.setattr(windows, "utc_now", lambda: moment)
    platform = a_platform(tmp_path, {"eu": NOWHERE.format(1)}, deployment={"windows": [PRIMARY]})
    if start is not None:
        file = path_of(platform.environment, platform.release)
        file.parent.mkdir(parents=True)
        file.write_text(yaml.safe_dump({**WHOLE, "planned_start": start}), encoding="utf-8")
    found = told(judged("WIN-1", dataclasses.replace(platform, phase=phase)))
    said(found, {str(tmp_path): "FOLDER"})


def test_outside_of_the_window_one_may_deploy_while_the_vice_president_s_approval_lasts(
    tmp_path: pathlib.Path, said: Said
) -> None:
    scene = Scene(tmp_path, sections={"deployment": {"windows": [_closed_today()]}})
    scene.release["planned_start"] = utc_now().isoformat()
    scene.write()
    before = told(judged("WIN-1", scene.platform))
    hours: dict[str, Any] = {"expires_at": utc_now().replace(microsecond=0) + dt.timedelta(hours=3)}
    scene.sign("vera.ito", "WIN-3", **hours)
    short = told(judged("WIN-1", scene.platform))
    scene.sign("vera.ito", "WIN-3", expires_at=hours["expires_at"] + dt.timedelta(hours=9))
    long = told(judged("WIN-1", scene.platform))
    scene.key("vera.ito", revoked_from="2026-01-01T00:00:00Z")
    revoked = told(judged("WIN-1", scene.platform))
    said([_TIMES.sub("…", one) for one in (*before, *short, *long, *revoked)])


@cases("days outcome", {"on the day": (0, Outcome.PASS), "in five days": (5, Outcome.FAIL)})
def test_an_approval_opens_no_window_after_the_days_that_policy_gives_it(
    tmp_path: pathlib.Path, days: int, outcome: Outcome
) -> None:
    """Whatever end its signer wrote; WIN-3 counts for three days."""
    closed = {"opens": "Monday 00:00", "closes": "Monday 00:01"}
    scene = Scene(tmp_path, sections={"deployment": {"windows": [closed]}})
    scene.release["planned_start"] = (utc_now() + dt.timedelta(days=days)).isoformat()
    scene.write()
    scene.sign("vera.ito", "WIN-3", expires_at=utc_now() + dt.timedelta(days=300))
    assert judged("WIN-1", scene.platform).outcome("eu") is outcome


def _closed_today() -> dict[str, str]:
    opens = utc_now() + dt.timedelta(days=2)
    return {"opens": f"{opens:%A} 22:00", "closes": f"{opens + dt.timedelta(days=1):%A} 06:00"}

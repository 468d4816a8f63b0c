"""PagerDuty: who is on call when, and whether a service takes incidents."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping
from urllib.parse import quote, urlencode

from pydantic import SecretStr

from probes import api
from probes.http import HeaderValue, HttpTarget
from probes.observation import Deadline, Observation
from probes.prometheus_answers import read_time

_MOST = 100


@dataclasses.dataclass(frozen=True, slots=True)
class Shift:
    """Somebody is on call at the first level; who, never leaves this object."""

    begins: dt.datetime | None
    ends: dt.datetime | None
    """None: without an end."""


@dataclasses.dataclass(frozen=True, slots=True)
class Shifts:
    """The first level's shifts of a schedule."""

    shifts: tuple[Shift, ...]

    def facts(self) -> Mapping[str, object]:
        """Return how many there are."""
        return {"shifts": len(self.shifts)}


@dataclasses.dataclass(frozen=True, slots=True)
class Service:
    """A service that incidents go to."""

    status: str
    """`active`, `warning`, `critical`, `maintenance` or `disabled`."""
    has_escalation: bool

    def facts(self) -> Mapping[str, object]:
        """Return both: neither is private."""
        return {"status": self.status, "escalation policy": self.has_escalation}


def target(url: str, token: SecretStr, ca_file: str | None = None) -> HttpTarget:
    """Return PagerDuty's REST API with the gate's read-only key."""
    headers: dict[str, HeaderValue] = {
        "Authorization": SecretStr(f"Token token={token.get_secret_value()}"),
        "Accept": "application/vnd.pagerduty+json;version=2",
    }
    return HttpTarget(url, ca_file, headers)


def on_call(
    target: HttpTarget, schedule: str, since: dt.datetime, until: dt.datetime, *, deadline: Deadline
) -> Observation[Shifts]:
    """Read who is on call at the first level of a schedule between two times."""
    asked = {
        "schedule_ids[]": schedule,
        "since": since.isoformat(),
        "until": until.isoformat(),
        "limit": _MOST,
    }
    path = f"/oncalls?{urlencode(asked)}"
    return api.read(target, path, _shifts, probe="pagerduty", deadline=deadline)


def service(target: HttpTarget, service_id: str, *, deadline: Deadline) -> Observation[Service]:
    """Read whether a service takes incidents."""
    path = f"/services/{quote(service_id, safe='')}"
    return api.read(target, path, _service, probe="pagerduty", deadline=deadline)


def _shifts(body: object) -> Shifts:
    answer = api.mapping(body, "the answer")
    if answer.get("more"):
        raise api.UnusableAnswerError(f"There are more than {_MOST} shifts.")
    return Shifts(tuple(_first_level(api.sequence(answer.get("oncalls"), "oncalls"))))


def _first_level(entries: list[object]) -> Iterator[Shift]:
    for entry in entries:
        shift = api.mapping(entry, "a shift")
        if shift.get("escalation_level") == 1 and isinstance(shift.get("user"), Mapping):
            yield Shift(_time(shift.get("start")), _time(shift.get("end")))


def _time(value: object) -> dt.datetime | None:
    return None if value is None else read_time(value, "the time of a shift")


def _service(body: object) -> Service:
    one = api.mapping(api.mapping(body, "the answer").get("service"), "service")
    escalation = isinstance(one.get("escalation_policy"), Mapping)
    return Service(api.text(one.get("status"), "the service's status"), escalation)

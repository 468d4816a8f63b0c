"""PagerDuty: who is on call when, and whether a service takes incidents."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from urllib.parse import quote, urlencode

from pydantic import SecretStr

from probes import api
from probes.http import HeaderValue, HttpTarget
from probes.observation import EVERYTHING, Deadline, Observation, Shown

_MOST = 100


@dataclasses.dataclass(frozen=True, slots=True)
class Shift:
    """Somebody is on call at the first level; who, never leaves this object."""

    begins: dt.datetime | None
    ends: dt.datetime | None
    """None: without an end."""


@dataclasses.dataclass(frozen=True, slots=True)
class Shifts:
    """The first level's shifts of a schedule, or a page of them."""

    shifts: tuple[Shift, ...]
    more_from: int | None = None
    """Where the next page begins; None behind the last one."""

    def facts(self) -> Mapping[str, object]:
        """Return how many there are."""
        return {"shifts": len(self.shifts)}


@dataclasses.dataclass(frozen=True, slots=True)
class Service:
    """A service that incidents go to."""

    status: str
    """`active`, `warning`, `critical`, `maintenance` or `disabled`."""
    escalation_policy: str
    """Its id; empty without one."""

    def facts(self) -> Mapping[str, object]:
        """Return both: neither is private."""
        return {"status": self.status, "escalation policy": bool(self.escalation_policy)}


@dataclasses.dataclass(frozen=True, slots=True)
class Answering:
    """Who would be called now, at whatever level; who, never leaves this object."""

    people: int

    def facts(self) -> Mapping[str, object]:
        """Return their number."""
        return {"on call now": self.people}


@dataclasses.dataclass(frozen=True, slots=True)
class Incidents(Shown):
    """A service's urgent incidents that nobody has resolved; what they are about is not read."""

    KEPT = EVERYTHING

    open: int
    """At most a hundred are counted."""


def target(url: str, token: SecretStr, ca_file: str | None = None) -> HttpTarget:
    """Return PagerDuty's REST API with the gate's read-only key."""
    headers: dict[str, HeaderValue] = {
        "Authorization": SecretStr(f"Token token={token.get_secret_value()}"),
        "Accept": "application/vnd.pagerduty+json;version=2",
    }
    return HttpTarget(url, ca_file, headers)


def on_call(
    target: HttpTarget,
    schedule: str,
    since: dt.datetime,
    until: dt.datetime,
    *,
    offset: int = 0,
    deadline: Deadline,
) -> Observation[Shifts]:
    """Read a page of who is on call at the first level of a schedule between two times."""
    asked = {
        "schedule_ids[]": schedule,
        "since": since.isoformat(),
        "until": until.isoformat(),
        "limit": _MOST,
        "offset": offset,
    }
    path = f"/oncalls?{urlencode(asked)}"
    return api.read(
        target, path, lambda body: _shifts(body, offset), probe="pagerduty", deadline=deadline
    )


def answering(
    target: HttpTarget, escalation_policy: str, *, deadline: Deadline
) -> Observation[Answering]:
    """Read whom an incident would reach now."""
    asked = {"escalation_policy_ids[]": escalation_policy, "limit": _MOST}
    path = f"/oncalls?{urlencode(asked)}"
    return api.read(target, path, _answering, probe="pagerduty", deadline=deadline)


def service(target: HttpTarget, service_id: str, *, deadline: Deadline) -> Observation[Service]:
    """Read whether a service takes incidents."""
    path = f"/services/{quote(service_id, safe='')}"
    return api.read(target, path, _service, probe="pagerduty", deadline=deadline)


def open_incidents(
    target: HttpTarget, service_id: str, *, deadline: Deadline
) -> Observation[Incidents]:
    """Read a service's urgent incidents that are triggered or acknowledged, however old they are."""
    asked = [("service_ids[]", service_id), ("urgencies[]", "high"), ("date_range", "all")]
    asked += [("statuses[]", "triggered"), ("statuses[]", "acknowledged"), ("limit", str(_MOST))]
    path = f"/incidents?{urlencode(asked)}"
    return api.read(target, path, _incidents, probe="pagerduty", deadline=deadline)


def _incidents(body: object) -> Incidents:
    answer = api.mapping(body, "the answer")
    found = api.mappings(answer.get("incidents"), "incidents", "an incident")
    urgent = sum(one.get("status") != "resolved" and one.get("urgency") != "low" for one in found)
    if answer.get("more") and not urgent:
        raise api.UnusableAnswerError(
            "It lists incidents that are not urgent, and not all of them."
        )
    return Incidents(urgent)


def _shifts(body: object, offset: int) -> Shifts:
    answer = api.mapping(body, "the answer")
    entries = _entries(answer)
    shifts = tuple(
        Shift(_time(one.get("start")), _time(one.get("end")))
        for one in entries
        if one.get("escalation_level") == 1 and isinstance(one.get("user"), Mapping)
    )
    return Shifts(shifts, offset + len(entries) if answer.get("more") and entries else None)


def _answering(body: object) -> Answering:
    answer = api.mapping(body, "the answer")
    people = sum(isinstance(one.get("user"), Mapping) for one in _entries(answer))
    if not people and answer.get("more"):
        raise api.UnusableAnswerError(f"None of the first {_MOST} entries on call is a person.")
    return Answering(people)


def _entries(answer: Mapping[str, object]) -> list[Mapping[str, object]]:
    return api.mappings(answer.get("oncalls"), "oncalls", "a shift")


def _time(value: object) -> dt.datetime | None:
    return None if value is None else api.time(value, "the time of a shift")


def _service(body: object) -> Service:
    one = api.mapping(api.mapping(body, "the answer").get("service"), "service")
    policy = one.get("escalation_policy")
    escalation = str(policy.get("id") or "") if isinstance(policy, Mapping) else ""
    return Service(api.text(one.get("status"), "the service's status"), escalation)

"""A public status page over Statuspage's own API (`/api/v2`), which needs no login: its newest incidents."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping

from probes import api
from probes.http import HttpTarget
from probes.observation import Deadline, Observation
from probes.prometheus.answers import read_time


@dataclasses.dataclass(frozen=True, slots=True)
class Update:
    """What was said of an incident at a time; its words never leave this object."""

    at: dt.datetime
    text: str = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Incident:
    """One incident as the page shows it."""

    name: str = dataclasses.field(repr=False)
    status: str
    """investigating, identified, monitoring, resolved or postmortem; scheduled ones are no incidents."""
    updates: tuple[Update, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Incidents:
    """The page's newest incidents, at most fifty."""

    incidents: tuple[Incident, ...]

    def facts(self) -> Mapping[str, object]:
        """Return how many there are, and the status of each."""
        return {"incidents": [one.status for one in self.incidents]}


def incidents(target: HttpTarget, *, deadline: Deadline) -> Observation[Incidents]:
    """Read the newest incidents with all that was said of each."""
    path = "/api/v2/incidents.json"
    return api.read(target, path, _incidents, probe="statuspage", deadline=deadline)


def _incidents(body: object) -> Incidents:
    listed = api.mapping(body, "the answer").get("incidents")
    return Incidents(tuple(map(_incident, api.mappings(listed, "incidents", "an incident"))))


def _incident(one: Mapping[str, object]) -> Incident:
    updates = api.mappings(one.get("incident_updates"), "incident_updates", "an update")
    return Incident(
        str(one.get("name") or ""),
        api.text(one.get("status"), "an incident's status"),
        tuple(Update(_at(each), str(each.get("body") or "")) for each in updates),
    )


def _at(update: Mapping[str, object]) -> dt.datetime:
    said = update.get("display_at") or update.get("created_at")
    return read_time(said, "an update's time")

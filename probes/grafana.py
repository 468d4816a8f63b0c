"""Grafana: which dashboards are loaded, and what they ask of which data source."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from urllib.parse import quote, urlencode

from probes import api
from probes.http import HttpTarget
from probes.observation import Deadline, Observation


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """Dashboards that carry exactly the title asked for."""

    uids: tuple[str, ...]

    def facts(self) -> Mapping[str, object]:
        """Return how many there are."""
        return {"dashboards": len(self.uids)}


@dataclasses.dataclass(frozen=True, slots=True)
class PanelQuery:
    """One query of a panel."""

    panel: str
    datasource: str
    """Its uid."""
    expression: str


@dataclasses.dataclass(frozen=True, slots=True)
class Dashboard:
    """A dashboard's queries."""

    queries: tuple[PanelQuery, ...]

    def facts(self) -> Mapping[str, object]:
        """Return how many there are."""
        return {"queries": len(self.queries)}


def find(target: HttpTarget, title: str, *, deadline: Deadline) -> Observation[Found]:
    """Find dashboards by their title; Grafana's own search also finds parts of titles."""
    path = f"/api/search?{urlencode({'type': 'dash-db', 'query': title})}"

    def parse(body: object) -> Found:
        hits = [api.mapping(hit, "a hit") for hit in api.sequence(body, "the hits")]
        return Found(
            tuple(api.text(hit.get("uid"), "a uid") for hit in hits if hit.get("title") == title)
        )

    return api.read(target, path, parse, probe="grafana", deadline=deadline)


def dashboard(target: HttpTarget, uid: str, *, deadline: Deadline) -> Observation[Dashboard]:
    """Read a dashboard's queries, panels in rows included."""
    path = f"/api/dashboards/uid/{quote(uid, safe='')}"
    return api.read(target, path, _dashboard, probe="grafana", deadline=deadline)


def _dashboard(body: object) -> Dashboard:
    model = api.mapping(api.mapping(body, "the answer").get("dashboard"), "dashboard")
    return Dashboard(tuple(_queries(model.get("panels"))))


def _queries(panels: object) -> Iterator[PanelQuery]:
    for entry in api.sequence(panels, "panels"):
        panel = api.mapping(entry, "a panel")
        if isinstance(panel.get("panels"), list):
            yield from _queries(panel["panels"])
        for one in api.sequence(panel.get("targets", []), "targets"):
            query = api.mapping(one, "a target")
            source = query.get("datasource") or panel.get("datasource")
            yield PanelQuery(
                panel=api.text(panel.get("title"), "a panel's title"),
                datasource=api.text(api.mapping(source, "a data source").get("uid"), "a uid"),
                expression=api.text(query.get("expr"), "a query's expr"),
            )

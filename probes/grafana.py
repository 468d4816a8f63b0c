"""Grafana: which dashboards are loaded, and what they ask of which data source."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from urllib.parse import quote, urlencode

from probes import api
from probes.http import HttpTarget
from probes.observation import Deadline, Observation, Shown

_COMPUTED = ("__expr__", "-- Dashboard --", "-- Grafana --", "grafana")
"""Data sources of Grafana's own: they compute from other queries, or hold no metric."""
_MOST_HITS = 5000
"""The most that Grafana finds at once; it keeps silent about what is beyond."""
_READING = frozenset({"read", "list", "query", "explore", "access"})
"""The last words of actions that change nothing."""
_MIXED = "-- Mixed --"
"""Each query of such a panel names its own."""


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """Dashboards that carry exactly the title asked for."""

    uids: tuple[str, ...]

    def facts(self) -> Mapping[str, object]:
        """Return how many there are."""
        return {"dashboards": len(self.uids)}


@dataclasses.dataclass(frozen=True, slots=True)
class PanelQuery:
    """One query of a panel, as the dashboard's author wrote it: variables stand in it by name."""

    panel: str
    datasource: str
    """Its uid, its name or a variable; empty for Grafana's default."""
    kind: str
    """Such as `prometheus` or `loki`, or `library`; empty where the dashboard does not tell."""
    expression: str
    """Empty where it is none of PromQL's or the panel is kept in Grafana's library."""


@dataclasses.dataclass(frozen=True, slots=True)
class Dashboard:
    """A dashboard's panels and queries."""

    panels: tuple[str, ...]
    """Titles of those that show something asked for."""
    queries: tuple[PanelQuery, ...]
    variables: Mapping[str, str]
    """Name → the choice that the dashboard is saved with, as PromQL takes it; empty without one."""

    def facts(self) -> Mapping[str, object]:
        """Return how many there are."""
        return {"queries": len(self.queries)}


@dataclasses.dataclass(frozen=True, slots=True)
class Sources:
    """The data sources that the gate's account may ask."""

    by_name: Mapping[str, tuple[str, str]]
    """Name and uid → uid and kind; the default one also under the empty name and `default`."""

    def facts(self) -> Mapping[str, object]:
        """Return the uids and kinds."""
        return {"sources": sorted(map(list, set(self.by_name.values())))}


@dataclasses.dataclass(frozen=True, slots=True)
class Rights(Shown):
    """What the gate's account may do beyond what a viewer may."""

    KEPT = ("excess",)

    excess: tuple[str, ...]
    """Actions as Grafana names them, such as `dashboards:write`."""


def find(target: HttpTarget, title: str, *, deadline: Deadline) -> Observation[Found]:
    """Find dashboards by their title; Grafana's own search also finds parts of titles."""
    asked = {"type": "dash-db", "query": title, "limit": _MOST_HITS}
    path = f"/api/search?{urlencode(asked)}"

    def parse(body: object) -> Found:
        hits = api.mappings(body, "the hits", "a hit")
        if len(hits) >= _MOST_HITS:
            raise api.UnusableAnswerError(f"More than {_MOST_HITS} dashboards have such a title.")
        return Found(
            tuple(api.text(hit.get("uid"), "a uid") for hit in hits if hit.get("title") == title)
        )

    return api.read(target, path, parse, probe="grafana", deadline=deadline)


def dashboard(target: HttpTarget, uid: str, *, deadline: Deadline) -> Observation[Dashboard]:
    """Read a dashboard's queries, panels in rows included."""
    path = f"/api/dashboards/uid/{quote(uid, safe='')}"
    return api.read(target, path, _dashboard, probe="grafana", deadline=deadline)


def sources(target: HttpTarget, *, deadline: Deadline) -> Observation[Sources]:
    """Read the data sources as Grafana's own pages do: a viewer may not list them."""
    path = "/api/frontend/settings"
    return api.read(target, path, _sources, probe="grafana", deadline=deadline)


def rights(target: HttpTarget, *, deadline: Deadline) -> Observation[Rights]:
    """Read which actions the account is allowed, whatever roles they come from (Grafana 9 and later)."""

    def parse(body: object) -> Rights:
        allowed = api.mapping(body, "the permissions")
        if not allowed:
            raise api.UnusableAnswerError("No permission is listed, not even one to read.")
        return Rights(tuple(sorted(action for action in allowed if not _is_a_viewers(action))))

    path = "/api/access-control/user/permissions"
    return api.read(target, path, parse, probe="grafana", deadline=deadline)


def _is_a_viewers(action: str) -> bool:
    # Viewers write annotations on dashboards that they see.
    area, _, verb = action.rpartition(":")
    return verb in _READING or area == "annotations"


def _dashboard(body: object) -> Dashboard:
    model = api.mapping(api.mapping(body, "the answer").get("dashboard"), "dashboard")
    panels = tuple(_panels(model.get("panels", model.get("rows"))))
    return Dashboard(
        panels=tuple(
            _title(one) for one in panels if one.get("targets") or one.get("libraryPanel")
        ),
        queries=tuple(query for panel in panels for query in _queries(panel)),
        variables=dict(_variables(model.get("templating"))),
    )


def _panels(value: object) -> Iterator[Mapping[str, object]]:
    for panel in api.mappings(value, "the dashboard's panels", "a panel"):
        yield panel
        if isinstance(panel.get("panels"), list):
            yield from _panels(panel["panels"])


def _title(panel: Mapping[str, object]) -> str:
    library = panel.get("libraryPanel")
    kept = library.get("name") if isinstance(library, Mapping) else None
    return str(panel.get("title") or kept or f"panel {panel.get('id')}")


def _queries(panel: Mapping[str, object]) -> Iterator[PanelQuery]:
    targets = api.mappings(panel.get("targets") or [], "targets", "a target")
    if not targets and panel.get("libraryPanel"):
        yield PanelQuery(_title(panel), "", "library", "")
    named = [(one, *_source(one.get("datasource"), panel.get("datasource"))) for one in targets]
    computed = any(name in _COMPUTED for _, name, _ in named)
    for query, name, kind in named:
        # What is hidden is asked all the same where something is computed from it.
        if name in _COMPUTED or (query.get("hide") is True and not computed):
            continue
        expression = query.get("expr")
        if expression != "":  # an empty line of the editor asks nothing
            written = expression if isinstance(expression, str) else ""
            yield PanelQuery(_title(panel), name, kind, written)


def _source(own: object, of_the_panel: object) -> tuple[str, str]:
    """Return name or uid, and kind, of a query's data source: an object, or a name as in old ones."""
    for source in (own, of_the_panel):
        if isinstance(source, Mapping):
            name, kind = str(source.get("uid") or ""), str(source.get("type") or "")
        else:
            name, kind = str(source or ""), ""
        if name and name != _MIXED:
            return name, kind
    return "", ""


def _variables(templating: object) -> Iterator[tuple[str, str]]:
    listed = templating.get("list") if isinstance(templating, Mapping) else None
    for entry in listed if isinstance(listed, list) else []:
        variable = api.mapping(entry, "a variable")
        current = variable.get("current")
        value = current.get("value") if isinstance(current, Mapping) else None
        if value is None and variable.get("type") == "constant":
            value = variable.get("query")
        if value in ("$__all", ["$__all"]):
            value = variable.get("allValue") or ".+"
        if isinstance(value, list) and value:
            value = f"({'|'.join(map(str, value))})"
        yield str(variable.get("name")), value if isinstance(value, str) else ""


def _sources(body: object) -> Sources:
    settings = api.mapping(body, "the settings")
    found: dict[str, tuple[str, str]] = {}
    for name, entry in api.mapping(settings.get("datasources"), "datasources").items():
        source = api.mapping(entry, "a data source")
        uid, kind = str(source.get("uid") or ""), str(source.get("type") or "")
        if uid:
            found[name] = found[uid] = (uid, kind)
    default = found.get(str(settings.get("defaultDatasource")))
    return Sources({**found, "": default, "default": default} if default else found)

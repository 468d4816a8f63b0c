from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest

from steps.monitoring.rules import written
from tests.golden import Said
from tests.probes.servers import closed_port
from tests.steps.monitoring.section import monitoring
from tests.steps.patient_server import PatientServer, patient_server
from tests.steps.platforms import NOWHERE, a_platform
from tests.steps.scenarios import judged, told
from tests.tables import cases

PROMETHEUS = {"type": "prometheus", "uid": "prom"}
SETTINGS = {
    "defaultDatasource": "Prometheus",
    "datasources": {
        "Prometheus": {"uid": "prom", "type": "prometheus"},
        "Logs": {"uid": "logs", "type": "loki"},
    },
}
CHOSEN = {"list": [{"name": "source", "type": "datasource", "current": {"value": "default"}}]}
UNCHOSEN = {"list": [{"name": "source", "type": "datasource", "current": {}}]}
POD = {"list": [{"name": "pod", "type": "query", "current": {"value": "pod-of-last-year"}}]}


def panel(source: object, expression: str = "up", **more: object) -> dict[str, Any]:
    return {"title": "Requests", "datasource": source, "targets": [{"expr": expression, **more}]}


def vector(*values: str) -> object:
    series = [{"metric": {}, "value": [1_769_860_000, value]} for value in values]
    return {"status": "success", "data": {"resultType": "vector", "result": series}}


@dataclasses.dataclass(frozen=True, slots=True)
class Scene:
    """One dashboard in a Grafana that answers as it is told."""

    folder: pathlib.Path
    grafana: PatientServer

    def shows(self, *values: str) -> None:
        answer = (200, vector(*values))
        self.grafana.always["GET /api/datasources/proxy/uid/prom/api/v1/query"] = answer

    def ask(self, check_id: str = "D7.2-2", **model: object) -> list[str]:
        """Judge the dashboard, by default that data flow; return all that is said."""
        self.grafana.always["GET /api/dashboards/uid/x"] = (200, {"dashboard": model})
        grafana = {"url": self.grafana.url, "dashboards": {"Overview": ["Requests"]}}
        section = monitoring(self.folder, jobs={"clinic": 1}, grafana=grafana)
        nowhere = {"eu": NOWHERE.format(closed_port())}
        return told(judged(check_id, a_platform(self.folder, nowhere, monitoring=section)))


@pytest.fixture
def scene(tmp_path: pathlib.Path) -> Iterator[Scene]:
    with patient_server() as server:
        server.always["GET /api/search"] = (200, [{"uid": "x", "title": "Overview"}])
        server.always["GET /api/frontend/settings"] = (200, SETTINGS)
        made = Scene(tmp_path, server)
        made.shows("1")
        yield made


HIDDEN = [{"expr": "nothing(", "hide": True}, {"expr": "", "datasource": PROMETHEUS}]
TEXT = {"type": "text", "id": 7, "options": {"content": "Hello"}}
COMPUTED = {"datasource": {"type": "__expr__", "uid": "__expr__"}}
OF_THE_LIBRARY = {"title": "Requests", "libraryPanel": {"uid": "l", "name": "Requests"}}


def beside(shown: dict[str, Any], *targets: object) -> dict[str, Any]:
    return {**shown, "targets": [*shown["targets"], *targets]}


@cases(
    "panels templating",
    {
        "by uid": ([panel(PROMETHEUS)], {}),
        "another server of PromQL": (
            [panel({"type": "victoriametrics-metrics-datasource", "uid": "prom"})],
            {},
        ),
        "by a variable": ([panel({"type": "prometheus", "uid": "${source}"})], CHOSEN),
        "by a variable, as in old ones": ([panel("$source")], CHOSEN),
        "the default": ([panel(None)], {}),
        "by name": ([panel("Prometheus")], {}),
        "mixed": ([panel({"uid": "-- Mixed --"}, datasource=PROMETHEUS)], {}),
        "in a row": ([{"type": "row", "title": "A row", "panels": [panel(PROMETHEUS)]}], {}),
        "beside what asks nothing": ([TEXT, beside(panel(PROMETHEUS), *HIDDEN)], {}),
        "behind a computation": ([beside(panel(PROMETHEUS, hide=True), COMPUTED)], {}),
        "for a choice that was saved long ago": ([panel(PROMETHEUS, 'up{pod="$pod"}')], POD),
        "logs": ([panel({"type": "loki", "uid": "logs"})], {}),
        "logs by name": ([panel("Logs")], {}),
        "no source chosen": ([panel({"type": "prometheus", "uid": "${source}"})], UNCHOSEN),
        "no value chosen": ([panel(PROMETHEUS, 'up{pod="$source"}')], UNCHOSEN),
        "a time": ([panel(PROMETHEUS, "up @ ${__from}")], {}),
        "an unknown source": ([panel("Elsewhere")], {}),
        "of the library": ([OF_THE_LIBRARY], {}),
        "no panel": ([], {}),
    },
)
def test_a_panel_is_asked_whatever_way_it_names_its_source(
    scene: Scene, panels: list[object], templating: object, said: Said
) -> None:
    found = {"data": scene.ask(panels=panels, templating=templating)}
    asked = [one for one in scene.grafana.asked if one.endswith("/api/v1/query")]
    assert len(asked) <= 1
    scene.shows()
    said({**found, "no data": scene.ask(panels=panels, templating=templating)})


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("rate(x[$__rate_interval])", "rate(x[20s])"),
        ("increase(x[${__range}])", "increase(x[3600s])"),
        (
            'x{job=~"$job", pod=~"[[pod]]", a="${pod:regex}"}',
            'x{job=~".+", pod=~"(a|b)", a="(a|b)"}',
        ),
        ('label_replace(x, "a", "$1", "b", "(.*)")', 'label_replace(x, "a", "$1", "b", "(.*)")'),
    ],
)
def test_variables_become_what_the_dashboard_is_saved_with(text: str, result: str) -> None:
    done = written(text, {"job": ".+", "pod": "(a|b)"}, scrape_seconds=5)
    assert (done.text, done.unknown) == (result, ())


TWICE = [{"uid": uid, "title": "Overview"} for uid in "xy"]


@cases(
    "listed panels",
    {
        "sound": (TWICE[:1], [panel(PROMETHEUS)]),
        "missing": ([], []),
        "twice": (TWICE, [panel(PROMETHEUS)]),
        "empty": (TWICE[:1], []),
        "without the release's panel": (TWICE[:1], [{**panel(PROMETHEUS), "title": "Other"}]),
        "another answer": ({}, []),
    },
)
def test_a_dashboard_is_there_once_with_the_panels_of_the_release(
    scene: Scene, listed: object, panels: list[object], said: Said
) -> None:
    scene.grafana.always["GET /api/search"] = (200, listed)
    said(scene.ask("D7.2-1", panels=panels))

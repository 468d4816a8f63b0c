from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from gates.decide.outcome import Outcome
from steps.monitoring.rules import written
from tests.probes.servers import closed_port
from tests.steps.monitoring.section import monitoring
from tests.steps.patient_server import PatientServer, patient_server
from tests.steps.platforms import NOWHERE, a_platform
from tests.steps.scenarios import all_of, judged
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

    def ask(self, check_id: str = "D7.2-2", **model: object) -> tuple[Outcome | None, str]:
        """Judge the dashboard, by default that data flow: the outcome, and all that is said."""
        self.grafana.always["GET /api/dashboards/uid/x"] = (200, {"dashboard": model})
        told = {"url": self.grafana.url, "dashboards": {"Overview": ["Requests"]}}
        section = monitoring(self.folder, jobs={"clinic": 1}, grafana=told)
        nowhere = {"eu": NOWHERE.format(closed_port())}
        check = judged(check_id, a_platform(self.folder, nowhere, monitoring=section))
        return check.outcome("eu"), "\n".join(one.sentence for one in all_of(check))


@pytest.fixture
def scene(tmp_path: pathlib.Path) -> Iterator[Scene]:
    with patient_server() as server:
        server.always["GET /api/search"] = (200, [{"uid": "x", "title": "Overview"}])
        server.always["GET /api/frontend/settings"] = (200, SETTINGS)
        made = Scene(tmp_path, server)
        made.shows("1")
        yield made


@cases(
    "shown templating",
    {
        "by uid": (panel(PROMETHEUS), {}),
        "another server of PromQL": (
            panel({"type": "victoriametrics-metrics-datasource", "uid": "prom"}),
            {},
        ),
        "by a variable": (panel({"type": "prometheus", "uid": "${source}"}), CHOSEN),
        "by a variable, as in old ones": (panel("$source"), CHOSEN),
        "the default": (panel(None), {}),
        "by name": (panel("Prometheus"), {}),
        "mixed": (panel({"uid": "-- Mixed --"}, datasource=PROMETHEUS), {}),
        "in a row": ({"type": "row", "title": "A row", "panels": [panel(PROMETHEUS)]}, {}),
    },
)
def test_a_panel_is_asked_whatever_way_it_names_its_source(
    scene: Scene, shown: object, templating: object
) -> None:
    found, said = scene.ask(panels=[shown], templating=templating)
    assert found is Outcome.PASS, said
    assert "panel “Requests” of “Overview” shows 1 series" in said
    scene.shows()
    assert scene.ask(panels=[shown], templating=templating)[0] is Outcome.FAIL


def test_what_asks_nothing_of_its_own_is_not_asked(scene: Scene) -> None:
    shown = panel(PROMETHEUS)
    hidden = {"expr": "nothing(", "hide": True}
    empty = {"expr": "", "datasource": PROMETHEUS}
    text = {"type": "text", "id": 7, "options": {"content": "Hello"}}
    shown["targets"] += [hidden, empty]
    found, said = scene.ask(panels=[text, shown])
    assert found is Outcome.PASS, said
    asked = [one for one in scene.grafana.asked if one.endswith("/api/v1/query")]
    assert len(asked) == 1


def test_what_is_hidden_behind_a_computation_is_asked(scene: Scene) -> None:
    shown = panel(PROMETHEUS, hide=True)
    shown["targets"].append({"datasource": {"type": "__expr__", "uid": "__expr__"}})
    found, said = scene.ask(panels=[shown])
    assert found is Outcome.PASS, said
    scene.shows()
    assert scene.ask(panels=[shown])[0] is Outcome.FAIL


@cases(
    "shown templating says",
    {
        "logs": (panel({"type": "loki", "uid": "logs"}), {}, "asks loki, no Prometheus"),
        "logs by name": (panel("Logs"), {}, "asks loki, no Prometheus"),
        "no source chosen": (
            panel({"type": "prometheus", "uid": "${source}"}),
            UNCHOSEN,
            "a value for ${source}",
        ),
        "no value chosen": (panel(PROMETHEUS, 'up{pod="$source"}'), UNCHOSEN, "a value for source"),
        "a time": (panel(PROMETHEUS, "up @ ${__from}"), {}, "a value for __from"),
        "an unknown source": (panel("Elsewhere"), {}, "a value for Elsewhere"),
        "of the library": (
            {"title": "Requests", "libraryPanel": {"uid": "l", "name": "Requests"}},
            {},
            "library",
        ),
    },
)
def test_a_panel_that_can_not_be_asked_is_undecided_and_the_dashboard_is_there(
    scene: Scene, shown: Mapping[str, object], templating: object, says: str
) -> None:
    found, said = scene.ask(panels=[shown], templating=templating)
    assert found is Outcome.INCONCLUSIVE, said
    assert says in said


def test_nothing_for_a_choice_that_was_saved_long_ago_is_undecided(scene: Scene) -> None:
    shown = panel(PROMETHEUS, 'up{pod="$pod"}')
    assert scene.ask(panels=[shown], templating=POD)[0] is Outcome.PASS
    scene.shows()
    found, said = scene.ask(panels=[shown], templating=POD)
    assert found is Outcome.INCONCLUSIVE
    assert "shows nothing for the saved pod" in said


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
    "listed panels outcome says",
    {
        "sound": (TWICE[:1], [panel(PROMETHEUS)], Outcome.PASS, "has all 1 expected names"),
        "missing": ([], [], Outcome.FAIL, "Grafana has 0 dashboards “Overview”, wanted 1"),
        "twice": (TWICE, [panel(PROMETHEUS)], Outcome.FAIL, "Grafana has 2 dashboards “Overview”"),
        "empty": (
            TWICE[:1],
            [],
            Outcome.FAIL,
            "dashboard “Overview” has 0 queries, wanted at least 1",
        ),
        "without the release's panel": (
            TWICE[:1],
            [{**panel(PROMETHEUS), "title": "Other"}],
            Outcome.FAIL,
            "panels of “Overview” lacks Requests",
        ),
        "another answer": ({}, [], Outcome.ERROR, "Grafana"),
    },
)
def test_a_dashboard_is_there_once_with_the_panels_of_the_release(
    scene: Scene, listed: object, panels: list[object], outcome: Outcome, says: str
) -> None:
    scene.grafana.always["GET /api/search"] = (200, listed)
    found, said = scene.ask("D7.2-1", panels=panels)
    assert found is outcome, said
    assert says in said


def test_a_dashboard_without_a_query_shows_nothing(scene: Scene) -> None:
    found, said = scene.ask(panels=[])
    assert found is Outcome.FAIL
    assert "dashboard “Overview” has no query" in said

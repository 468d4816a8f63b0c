from __future__ import annotations

import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from gates.decide.outcome import Outcome
from steps.kit.check import Check
from steps.monitoring.rules import written
from tests.probes.servers import closed_port
from tests.steps.monitoring.section import monitoring
from tests.steps.patient_server import PatientServer, patient_server
from tests.steps.platforms import NOWHERE, a_platform
from tests.steps.scenarios import judged as by_id
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


@pytest.fixture
def grafana() -> Iterator[PatientServer]:
    with patient_server() as server:
        server.always["GET /api/search"] = (200, [{"uid": "x", "title": "Overview"}])
        server.always["GET /api/frontend/settings"] = (200, SETTINGS)
        shows(server, vector("1"))
        yield server


def shows(server: PatientServer, answer: object) -> None:
    server.always["GET /api/datasources/proxy/uid/prom/api/v1/query"] = (200, answer)


def judged(
    folder: pathlib.Path, grafana: PatientServer, check_id: str = "D7.2-2", **model: object
) -> Check:
    """Judge the one dashboard: by default that data flow."""
    grafana.always["GET /api/dashboards/uid/x"] = (200, {"dashboard": model})
    told = {"url": grafana.url, "dashboards": {"Overview": ["Requests"]}}
    section = monitoring(folder, jobs={"clinic": 1}, grafana=told)
    platform = a_platform(folder, {"eu": NOWHERE.format(closed_port())}, monitoring=section)
    return by_id(check_id, platform)


def sentences(check: Check) -> str:
    return "\n".join(one.sentence for one in check.noted()["eu"].judgements)


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
    tmp_path: pathlib.Path, grafana: PatientServer, shown: object, templating: object
) -> None:
    check = judged(tmp_path, grafana, panels=[shown], templating=templating)
    assert check.outcome("eu") is Outcome.PASS, sentences(check)
    assert "panel “Requests” of “Overview” shows 1 series" in sentences(check)
    shows(grafana, vector())
    assert judged(tmp_path, grafana, panels=[shown], templating=templating).outcome("eu") is (
        Outcome.FAIL
    )


def test_what_asks_nothing_of_its_own_is_not_asked(
    tmp_path: pathlib.Path, grafana: PatientServer
) -> None:
    shown = panel(PROMETHEUS)
    hidden = {"expr": "nothing(", "hide": True}
    empty = {"expr": "", "datasource": PROMETHEUS}
    text = {"type": "text", "id": 7, "options": {"content": "Hello"}}
    shown["targets"] += [hidden, empty]
    check = judged(tmp_path, grafana, panels=[text, shown])
    assert check.outcome("eu") is Outcome.PASS, sentences(check)
    asked = [one for one in grafana.asked if one.endswith("/api/v1/query")]
    assert len(asked) == 1


def test_what_is_hidden_behind_a_computation_is_asked(
    tmp_path: pathlib.Path, grafana: PatientServer
) -> None:
    shown = panel(PROMETHEUS, hide=True)
    shown["targets"].append({"datasource": {"type": "__expr__", "uid": "__expr__"}})
    check = judged(tmp_path, grafana, panels=[shown])
    assert check.outcome("eu") is Outcome.PASS, sentences(check)
    shows(grafana, vector())
    assert judged(tmp_path, grafana, panels=[shown]).outcome("eu") is Outcome.FAIL


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
    tmp_path: pathlib.Path,
    grafana: PatientServer,
    shown: Mapping[str, object],
    templating: object,
    says: str,
) -> None:
    check = judged(tmp_path, grafana, panels=[shown], templating=templating)
    assert check.outcome("eu") is Outcome.INCONCLUSIVE, sentences(check)
    assert says in sentences(check)


def test_nothing_for_a_choice_that_was_saved_long_ago_is_undecided(
    tmp_path: pathlib.Path, grafana: PatientServer
) -> None:
    shown = panel(PROMETHEUS, 'up{pod="$pod"}')
    assert judged(tmp_path, grafana, panels=[shown], templating=POD).outcome("eu") is Outcome.PASS
    shows(grafana, vector())
    check = judged(tmp_path, grafana, panels=[shown], templating=POD)
    assert check.outcome("eu") is Outcome.INCONCLUSIVE
    assert "shows nothing for the saved pod" in sentences(check)


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
    "found panels outcome says",
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
    tmp_path: pathlib.Path,
    grafana: PatientServer,
    found: object,
    panels: list[object],
    outcome: Outcome,
    says: str,
) -> None:
    grafana.always["GET /api/search"] = (200, found)
    check = judged(tmp_path, grafana, "D7.2-1", panels=panels)
    assert check.outcome("eu") is outcome, sentences(check)
    assert says in sentences(check)


def test_a_dashboard_without_a_query_shows_nothing(
    tmp_path: pathlib.Path, grafana: PatientServer
) -> None:
    check = judged(tmp_path, grafana, panels=[])
    assert check.outcome("eu") is Outcome.FAIL
    assert "dashboard “Overview” has no query" in sentences(check)

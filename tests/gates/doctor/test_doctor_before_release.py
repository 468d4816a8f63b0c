"""The doctor before a deployment: the release's series are to come; all disks are to be measured."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from settings.objectives import Objective
from settings.storage import FileSystems
from steps.kit.findings import Finding, Level, Subject
from steps.objectives.doctor import Asker, examine_metric, examine_storage
from tests.gates.decide.values import a_latency_objective
from tests.probes.servers import closed_port
from tests.steps.platforms import NOWHERE, a_platform
from tests.steps.scripted_prometheus import ONE, ScriptedPrometheus, scripted_prometheus
from tests.tables import cases

METRIC = {"name": "seconds", "labels": {"job": "clinic", "version": "{release}"}}


@pytest.fixture
def prometheus() -> Iterator[ScriptedPrometheus]:
    with scripted_prometheus() as server:
        server.answers = {'version="1.2.0"': (), 'count(seconds_bucket{job="clinic"': ONE}
        yield server


def examined(folder: pathlib.Path, server: ScriptedPrometheus, **traffic: str) -> Finding:
    objective: Objective = a_latency_objective()
    platform = a_platform(
        folder,
        {"eu": NOWHERE.format(closed_port())},
        prometheus_at=server.url,
        prometheus={"job": "clinic", "scrape_interval": "5s"},
        metrics={objective.metric: METRIC},
        traffic=traffic,
    )
    subject = Subject(platform, release_known=True)
    return examine_metric(Asker.of(subject, "eu"), objective)


def test_series_of_the_release_that_are_to_come_are_nothing_bad(
    tmp_path: pathlib.Path, prometheus: ScriptedPrometheus
) -> None:
    found = examined(tmp_path, prometheus)
    assert found.level is Level.WARN
    assert (
        found.sentence == 'seconds has no series with version="1.2.0" yet, as before a deployment'
    )


def test_once_traffic_is_switched_they_have_to_be_there(
    tmp_path: pathlib.Path, prometheus: ScriptedPrometheus
) -> None:
    found = examined(tmp_path, prometheus, switched_at="2026-01-31T22:00:00Z")
    assert found.level is Level.BAD


def test_a_metric_that_no_release_has_is_not_to_come(
    tmp_path: pathlib.Path, prometheus: ScriptedPrometheus
) -> None:
    prometheus.answers = {}
    assert examined(tmp_path, prometheus).level is Level.BAD


@cases("at_least level", {"all of them": (1, Level.OK), "one is missing": (2, Level.BAD)})
def test_file_systems_that_nobody_measures_are_told(
    tmp_path: pathlib.Path, prometheus: ScriptedPrometheus, at_least: int, level: Level
) -> None:
    labels = '{region="eu",x="y"}'
    prometheus.answers = {f"free{labels} / size{labels}": ONE}
    platform = a_platform(
        tmp_path,
        {"eu": NOWHERE.format(closed_port())},
        prometheus_at=prometheus.url,
        prometheus={"job": "clinic", "scrape_interval": "5s"},
    )
    subject = Subject(platform, release_known=True)
    kind = FileSystems(available="free", size="size", labels={"x": "y"}, at_least=at_least)
    assert examine_storage(Asker.of(subject, "eu"), "nodes", kind).level is level

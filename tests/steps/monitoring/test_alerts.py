from __future__ import annotations

import dataclasses
import datetime as dt
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

import probes
from probes.observation import Deadline
from sandbox.systems.cluster import state as cluster
from steps.kit import settling
from tests.golden import Said
from tests.probes.cluster_server import ClusterServer
from tests.probes.servers import closed_port, wait_until
from tests.steps.cluster_platform import SWITCHED, a_cluster_platform
from tests.steps.monitoring.section import monitoring
from tests.steps.patient_server import patient_server
from tests.steps.platforms import NOWHERE
from tests.steps.scenarios import judged, told
from tests.steps.scripted_prometheus import ScriptedPrometheus, scripted_prometheus
from tests.tables import cases

RULES, TARGETS, ALERTS = "D7.1-1", "D7.1-2", "D7.1-3"
JOB = "clinic-api"
PODS = 12
APP = cluster.APP
SHIPPED = {
    "alert": "ErrorsHigh",
    "expr": "errors >\n  3",
    "for": "2m",
    "labels": {"severity": "critical"},
}
GROUPS = {"groups": [{"name": "release", "rules": [SHIPPED, {"record": "x", "expr": "y"}]}]}


def a_target(*, up: bool = True, job: str = JOB, **labels: str) -> Mapping[str, object]:
    return {"labels": {"job": job, **labels}, "health": "up" if up else "down"}


WARNING = {"severity": "warning"}


def of_release(*rules: Mapping[str, object]) -> Mapping[str, Any]:
    return {"groups": [{"name": "release", "rules": [*rules]}]}


def as_loaded(**changes: object) -> Mapping[str, object]:
    return {
        "name": "ErrorsHigh",
        "query": "errors > 3",
        "duration": 120,
        "labels": {"severity": "critical"},
        "health": "ok",
        "state": "inactive",
        "lastEvaluation": dt.datetime.now(dt.UTC).isoformat(),
        **changes,
    }


@pytest.fixture(scope="module")
def running(cluster_of_module: ClusterServer) -> ClusterServer:
    cluster_of_module.tell(**SWITCHED)
    wait_until(lambda: ready_pods(cluster_of_module) == PODS, "every pod is ready")
    return cluster_of_module


def ready_pods(server: ClusterServer) -> int:
    found = probes.kubernetes.workload(
        server.target,
        cluster.NAMESPACE,
        {"app": cluster.APP},
        "version",
        deadline=Deadline.after(5),
    )
    return sum(pod.ready for pod in found.value.pods) if found.value else 0


@dataclasses.dataclass
class Scene:
    """One region with a cluster of six pods and six more, and a Prometheus that says what it is told."""

    folder: pathlib.Path
    cluster: str
    prometheus: ScriptedPrometheus
    watched: bool = True
    app: str = APP
    target_labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    alertmanager: str = NOWHERE.format(9)
    rules: Mapping[str, Any] | None = dataclasses.field(default_factory=lambda: GROUPS)

    def ask(self, check_id: str, **jobs: object) -> list[str]:
        """Return all that is said of the region."""
        if self.rules is not None:
            (self.folder / "rules.yaml").write_text(yaml.safe_dump(self.rules))
        alertmanager = {"url": self.alertmanager}
        jobs = jobs or {"pod_jobs": [JOB]}
        prometheus = {"job": JOB, "scrape_interval": "5s", "target_labels": self.target_labels}
        platform = a_cluster_platform(
            self.folder,
            self.cluster,
            prometheus=self.prometheus.url if self.watched else None,
            app_labels={"app": self.app},
            sections={
                "monitoring": monitoring(self.folder, alertmanager=alertmanager, **jobs),
                "prometheus": prometheus,
                "time_scale": 3600,
            },
        )
        return told(judged(check_id, platform))


@pytest.fixture
def scene(
    tmp_path: pathlib.Path, running: ClusterServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Scene]:
    monkeypatch.setattr(settling, "FLOOR_SECONDS", 0.1)
    with scripted_prometheus() as prometheus:
        yield Scene(tmp_path, running.url, prometheus)


def versions(released: int) -> list[Mapping[str, object]]:
    return [a_target(version="v1.2.0" if n < released else "v1.1.0") for n in range(PODS)]


OF_RELEASE = {"target_labels": {"version": "v{release}"}}
AWAY = NOWHERE.format(closed_port())


@cases(
    "targets changes jobs",
    {
        "each pod": ([a_target()] * 12, {}, {}),
        "one is not scraped": ([a_target()] * 11, {}, {}),
        "one is down": ([*[a_target()] * 11, a_target(up=False)], {}, {}),
        "one too many": ([a_target()] * 13, {}, {}),
        "each its version": (versions(6), OF_RELEASE, {}),
        "a pod of the release as the old one": (versions(5), OF_RELEASE, {}),
        "an old pod as the release": (versions(7), OF_RELEASE, {}),
        "no pod is ready": ([], {"app": "nobody"}, {}),
        "a described number needs no cluster": ([a_target()] * 2, {"cluster": AWAY}, {JOB: 2}),
        "another one than described": ([a_target()] * 2, {"cluster": AWAY}, {JOB: 3}),
        "no cluster": ([a_target()] * 12, {"cluster": AWAY}, {}),
        "no Prometheus": ([a_target()] * 12, {"watched": False}, {}),
    },
)
def test_there_is_one_target_for_each_ready_pod(
    scene: Scene,
    targets: list[Mapping[str, object]],
    changes: dict[str, Any],
    jobs: dict[str, int],
    said: Said,
) -> None:
    scene.prometheus.targets = targets
    for name, value in changes.items():
        setattr(scene, name, value)
    said(scene.ask(TARGETS, **({"jobs": jobs} if jobs else {})))


SOFTER = {**SHIPPED, "expr": "errors > 1", "labels": WARNING}
SLOWER = {**SHIPPED, "expr": "errors > 1", "for": "1h30m"}
SOFTLY, SLOWLY = (
    {"query": "errors > 1", "labels": WARNING},
    {"query": "errors > 1", "duration": 5400},
)
BARE = {name: value for name, value in SHIPPED.items() if name != "labels"}
OF_THE_GROUP = {"groups": [{"labels": {"severity": "critical"}, "rules": [BARE]}]}
OPERATORS = {"kind": "PrometheusRule", "spec": GROUPS}


NOTHING: list[dict[str, Any]] = []


@cases(
    "rules loaded",
    {
        "as shipped": (GROUPS, [{}]),
        "wrapped for the operator": (OPERATORS, [{}]),
        "with the labels of its group": (OF_THE_GROUP, [{}]),
        "another expression": (GROUPS, [{"query": "errors > 300"}]),
        "not evaluated lately": (GROUPS, [{"lastEvaluation": "2026-01-01T00:00:00Z"}]),
        "not there": (GROUPS, [{"name": "Other"}]),
        "there twice": (GROUPS, [{}, {"query": "errors > 300"}]),
        "of two severities": (of_release(SHIPPED, SOFTER), [{}, SOFTLY]),
        "of two severities, one wrong": (of_release(SHIPPED, SOFTER), [{}, {"labels": WARNING}]),
        "told apart by expressions": (of_release(SHIPPED, SLOWER), [SLOWLY, {}]),
        "not told apart": (of_release(SHIPPED, SLOWER), [SLOWLY, SLOWLY]),
        "no file": (None, NOTHING),
        "no groups": ({"groups": []}, NOTHING),
        "an operator's rule without groups": ({"kind": "PrometheusRule"}, NOTHING),
        "another file": ({"other": 1}, NOTHING),
        "a group that is a text": ({"groups": ["x"]}, NOTHING),
        "rules without an expression": ({"groups": [{"rules": [{"alert": "X"}]}]}, NOTHING),
        "rules that are a text": ({"groups": [{"rules": "x"}]}, NOTHING),
        "a rule that is a text": ({"groups": [{"rules": ["x"]}]}, NOTHING),
    },
)
def test_a_rule_is_loaded_as_it_is_shipped_however_it_is_spelled(
    scene: Scene, rules: Mapping[str, Any] | None, loaded: list[dict[str, Any]], said: Said
) -> None:
    scene.rules = rules
    scene.prometheus.rules = [as_loaded(**changes) for changes in loaded]
    said(scene.ask(RULES), {str(scene.folder): "FOLDER"})


def test_a_group_that_is_evaluated_seldom_was_evaluated_lately(scene: Scene) -> None:
    at = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=4)
    scene.prometheus.rules = [as_loaded(lastEvaluation=at.isoformat())]
    assert "FAIL" in " ".join(scene.ask(RULES))
    scene.prometheus.group = {"interval": 300}
    assert {one.partition(":")[0] for one in scene.ask(RULES)} == {"PASS"}
    scene.watched = False
    assert {one.partition(":")[0] for one in scene.ask(RULES)} == {"ERROR"}


def a_route(severity: str = "critical", **more: object) -> Mapping[str, object]:
    return {"receiver": "x", "matchers": [f'severity="{severity}"'], **more}


WELL: Mapping[str, object] = {"silencedBy": [], "inhibitedBy": []}


OF_THE_TEAM = {"matchers": ['team="clinic"'], "routes": [a_route()]}
DROPPED = {"receiver": "default", "matchers": ['alertname="ErrorsHigh"']}
TEAMS = {"severity": "critical", "team": "clinic"}


@cases(
    "routes states labels",
    {
        "they arrive": ([a_route()], [WELL], {}),
        "no watchdog": ([a_route()], [], {}),
        "everything is silenced": ([a_route()], [{**WELL, "silencedBy": ["5f1d"]}], {}),
        "everything is inhibited": ([a_route()], [{**WELL, "inhibitedBy": ["5f1d"]}], {}),
        "a receiver that is muted at times": (
            [a_route(mute_time_intervals=["nights"])],
            [WELL],
            {},
        ),
        "the team's alone": ([OF_THE_TEAM], [WELL], {}),
        "the release's own, by all their labels": ([OF_THE_TEAM], [WELL], TEAMS),
        "the release's own go elsewhere": ([DROPPED, OF_THE_TEAM], [WELL], TEAMS),
    },
)
def test_alerts_arrive(
    scene: Scene,
    routes: list[Mapping[str, object]],
    states: list[Mapping[str, object]],
    labels: dict[str, str],
    said: Said,
) -> None:
    receivers = [{"name": "default"}, {"name": "x", "webhook_configs": [{"url": "<secret>"}]}]
    tree = {"receiver": "default", "routes": routes}
    original = yaml.safe_dump({"route": tree, "receivers": receivers})
    began = {"startsAt": "2026-01-31T22:00:00Z"}
    alerts = [{"labels": {"alertname": "Watchdog"}, "status": state, **began} for state in states]
    if labels:
        scene.rules = {"groups": [{"rules": [{**SHIPPED, "labels": labels}]}]}
    with patient_server() as server:
        scene.alertmanager = server.url
        server.always["GET /api/v2/status"] = (200, {"config": {"original": original}})
        server.always["GET /api/v2/alerts"] = (200, alerts)
        said(scene.ask(ALERTS))

from __future__ import annotations

import dataclasses
import datetime as dt
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

import probes
from gates.decide.outcome import Outcome
from probes.observation import Deadline
from sandbox.systems.cluster import state as cluster
from steps.kit import settling
from tests.probes.cluster_server import ClusterServer, cluster_server
from tests.probes.servers import closed_port, wait_until
from tests.steps.cluster_platform import SWITCHED, a_cluster_platform, sentences
from tests.steps.monitoring.section import monitoring
from tests.steps.patient_server import PatientServer, patient_server
from tests.steps.platforms import NOWHERE
from tests.steps.scenarios import judged
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
def running() -> Iterator[ClusterServer]:
    with cluster_server() as server:
        server.tell(**SWITCHED)
        wait_until(lambda: ready_pods(server) == PODS, "every pod is ready")
        yield server


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

    def ask(self, check_id: str, **jobs: object) -> tuple[Outcome | None, str]:
        """Return the region's outcome, and all that is said of it."""
        if self.rules is not None:
            (self.folder / "rules.yaml").write_text(yaml.safe_dump(self.rules))
        told = {"url": self.alertmanager}
        jobs = jobs or {"pod_jobs": [JOB]}
        prometheus = {"job": JOB, "scrape_interval": "5s", "target_labels": self.target_labels}
        platform = a_cluster_platform(
            self.folder,
            self.cluster,
            prometheus=self.prometheus.url if self.watched else None,
            app_labels={"app": self.app},
            sections={
                "monitoring": monitoring(self.folder, alertmanager=told, **jobs),
                "prometheus": prometheus,
                "time_scale": 3600,
            },
        )
        check = judged(check_id, platform)
        return check.outcome("eu"), sentences(check)


@pytest.fixture
def scene(
    tmp_path: pathlib.Path, running: ClusterServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Scene]:
    monkeypatch.setattr(settling, "FLOOR_SECONDS", 0.1)
    with scripted_prometheus() as prometheus:
        yield Scene(tmp_path, running.url, prometheus)


class TestTargets:
    @cases(
        "up down outcome",
        {
            "each pod": (12, 0, Outcome.PASS),
            "one is not scraped": (11, 0, Outcome.FAIL),
            "one is down": (11, 1, Outcome.FAIL),
            "one too many": (13, 0, Outcome.FAIL),
        },
    )
    def test_there_is_one_for_each_ready_pod(
        self, scene: Scene, up: int, down: int, outcome: Outcome
    ) -> None:
        scene.prometheus.targets = [a_target()] * up + [a_target(up=False)] * down
        found, said = scene.ask(TARGETS)
        assert found is outcome, said
        assert "targets of clinic-api are up, wanted all of 12" in said

    @cases(
        "released outcome",
        {
            "each its version": (6, Outcome.PASS),
            "a pod of the release as the old one": (5, Outcome.FAIL),
            "an old pod as the release": (7, Outcome.FAIL),
        },
    )
    def test_up_says_the_release_of_its_pods_alone(
        self, scene: Scene, released: int, outcome: Outcome
    ) -> None:
        scene.target_labels = {"version": "v{release}"}
        scene.prometheus.targets = [
            a_target(version="v1.2.0" if number < released else "v1.1.0") for number in range(12)
        ]
        found, said = scene.ask(TARGETS)
        assert found is outcome, said
        assert 'targets of clinic-api with version="v1.2.0" are up, wanted all of 6' in said

    def test_without_a_ready_pod_no_targets_are_no_good_sign(self, scene: Scene) -> None:
        scene.app = "nobody"
        assert scene.ask(TARGETS)[0] is Outcome.INCONCLUSIVE

    def test_a_described_number_needs_no_cluster(self, scene: Scene) -> None:
        scene.cluster = NOWHERE.format(closed_port())
        scene.prometheus.targets = [a_target(), a_target()]
        assert scene.ask(TARGETS, jobs={JOB: 2})[0] is Outcome.PASS
        assert scene.ask(TARGETS, jobs={JOB: 3})[0] is Outcome.FAIL

    @pytest.mark.parametrize("away", ["cluster", "prometheus"])
    def test_without_an_instrument_nothing_is_said(self, scene: Scene, away: str) -> None:
        if away == "cluster":
            scene.cluster = NOWHERE.format(closed_port())
        scene.watched = away != "prometheus"
        scene.prometheus.targets = [a_target()] * 12
        assert scene.ask(TARGETS)[0] is Outcome.ERROR


SOFTER = {**SHIPPED, "expr": "errors > 1", "labels": WARNING}
SLOWER = {**SHIPPED, "expr": "errors > 1", "for": "1h30m"}
SOFTLY, SLOWLY = (
    {"query": "errors > 1", "labels": WARNING},
    {"query": "errors > 1", "duration": 5400},
)
BARE = {name: value for name, value in SHIPPED.items() if name != "labels"}
OF_THE_GROUP = {"groups": [{"labels": {"severity": "critical"}, "rules": [BARE]}]}
OPERATORS = {"kind": "PrometheusRule", "spec": GROUPS}


class TestRules:
    @cases(
        "rules loaded says",
        {
            "as shipped": (GROUPS, [{}], ""),
            "wrapped for the operator": (OPERATORS, [{}], ""),
            "with the labels of its group": (OF_THE_GROUP, [{}], ""),
            "another expression": (GROUPS, [{"query": "errors > 300"}], "another expression"),
            "not evaluated lately": (
                GROUPS,
                [{"lastEvaluation": "2026-01-01T00:00:00Z"}],
                "was not evaluated lately",
            ),
            "not there": (GROUPS, [{"name": "Other"}], "is loaded 0 times"),
            "there twice": (GROUPS, [{}, {"query": "errors > 300"}], "is loaded 2 times"),
            "of two severities": (of_release(SHIPPED, SOFTER), [{}, SOFTLY], ""),
            "of two severities, one wrong": (
                of_release(SHIPPED, SOFTER),
                [{}, {"labels": WARNING}],
                "another expression",
            ),
            "told apart by expressions": (of_release(SHIPPED, SLOWER), [SLOWLY, {}], ""),
            "not told apart": (of_release(SHIPPED, SLOWER), [SLOWLY, SLOWLY], "is loaded 0 times"),
        },
    )
    def test_one_is_loaded_as_it_is_shipped_however_it_is_spelled(
        self, scene: Scene, rules: Mapping[str, Any], loaded: list[dict[str, Any]], says: str
    ) -> None:
        scene.rules = rules
        scene.prometheus.rules = [as_loaded(**changes) for changes in loaded]
        found, said = scene.ask(RULES)
        assert found is (Outcome.FAIL if says else Outcome.PASS), said
        assert says in said

    def test_a_group_that_is_evaluated_seldom_was_evaluated_lately(self, scene: Scene) -> None:
        at = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=4)
        scene.prometheus.rules = [as_loaded(lastEvaluation=at.isoformat())]
        assert scene.ask(RULES)[0] is Outcome.FAIL
        scene.prometheus.group = {"interval": 300}
        assert scene.ask(RULES)[0] is Outcome.PASS

    def test_without_prometheus_or_the_releases_file_nothing_is_said(self, scene: Scene) -> None:
        scene.rules = None
        assert scene.ask(RULES)[0] is Outcome.ERROR
        scene.rules, scene.watched = GROUPS, False
        assert scene.ask(RULES)[0] is Outcome.ERROR

    @pytest.mark.parametrize(
        "rules",
        [
            *({"groups": []}, {"kind": "PrometheusRule"}, {"other": 1}, {"groups": ["x"]}),
            *({"groups": [{"rules": one}]} for one in ([{"alert": "X"}], "x", ["x"])),
        ],
        ids=str,
    )
    def test_a_file_without_rules_proves_nothing(
        self, scene: Scene, rules: Mapping[str, Any]
    ) -> None:
        scene.rules = rules
        assert scene.ask(RULES)[0] is Outcome.INCONCLUSIVE


def a_route(severity: str = "critical", **more: object) -> Mapping[str, object]:
    return {"receiver": "x", "matchers": [f'severity="{severity}"'], **more}


WELL: Mapping[str, object] = {"silencedBy": [], "inhibitedBy": []}


class TestAlerts:
    @pytest.fixture
    def alertmanager(self, scene: Scene) -> Iterator[PatientServer]:
        with patient_server() as server:
            scene.alertmanager = server.url
            self.configure(server, a_route())
            self.fire(server, WELL)
            yield server

    def configure(self, server: PatientServer, *routes: Mapping[str, object]) -> None:
        receivers = [{"name": "default"}, {"name": "x", "webhook_configs": [{"url": "<secret>"}]}]
        tree = {"receiver": "default", "routes": list(routes)}
        original = yaml.safe_dump({"route": tree, "receivers": receivers})
        server.always["GET /api/v2/status"] = (200, {"config": {"original": original}})

    def fire(self, server: PatientServer, *states: Mapping[str, object]) -> None:
        alerts = [{"labels": {"alertname": "Watchdog"}, "status": state} for state in states]
        server.always["GET /api/v2/alerts"] = (200, alerts)

    def test_they_arrive(self, scene: Scene, alertmanager: PatientServer) -> None:
        found, said = scene.ask(ALERTS)
        assert found is Outcome.PASS, said
        self.fire(alertmanager)
        assert scene.ask(ALERTS)[0] is Outcome.FAIL

    @pytest.mark.parametrize("by", ["silencedBy", "inhibitedBy"])
    def test_a_silence_over_everything_lets_nobody_hear(
        self, scene: Scene, alertmanager: PatientServer, by: str
    ) -> None:
        self.fire(alertmanager, {**WELL, by: ["5f1d"]})
        found, said = scene.ask(ALERTS)
        assert found is Outcome.FAIL
        assert "1 more are silenced or inhibited" in said

    def test_a_receiver_that_is_muted_at_times_is_not_proved(
        self, scene: Scene, alertmanager: PatientServer
    ) -> None:
        self.configure(alertmanager, a_route(mute_time_intervals=["nights"]))
        found, said = scene.ask(ALERTS)
        assert found is Outcome.INCONCLUSIVE
        assert "reach x at some times alone" in said

    def test_the_releases_own_alerts_are_routed_by_all_their_labels(
        self, scene: Scene, alertmanager: PatientServer
    ) -> None:
        of_the_team = {"matchers": ['team="clinic"'], "routes": [a_route()]}
        self.configure(alertmanager, of_the_team)
        assert scene.ask(ALERTS)[0] is Outcome.FAIL
        labels = {"severity": "critical", "team": "clinic"}
        scene.rules = {"groups": [{"rules": [{**SHIPPED, "labels": labels}]}]}
        assert scene.ask(ALERTS)[0] is Outcome.PASS
        dropped = {"receiver": "default", "matchers": ['alertname="ErrorsHigh"']}
        self.configure(alertmanager, dropped, of_the_team)
        found, said = scene.ask(ALERTS)
        assert found is Outcome.FAIL
        assert "such as ErrorsHigh reach default, wanted x" in said

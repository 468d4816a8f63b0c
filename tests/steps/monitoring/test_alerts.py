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
from steps.kit.check import Check
from tests.probes.cluster_server import ClusterServer, cluster_server
from tests.probes.servers import closed_port, wait_until
from tests.steps.cluster_platform import SWITCHED, a_cluster_platform, sentences
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
    alertmanager: str = ""
    rules: Mapping[str, Any] | None = dataclasses.field(default_factory=lambda: GROUPS)

    def ask(self, check_id: str, **jobs: object) -> Check:
        file = self.folder / "rules.yaml"
        if self.rules is not None:
            file.write_text(yaml.safe_dump(self.rules))
        (self.folder / "grafana").write_text("sentinel")
        monitoring = {
            "rules": str(file),
            **(jobs or {"pod_jobs": [JOB]}),
            "alertmanager": {
                "url": self.alertmanager or NOWHERE.format(closed_port()),
                "receivers": {"critical": "x"},
            },
            "grafana": {
                "url": NOWHERE.format(closed_port()),
                "token": "file:grafana",
                "dashboards": {"Overview": []},
            },
        }
        platform = a_cluster_platform(
            self.folder,
            self.cluster,
            prometheus=self.prometheus.url if self.watched else None,
            app_labels={"app": self.app},
            sections={
                "monitoring": monitoring,
                "prometheus": {
                    "job": JOB,
                    "scrape_interval": "5s",
                    "target_labels": self.target_labels,
                },
                "time_scale": 3600,
            },
        )
        return judged(check_id, platform)


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
        check = scene.ask(TARGETS)
        assert check.outcome("eu") is outcome, sentences(check)
        assert "targets of clinic-api are up, wanted all of 12" in sentences(check)

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
        check = scene.ask(TARGETS)
        assert check.outcome("eu") is outcome, sentences(check)
        assert 'targets of clinic-api with version="v1.2.0" are up, wanted all of 6' in sentences(
            check
        )

    def test_without_a_ready_pod_no_targets_are_no_good_sign(self, scene: Scene) -> None:
        scene.app = "nobody"
        assert scene.ask(TARGETS).outcome("eu") is Outcome.INCONCLUSIVE

    def test_a_described_number_needs_no_cluster(self, scene: Scene) -> None:
        scene.cluster = NOWHERE.format(closed_port())
        scene.prometheus.targets = [a_target(), a_target()]
        assert scene.ask(TARGETS, jobs={JOB: 2}).outcome("eu") is Outcome.PASS
        assert scene.ask(TARGETS, jobs={JOB: 3}).outcome("eu") is Outcome.FAIL

    @pytest.mark.parametrize("away", ["cluster", "prometheus"])
    def test_without_an_instrument_nothing_is_said(self, scene: Scene, away: str) -> None:
        if away == "cluster":
            scene.cluster = NOWHERE.format(closed_port())
        scene.watched = away != "prometheus"
        scene.prometheus.targets = [a_target()] * 12
        assert scene.ask(TARGETS).outcome("eu") is Outcome.ERROR


class TestRules:
    @pytest.mark.parametrize("rules", [GROUPS, {"kind": "PrometheusRule", "spec": GROUPS}])
    def test_one_as_shipped_is_well_however_it_is_spelled(
        self, scene: Scene, rules: Mapping[str, Any]
    ) -> None:
        scene.rules = rules
        scene.prometheus.rules = [as_loaded()]
        assert scene.ask(RULES).outcome("eu") is Outcome.PASS

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"query": "errors > 300"}, "another expression"),
            ({"duration": 0}, "waits 0 s, wanted 120 s"),
            ({"labels": {"severity": "warning"}}, "another severity than critical"),
            ({"health": "err"}, "can't be evaluated"),
            ({"health": "unknown"}, "was not evaluated lately"),
            ({"lastEvaluation": "2026-01-01T00:00:00Z"}, "was not evaluated lately"),
            ({"name": "Other"}, "is loaded 0 times"),
        ],
    )
    def test_one_that_differs_fails(
        self, scene: Scene, changes: Mapping[str, object], words: str
    ) -> None:
        scene.prometheus.rules = [as_loaded(**changes)]
        check = scene.ask(RULES)
        assert check.outcome("eu") is Outcome.FAIL
        assert words in sentences(check)

    def test_one_that_is_there_twice_fails(self, scene: Scene) -> None:
        scene.prometheus.rules = [as_loaded(), as_loaded(query="errors > 300")]
        assert scene.ask(RULES).outcome("eu") is Outcome.FAIL

    def test_one_name_with_two_severities_is_two_rules(self, scene: Scene) -> None:
        warning = {**SHIPPED, "expr": "errors > 1", "labels": {"severity": "warning"}}
        scene.rules = {"groups": [{"name": "release", "rules": [SHIPPED, warning]}]}
        softer = as_loaded(query="errors > 1", labels={"severity": "warning"})
        scene.prometheus.rules = [as_loaded(), softer]
        assert scene.ask(RULES).outcome("eu") is Outcome.PASS
        scene.prometheus.rules = [as_loaded(), as_loaded(labels={"severity": "warning"})]
        assert scene.ask(RULES).outcome("eu") is Outcome.FAIL

    def test_without_prometheus_nothing_is_said(self, scene: Scene) -> None:
        scene.watched = False
        assert scene.ask(RULES).outcome("eu") is Outcome.ERROR

    def test_without_the_releases_file_nothing_is_said(self, scene: Scene) -> None:
        scene.rules = None
        assert scene.ask(RULES).outcome("eu") is Outcome.ERROR

    @pytest.mark.parametrize("rules", [{"groups": []}, {"kind": "PrometheusRule"}, {"other": 1}])
    def test_a_file_without_rules_proves_nothing(
        self, scene: Scene, rules: Mapping[str, Any]
    ) -> None:
        scene.rules = rules
        assert scene.ask(RULES).outcome("eu") is Outcome.INCONCLUSIVE

    def test_rules_that_share_name_and_severity_are_told_apart_by_their_expressions(
        self, scene: Scene
    ) -> None:
        slow = {**SHIPPED, "expr": "errors > 1", "for": "1h30m"}
        scene.rules = {"groups": [{"name": "release", "rules": [SHIPPED, slow]}]}
        slowly = as_loaded(query="errors > 1", duration=5400)
        scene.prometheus.rules = [slowly, as_loaded()]
        check = scene.ask(RULES)
        assert check.outcome("eu") is Outcome.PASS, sentences(check)
        scene.prometheus.rules = [slowly, slowly]
        assert scene.ask(RULES).outcome("eu") is Outcome.FAIL

    def test_a_group_that_is_evaluated_seldom_was_evaluated_lately(self, scene: Scene) -> None:
        at = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=4)
        scene.prometheus.rules = [as_loaded(lastEvaluation=at.isoformat())]
        assert scene.ask(RULES).outcome("eu") is Outcome.FAIL
        scene.prometheus.group = {"interval": 300}
        assert scene.ask(RULES).outcome("eu") is Outcome.PASS

    def test_the_labels_of_a_group_are_those_of_its_rules(self, scene: Scene) -> None:
        bare = {name: value for name, value in SHIPPED.items() if name != "labels"}
        scene.rules = {"groups": [{"labels": {"severity": "critical"}, "rules": [bare]}]}
        scene.prometheus.rules = [as_loaded()]
        assert scene.ask(RULES).outcome("eu") is Outcome.PASS

    @pytest.mark.parametrize(
        "group", [{"rules": [{"alert": "X"}]}, {"rules": "x"}, "x", {"rules": ["x"]}]
    )
    def test_a_file_that_is_none_of_prometheus_s_proves_nothing(
        self, scene: Scene, group: object
    ) -> None:
        scene.rules = {"groups": [group]}
        assert scene.ask(RULES).outcome("eu") is Outcome.INCONCLUSIVE


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
        check = scene.ask(ALERTS)
        assert check.outcome("eu") is Outcome.PASS, sentences(check)
        self.fire(alertmanager)
        assert scene.ask(ALERTS).outcome("eu") is Outcome.FAIL

    @pytest.mark.parametrize("by", ["silencedBy", "inhibitedBy"])
    def test_a_silence_over_everything_lets_nobody_hear(
        self, scene: Scene, alertmanager: PatientServer, by: str
    ) -> None:
        self.fire(alertmanager, {**WELL, by: ["5f1d"]})
        check = scene.ask(ALERTS)
        assert check.outcome("eu") is Outcome.FAIL
        assert "1 more are silenced or inhibited" in sentences(check)

    def test_a_receiver_that_is_muted_at_times_is_not_proved(
        self, scene: Scene, alertmanager: PatientServer
    ) -> None:
        self.configure(alertmanager, a_route(mute_time_intervals=["nights"]))
        check = scene.ask(ALERTS)
        assert check.outcome("eu") is Outcome.INCONCLUSIVE
        assert "reach x at some times alone" in sentences(check)

    def test_the_releases_own_alerts_are_routed_by_all_their_labels(
        self, scene: Scene, alertmanager: PatientServer
    ) -> None:
        of_the_team = {"matchers": ['team="clinic"'], "routes": [a_route()]}
        self.configure(alertmanager, of_the_team)
        assert scene.ask(ALERTS).outcome("eu") is Outcome.FAIL
        labels = {"severity": "critical", "team": "clinic"}
        scene.rules = {"groups": [{"rules": [{**SHIPPED, "labels": labels}]}]}
        assert scene.ask(ALERTS).outcome("eu") is Outcome.PASS
        dropped = {"receiver": "default", "matchers": ['alertname="ErrorsHigh"']}
        self.configure(alertmanager, dropped, of_the_team)
        check = scene.ask(ALERTS)
        assert check.outcome("eu") is Outcome.FAIL
        assert "such as ErrorsHigh reach default, wanted x" in sentences(check)

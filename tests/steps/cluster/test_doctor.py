"""The doctor on a cluster: everything that checks read is tried, and what is wrong comes with its fix."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import pytest

from probes.kubernetes.objects import Workload
from sandbox.systems.cluster.rbac import Attributes, Rbac
from steps.cluster.doctor import Examined, examine_kubernetes
from steps.kit.findings import Finding, Level, Subject
from tests.golden import Said
from tests.probes.cluster_server import ClusterServer
from tests.probes.servers import closed_port
from tests.steps.cluster.test_rules import SECTION, a_look
from tests.steps.cluster_platform import STAGES, a_cluster_platform
from tests.tables import cases

Examines = Callable[..., Finding]


@pytest.fixture
def examined(tmp_path: pathlib.Path, cluster: ClusterServer) -> Examines:
    """Return what examines the stand-in, or another server, with changes of the section."""
    cluster.tell(**STAGES["pre-deploy"])

    def examined(server: str = cluster.url, **changes: Any) -> Finding:
        platform = a_cluster_platform(tmp_path, server, **changes)
        section = platform.environment.settings.kubernetes
        assert section is not None
        (found,) = examine_kubernetes(Subject(platform, release_known=True), "eu", section)
        return found

    return examined


@pytest.fixture
def places(tmp_path: pathlib.Path, cluster: ClusterServer) -> dict[str, str]:
    return {str(tmp_path): "FOLDER", cluster.url.partition("//")[2]: "SERVER"}


@cases(
    "bent changes",
    {
        "an account of the kit is fine": ({}, {}),
        "may write": ({"rights_widened": True}, {}),
        "may not read": ({"rights_narrowed": True}, {}),
        "expired": ({"token_expired": True}, {}),
        **{
            f"no such {key}": ({}, {key: "nobody"})
            for key in ("service", "config_map", "container", "image", "version_label")
        },
        "no such system_namespace": ({}, {"system_namespace": "nobody"}),
        "labels that select nothing": ({}, {"app_labels": {"app": "nobody"}}),
    },
)
def test_what_is_wrong_comes_with_what_fixes_it(
    examined: Examines, cluster: ClusterServer, places: Any, bent: Any, changes: Any, said: Said
) -> None:
    cluster.bend(**bent)
    said(examined(**changes).record(), places)


@pytest.mark.parametrize("denied", ["services", "configmaps", "nodes", "pods/log"])
def test_everything_that_checks_read_is_tried(
    examined: Examines, places: Any, monkeypatch: pytest.MonkeyPatch, denied: str, said: Said
) -> None:
    allows = Rbac.allows

    def all_but_one(self: Rbac, asked: Attributes, **bent: bool) -> bool:
        return asked.resource != denied and allows(self, asked, **bent)

    monkeypatch.setattr(Rbac, "allows", all_but_one)
    said(examined().record(), places)


def test_a_cluster_that_does_not_answer_was_not_reached(examined: Examines) -> None:
    found = examined(f"http://127.0.0.1:{closed_port()}")
    assert not found.reached
    assert "regions.eu.kubernetes.server" in found.remedy[0]


class TestOneRegion:
    """What no stand-in has to be asked for."""

    @pytest.fixture
    def region(self, tmp_path: pathlib.Path) -> Examined:
        platform = a_cluster_platform(tmp_path, "http://nowhere.invalid")
        return Examined.of(Subject(platform, release_known=True), "eu", SECTION)

    def test_a_config_map_that_is_there_and_that_no_pod_reads_is_named(
        self, region: Examined
    ) -> None:
        """Each namespace has a ConfigMap kube-root-ca.crt, for one, and each pod reads that."""
        (pod, *_) = a_look().own_pods
        other = pod.model_copy(update={"config_maps": frozenset({"kube-root-ca.crt"})})
        (found,) = region.reads_config([other])
        assert "no pod of the app that reads the ConfigMap" in found.sentence

    def test_a_service_that_selects_no_version_is_a_warning(self, region: Examined) -> None:
        (found,) = region.selects_version(a_look(selector={"app": "api"}).traffic)
        assert found.level is Level.WARN
        assert "it leads to every version at once" in found.sentence

    def test_pods_that_another_controller_runs_are_named_with_it(self, region: Examined) -> None:
        (pod, *_) = a_look().own_pods
        run = Workload((), (pod.model_copy(update={"owner": "Rollout api", "workload": ""}),))
        found = region.not_run(run)
        assert found is not None
        assert "are run by Rollout api" in found.sentence

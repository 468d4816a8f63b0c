from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from probes.kubernetes.objects import Workload
from sandbox.systems.cluster.rbac import Attributes, Rbac
from steps.cluster.doctor import Examined, examine_kubernetes
from steps.kit.findings import Finding, Level, Subject
from tests.probes.cluster_server import ClusterServer, cluster_server
from tests.probes.servers import closed_port
from tests.steps.cluster.test_rules import SECTION, a_look
from tests.steps.cluster_platform import a_cluster_platform


@pytest.fixture(scope="module")
def running() -> Iterator[ClusterServer]:
    with cluster_server() as server:
        yield server


@pytest.fixture
def cluster(running: ClusterServer) -> Iterator[ClusterServer]:
    yield running
    running.straighten()


def examined(folder: pathlib.Path, server: str, **changes: object) -> Finding:
    platform = a_cluster_platform(folder, server, **changes)  # type: ignore[arg-type]  # any key of the section
    section = platform.environment.settings.kubernetes
    assert section is not None
    (found,) = examine_kubernetes(Subject(platform, release_known=True), "eu", section)
    return found


def test_an_account_of_the_kit_is_fine(tmp_path: pathlib.Path, cluster: ClusterServer) -> None:
    found = examined(tmp_path, cluster.url)
    assert found.level is Level.OK
    assert "can read and nothing else" in found.sentence


@pytest.mark.parametrize(
    ("denied", "says"),
    [
        ("services", "the Service"),
        ("configmaps", "the ConfigMap"),
        ("nodes", "nodes"),
        ("pods/log", "logs"),
    ],
)
def test_everything_that_checks_read_is_tried(
    tmp_path: pathlib.Path,
    cluster: ClusterServer,
    monkeypatch: pytest.MonkeyPatch,
    denied: str,
    says: str,
) -> None:
    allows = Rbac.allows

    def all_but_one(self: Rbac, asked: Attributes, **bent: bool) -> bool:
        return asked.resource != denied and allows(self, asked, **bent)

    monkeypatch.setattr(Rbac, "allows", all_but_one)
    found = examined(tmp_path, cluster.url)
    assert found.level is Level.BAD
    assert found.sentence.startswith(says)
    assert "kubectl apply -f deploy" in found.remedy[0]


@pytest.mark.parametrize(
    "key",
    [*("service", "config_map", "container", "image"), *("version_label", "system_namespace")],
)
def test_names_of_what_is_not_there_are_told_with_their_key(
    tmp_path: pathlib.Path, cluster: ClusterServer, key: str
) -> None:
    found = examined(tmp_path, cluster.url, **{key: "nobody"})
    assert found.level is Level.BAD
    assert "“nobody”" in found.sentence
    assert f"kubernetes.{key}" in found.remedy[0]


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


@pytest.mark.parametrize(
    ("bent", "says", "fixes"),
    [
        ({"rights_widened": True}, "could do anything with pods", "kubectl apply -f deploy"),
        ({"rights_narrowed": True}, "does not permit", "kubectl apply -f deploy"),
        ({"token_expired": True}, "refused", "kubectl create token release-gate"),
    ],
    ids=["may write", "may not read", "expired"],
)
def test_what_is_wrong_comes_with_the_command_that_fixes_it(
    tmp_path: pathlib.Path, cluster: ClusterServer, bent: dict[str, bool], says: str, fixes: str
) -> None:
    cluster.bend(**bent)
    found = examined(tmp_path, cluster.url)
    assert found.level is Level.BAD
    assert says in found.sentence
    assert fixes in found.remedy[0]


def test_labels_that_select_nothing_are_named(
    tmp_path: pathlib.Path, cluster: ClusterServer
) -> None:
    found = examined(tmp_path, cluster.url, app_labels={"app": "nobody"})
    assert (found.level, "app=nobody" in found.sentence) == (Level.BAD, True)


def test_a_cluster_that_does_not_answer_was_not_reached(tmp_path: pathlib.Path) -> None:
    found = examined(tmp_path, f"http://127.0.0.1:{closed_port()}")
    assert not found.reached
    assert "regions.eu.kubernetes.server" in found.remedy[0]

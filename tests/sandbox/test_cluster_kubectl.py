"""The real kubectl works against the stand-in as it does against a cluster."""

from __future__ import annotations

import json
import pathlib
import subprocess
from collections.abc import Callable, Iterator

import pytest
import trustme

from prove import kubernetes as recordings
from sandbox.systems.cluster import controller
from sandbox.systems.cluster.state import APP, NAMESPACE
from tests.deploy.kubectl import program
from tests.probes.cluster_server import TOKEN, ClusterServer, cluster_server

Kubectl = Callable[..., subprocess.CompletedProcess[str]]
_SECONDS = 30
RESTARTED = {"1.1.0": "2026-01-01T00:00:00Z"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    return folder


@pytest.fixture(scope="module")
def running(files: pathlib.Path) -> Iterator[ClusterServer]:
    with cluster_server(certificate=files / "server.pem") as server:
        yield server


@pytest.fixture
def cluster(running: ClusterServer) -> Iterator[ClusterServer]:
    yield running
    running.straighten()


@pytest.fixture
def kubectl(cluster: ClusterServer, files: pathlib.Path) -> Kubectl:
    server = [f"--server={cluster.url}", f"--certificate-authority={files / 'ca.pem'}"]
    account = [f"--token={TOKEN}", f"--namespace={NAMESPACE}", "--cache-dir", str(files / "cache")]

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program(), *server, *account, *arguments],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            env={"HOME": str(files)},
        )

    return run


def test_it_lists_pods_and_says_which_server_it_asks(kubectl: Kubectl) -> None:
    pods = kubectl("get", "pods", "-l", f"app={APP}", "-o", "name")
    assert (pods.returncode, pods.stderr) == (0, "")
    assert [line.startswith(f"pod/{APP}-v1.1.0-") for line in pods.stdout.split()] == [True] * 3
    assert "Server Version: v1.37.2" in kubectl("version").stdout


def test_one_object_says_its_kind_although_listed_ones_do_not(kubectl: Kubectl) -> None:
    found = json.loads(kubectl("get", "deployment", f"{APP}-v1.1.0", "-o", "json").stdout)
    assert (found["kind"], found["apiVersion"]) == ("Deployment", "apps/v1")


def test_it_reads_a_log(kubectl: Kubectl) -> None:
    pod = kubectl("get", "pods", "-l", f"app={APP}", "-o", "name").stdout.split()[0]
    assert json.loads(kubectl("logs", pod, "--tail=1").stdout)["level"] == "info"


def test_a_refusal_is_in_the_words_of_a_real_server(kubectl: Kubectl) -> None:
    refused = recordings.load("healthy").answered("GET /apis/apps/v1/namespaces/default/deploy")
    said = kubectl("get", "deployments", "-n", "default").stderr
    assert said == f"Error from server (Forbidden): {refused[0]['body']['message']}\n"


def test_it_waits_for_a_rolling_update_step_by_step(
    cluster: ClusterServer, kubectl: Kubectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine kubectl takes longer to start than a pod to become ready.
    monkeypatch.setattr(controller, "READY_AFTER_SECONDS", 2.0)
    cluster.bend(rights_widened=True, restarted_at=RESTARTED)
    done = kubectl("rollout", "status", f"deployment/{APP}-v1.1.0", "--timeout=20s")
    assert done.returncode == 0, done.stderr
    steps = done.stdout.splitlines()
    assert "1 out of 3 new replicas have been updated" in steps[0]
    assert f'deployment "{APP}-v1.1.0" successfully rolled out' in steps[-1]


def test_it_says_that_a_deadline_has_passed(cluster: ClusterServer, kubectl: Kubectl) -> None:
    cluster.bend(rights_widened=True, stuck=True)
    done = kubectl("rollout", "status", f"deployment/{APP}-v1.1.0", "--timeout=20s")
    assert done.returncode == 1
    assert "exceeded its progress deadline" in done.stderr

"""A cluster to do things to: the real kubectl, what is applied with it, and what has been recorded."""

from __future__ import annotations

import pathlib
import string
import subprocess
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import yaml

from prove.kubernetes.control_plane import Api, ControlPlane, Json
from sandbox.systems.cluster.state import (
    APP,
    CONFIG_BEFORE,
    CONFIG_MAP,
    CONTAINER,
    NAMESPACE,
    SERVICE,
    SERVICE_ACCOUNT,
)
from tests.probes.servers import wait_until

if TYPE_CHECKING:
    from prove.kubernetes.kubelets import Kubelets, Mode

OLD, NEW = "1.1.0", "1.2.0"
LISTS: Final = {
    "deployments": f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments",
    "statefulsets": f"/apis/apps/v1/namespaces/{NAMESPACE}/statefulsets",
    "replicasets": f"/apis/apps/v1/namespaces/{NAMESPACE}/replicasets",
    "jobs": f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs",
    "services": f"/api/v1/namespaces/{NAMESPACE}/services",
    "configmaps": f"/api/v1/namespaces/{NAMESPACE}/configmaps",
    "resourcequotas": f"/api/v1/namespaces/{NAMESPACE}/resourcequotas",
    "endpointslices": f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices",
    "pods": "/api/v1/pods",
    "nodes": "/api/v1/nodes",
}
APPS = f"/apis/apps/v1/namespaces/{NAMESPACE}"
CORE = f"/api/v1/namespaces/{NAMESPACE}"
_FOUR = 4
_FOLDER = pathlib.Path(__file__).parent
_MANIFESTS = string.Template((_FOLDER / "manifests.yaml").read_text(encoding="utf-8"))
MEANS: Final[Mapping[str, str]] = yaml.safe_load((_FOLDER / "means.yaml").read_text("utf-8"))
"""What was done, by recording."""
_HEADERS = ("content-type", "retry-after")


class World:
    """A cluster to do things to, and what has been recorded of it."""

    def __init__(
        self, plane: ControlPlane, api: Api, kubelets: Kubelets, kubectl: pathlib.Path
    ) -> None:
        self.plane = plane
        self.api = api
        self.kubelets = kubelets
        self._kubectl = kubectl
        self.recordings: dict[str, Json] = {}

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """Run the real kubectl; raises CalledProcessError."""
        command = [str(self._kubectl), f"--kubeconfig={self.plane.kubeconfig}"]
        done = subprocess.run(  # noqa: S603 - the pinned kubectl against the server of this recording
            [*command, "-n", NAMESPACE, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        if done.returncode:
            raise RuntimeError(f"kubectl {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def apply(self, *objects: Mapping[str, Any]) -> None:
        """Apply objects as an operator does."""
        text = yaml.safe_dump_all([dict(one) for one in objects])
        self.kubectl("apply", "-f", "-", stdin=text)

    def pods(self) -> list[Json]:
        """Return the namespace's pods."""
        return list(self.api.get(f"{CORE}/pods")["items"])

    def status(self, version: str = OLD) -> Json:
        """Return the status of a version's Deployment."""
        return dict(self.api.get(f"{APPS}/deployments/{APP}-v{version}").get("status", {}))

    def complete(self, version: str = OLD) -> None:
        """Wait until kubectl calls a rollout complete."""
        self.kubectl("rollout", "status", f"deployment/{APP}-v{version}", "--timeout=60s")
        wait_until(lambda: not any(deleting(one) for one in self.pods()), "old pods have ended")
        time.sleep(1.0)

    def newcomers(self, mode: Mode) -> set[str]:
        """Let pods that are made from now on get no further than this; returns which are ready."""
        ready = {one["metadata"]["uid"] for one in self.pods()}

        def of(pod: Json) -> Mode:
            own = pod["metadata"]["namespace"] == NAMESPACE
            return mode if own and pod["metadata"]["uid"] not in ready else "ready"

        self.kubelets.mode = of
        return ready

    def four_run(self) -> None:
        """Wait for a fourth pod whose container has been started, well or not."""

        def run() -> bool:
            pods = self.pods()
            return len(pods) == _FOUR and all(map(runs, pods))

        wait_until(run, "a fourth pod")

    def record(self, name: str, *answers: Json) -> None:
        """Keep everything that the cluster shows now."""
        time.sleep(1.0)
        lists = {kind: self.api.get(path) for kind, path in LISTS.items()}
        self.recordings[name] = {"means": MEANS[name], "lists": lists, "answers": list(answers)}


def deleting(pod: Json) -> bool:
    """Tell whether a pod is on its way out."""
    return "deletionTimestamp" in pod["metadata"]


def asked(api: Api, method: str, path: str, body: Json | None = None) -> Json:
    """Ask and return request and answer."""
    options = {} if body is None else {"json": body}
    answer = api.answer(method, path, **options)
    kind = answer.headers.get("content-type", "")
    content = answer.json() if kind.startswith("application/json") else answer.text
    return {
        "request": f"{method} {path}",
        **({} if body is None else {"sent": body}),
        "status": answer.status_code,
        "headers": {k: answer.headers[k] for k in _HEADERS if k in answer.headers},
        "body": content,
    }


def manifest(kind: str, version: str = OLD, **values: object) -> Json:
    """Return an object out of manifests.yaml, for a version of the app."""
    known: dict[str, object] = {
        "app": APP,
        "container": CONTAINER,
        "config_map": CONFIG_MAP,
        "namespace": NAMESPACE,
        "service": SERVICE,
        "service_account": SERVICE_ACCOUNT,
        "version": version,
    }
    return dict(yaml.safe_load(_MANIFESTS.safe_substitute(known | values))[kind])


def deployment(version: str, replicas: int) -> Json:
    """Return the Deployment of a version."""
    return manifest("deployment", version, replicas=replicas)


def service(version: str = OLD, **spec: Any) -> Json:
    """Return the Service, leading to a version."""
    found = manifest("service", version)
    return {**found, "spec": {**found["spec"], **spec}}


def config_map(data: Mapping[str, str] = CONFIG_BEFORE, **metadata: Any) -> Json:
    """Return the ConfigMap."""
    found = manifest("config-map")
    return {**found, "metadata": {**found["metadata"], **metadata}, "data": dict(data)}


def runs(pod: Json) -> bool:
    """Tell whether a kubelet has started a pod, well or not."""
    return bool(pod["status"].get("containerStatuses"))

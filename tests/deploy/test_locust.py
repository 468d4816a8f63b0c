"""What operators apply for a load test: rendered by kustomize itself, each object as its API type reads it.

No cluster is asked. What an admission controller, a scheduler and a network plugin make of it is told
in docs/adr/0023.
"""

from __future__ import annotations

import pathlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pydantic
import pytest
import yaml
from kubernetes.client import models

from environments.loader import load_file
from environments.yaml_file import ConfigurationError
from load._options import permitted
from settings.environment import Environment
from tests.checkout import ROOT
from tests.deploy.kubectl import kustomize
from tests.deploy.policies import Object, Pod, Policies
from tests.tables import cases

FOLDER = ROOT / "deploy" / "locust"
NAMESPACE = "load-test"
JOBS = ("locust-master", "locust-workers")
_TYPES: Mapping[tuple[str, str], str] = {
    ("batch/v1", "Job"): "V1Job",
    ("networking.k8s.io/v1", "NetworkPolicy"): "V1NetworkPolicy",
    ("v1", "ConfigMap"): "V1ConfigMap",
    ("v1", "Namespace"): "V1Namespace",
    ("v1", "PersistentVolumeClaim"): "V1PersistentVolumeClaim",
    ("v1", "Pod"): "V1Pod",
    ("v1", "Service"): "V1Service",
    ("v1", "ServiceAccount"): "V1ServiceAccount",
}
_MARK = re.compile(r'"EDIT-ME: [^"]+"')


class Rendered:
    """The objects that a folder renders to."""

    def __init__(self, text: str) -> None:
        self.all: Sequence[Any] = [*yaml.safe_load_all(text)]

    def of(self, kind: str) -> dict[str, Any]:
        return {one["metadata"]["name"]: one for one in self.all if one["kind"] == kind}

    def job(self, name: str) -> Any:
        return self.of("Job")[name]

    def pod(self, name: str) -> Any:
        return self.job(name)["spec"]["template"]["spec"]

    def container(self, name: str) -> Any:
        (found,) = self.pod(name)["containers"]
        return found

    def options(self) -> dict[str, str]:
        (found,) = (one for name, one in self.of("ConfigMap").items() if "options" in name)
        return dict(found["data"])

    def policies(self) -> Policies:
        return Policies(NAMESPACE, [*self.of("NetworkPolicy").values()])


def _variant(folder: pathlib.Path, old: str, new: str) -> Rendered:
    """Render a copy whose overlay was changed in one line, as an operator would."""
    shutil.copytree(FOLDER, folder / "locust")
    overlay = folder / "locust" / "staging" / "kustomization.yaml"
    text = overlay.read_text(encoding="utf-8")
    assert text.count(old) == 1
    overlay.write_text(text.replace(old, new), encoding="utf-8")
    return Rendered(kustomize(overlay.parent))


@pytest.fixture(scope="module")
def staging() -> Rendered:
    return Rendered(kustomize(FOLDER / "staging"))


@pytest.fixture(scope="module")
def to_object_store(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    folder = tmp_path_factory.mktemp("object-store")
    return _variant(folder, "  - ../report-to-volume", "  - ../report-to-object-store")


@pytest.fixture(scope="module", params=["volume", "object store"])
def either(request: pytest.FixtureRequest) -> Rendered:
    name = "staging" if request.param == "volume" else "to_object_store"
    found: Rendered = request.getfixturevalue(name)
    return found


def _read(described: Object) -> Any:
    """Read an object strictly as its API type and write it again: what was not understood is missing."""
    # Loaded when it is asked for: half a second, which each process that collects tests would take.
    model: type[pydantic.BaseModel] = getattr(
        models, _TYPES[described["apiVersion"], described["kind"]]
    )
    return model.model_validate(described).model_dump(mode="json", by_alias=True, exclude_none=True)


class TestTheObjects:
    def test_are_these_of_known_types_in_a_namespace_of_their_own(
        self, either: Rendered, said: Callable[..., None]
    ) -> None:
        """Each value as it is kept: once and in time, whole cores, no right too many, other nodes."""
        maps = either.of("ConfigMap")
        kept = [one for one in either.all if "environment" not in one["metadata"]["name"]]
        said(kept, {name.rpartition("-")[2]: "DIGEST" for name in maps})
        assert [_read(one) for one in either.all] == either.all
        inside = [one for one in either.all if one["kind"] != "Namespace"]
        assert {one["metadata"]["namespace"] for one in inside} == {NAMESPACE}

    @cases(
        "key value",
        {
            "a key misspelt": ("restartPolcy", "Never"),
            "a key of another language": ("enable_service_links", False),
            "a word for a number": ("terminationGracePeriodSeconds", "two minutes"),
            "a container without its name": ("containers", [{"image": "x"}]),
        },
    )
    def test_a_mistake_in_one_is_noticed(self, key: str, value: object, staging: Rendered) -> None:
        job = staging.job("locust-master")
        spec = {**job["spec"]["template"]["spec"], key: value}
        described = {**job, "spec": {**job["spec"], "template": {"spec": spec}}}
        try:
            same = _read(described) == described
        except pydantic.ValidationError:
            same = False
        assert not same

    def test_what_they_name_is_there_or_made_by_hand(self, either: Rendered) -> None:
        by_hand = {("Secret", "locust-secrets"), ("Secret", "locust-object-store")}
        there = {(one["kind"], one["metadata"]["name"]) for one in either.all}
        named = {pair for name in JOBS for pair in _named(either.pod(name))}
        assert named - there <= by_hand
        assert ("Secret", "locust-secrets") in named


_NAMES = {
    "configMap": ("ConfigMap", "name"),
    "secret": ("Secret", "secretName"),
    "persistentVolumeClaim": ("PersistentVolumeClaim", "claimName"),
    "configMapRef": ("ConfigMap", "name"),
    "secretRef": ("Secret", "name"),
}
"""By the key of a volume or a source of variables: the kind that it names, and by which key."""


def _named(pod: Object) -> Iterator[tuple[str, str]]:
    yield "ServiceAccount", pod["serviceAccountName"]
    for source in (*pod["volumes"], *pod["containers"][0].get("envFrom", ())):
        for key, (kind, name) in _NAMES.items():
            if key in source:
                yield kind, source[key][name]


class TestMasterAndWorkers:
    def test_the_number_of_workers_stands_in_one_place(self, tmp_path: pathlib.Path) -> None:
        changed = _variant(tmp_path, "value: 4}", "value: 7}")
        workers = changed.job("locust-workers")["spec"]
        assert (workers["parallelism"], workers["completions"]) == (7, 7)
        assert "--expect-workers=7" in changed.container("locust-master")["args"]

    def test_workers_find_the_master_by_the_service_and_are_spread_over_nodes(
        self, staging: Rendered
    ) -> None:
        (service,) = staging.of("Service").values()
        args = staging.container("locust-workers")["args"]
        assert f"--master-host={service['metadata']['name']}" in args
        labels, others = (
            staging.job(one)["spec"]["template"]["metadata"]["labels"] for one in JOBS
        )
        assert service["spec"]["selector"].items() <= labels.items()
        assert not service["spec"]["selector"].items() <= others.items()
        (port,) = service["spec"]["ports"]
        (named,) = staging.container("locust-master")["ports"]
        assert (port["port"], port["targetPort"]) == (named["containerPort"], named["name"])
        (rule,) = staging.pod("locust-workers")["topologySpreadConstraints"]
        assert rule["labelSelector"]["matchLabels"].items() <= others.items()


@pytest.mark.parametrize("name", JOBS)
def test_the_load_test_takes_the_options_that_its_pods_are_given(
    name: str, to_object_store: Rendered
) -> None:
    given = to_object_store.options()
    args = [
        re.sub(r"\$\((\w+)\)", lambda found: given[found[1]], argument)
        for argument in to_object_store.container(name)["args"]
    ]
    done = subprocess.run(
        [sys.executable, "-m", "locust", *args, "--list"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


_LOCUST = {"app.kubernetes.io/name": "locust"}
MASTER = Pod("the master", NAMESPACE, {**_LOCUST, "app.kubernetes.io/component": "master"})
WORKER = Pod("a worker", NAMESPACE, {**_LOCUST, "app.kubernetes.io/component": "worker"})
NEIGHBOUR = Pod("a pod beside them", NAMESPACE, {"app": "something"})
PLATFORM = Pod("the platform", "unified-health", {"app": "unified-health-api"})
DATABASE = Pod("its database", "unified-health", {"app": "postgres"})
IMPOSTOR = Pod("an impostor", "elsewhere", WORKER.labels)
DNS = Pod("DNS", "kube-system", {"k8s-app": "kube-dns"})
INTERNET = Pod("the Internet", "", {})


WAYS = {
    f"{source.name} to {target.name}, {protocol} {port}": (source, target, port, protocol, let)
    for let, source, target, port, protocol in (
        (True, WORKER, MASTER, 5557, "TCP"),
        (True, WORKER, PLATFORM, 8080, "TCP"),
        (True, MASTER, PLATFORM, 8080, "TCP"),
        (True, WORKER, DNS, 53, "UDP"),
        (True, MASTER, DNS, 53, "TCP"),
        (False, NEIGHBOUR, MASTER, 5557, "TCP"),
        (False, IMPOSTOR, MASTER, 5557, "TCP"),
        (False, INTERNET, MASTER, 5557, "TCP"),
        (False, PLATFORM, MASTER, 5557, "TCP"),
        (False, WORKER, MASTER, 8089, "TCP"),
        (False, IMPOSTOR, WORKER, 5557, "TCP"),
        (False, MASTER, WORKER, 5557, "TCP"),
        (False, WORKER, DATABASE, 5432, "TCP"),
        (False, WORKER, IMPOSTOR, 443, "TCP"),
        (False, WORKER, INTERNET, 443, "TCP"),
        (False, MASTER, INTERNET, 443, "TCP"),
        (False, WORKER, DNS, 443, "TCP"),
    )
}


@cases("source target port protocol let", WAYS)
def test_the_network_lets_through_what_the_test_needs_and_nothing_else(
    source: Pod, target: Pod, port: int, protocol: str, *, let: bool, staging: Rendered
) -> None:
    assert staging.policies().allow(source, target, port, protocol) is let


class TestTheReport:
    def test_is_written_where_the_image_keeps_runs_by_the_master_alone(
        self, either: Rendered
    ) -> None:
        mounted = {one["mountPath"] for one in either.container("locust-master")["volumeMounts"]}
        others = {one["mountPath"] for one in either.container("locust-workers")["volumeMounts"]}
        assert mounted - others == {"/gate/reports/out"}

    def test_lies_on_a_volume_that_outlasts_the_job_and_is_fetched_from_there(
        self, staging: Rendered
    ) -> None:
        master = staging.container("locust-master")
        (runs,) = (one for one in staging.pod("locust-master")["volumes"] if one["name"] == "runs")
        collect = yaml.safe_load((FOLDER / "collect.yaml").read_text(encoding="utf-8"))
        assert _read(collect) == collect
        (volume,) = collect["spec"]["volumes"]
        assert volume["persistentVolumeClaim"]["claimName"] in staging.of("PersistentVolumeClaim")
        assert runs["persistentVolumeClaim"]["claimName"] in staging.of("PersistentVolumeClaim")
        (container,) = collect["spec"]["containers"]
        assert [container[key] for key in ("image", "securityContext")] == [
            master[key] for key in ("image", "securityContext")
        ]

    def test_goes_to_an_object_store_that_only_the_master_reaches(
        self, to_object_store: Rendered
    ) -> None:
        policies = to_object_store.policies()
        assert policies.allow(MASTER, INTERNET, 443)
        assert not policies.allow(MASTER, INTERNET, 80)
        assert not policies.allow(WORKER, INTERNET, 443)


class TestTheEnvironment:
    def test_is_refused_until_it_is_edited(self, staging: Rendered, tmp_path: pathlib.Path) -> None:
        path = tmp_path / "environment.yaml"
        path.write_text(_environment(staging), encoding="utf-8")
        with pytest.raises(ConfigurationError, match="still says EDIT-ME"):
            load_file(path)

    def test_edited_it_allows_the_load_that_the_options_ask_for(
        self, staging: Rendered, tmp_path: pathlib.Path
    ) -> None:
        (tmp_path / "token").write_text("sentinel\n", encoding="utf-8")
        text = _environment(staging)
        token = Environment.model_validate(yaml.safe_load(_edited(text))).synthetic
        assert token is not None
        assert token.token == "file:/secrets/synthetic-token"
        path = tmp_path / "environment.yaml"
        path.write_text(_edited(text).replace(token.token, "file:token"), encoding="utf-8")
        permitted(load_file(path)).check_rate(float(staging.options()["LOAD_RPS"]))

    @pytest.mark.parametrize("name", JOBS)
    def test_lies_where_the_options_say(self, name: str, staging: Rendered) -> None:
        assert "--env=/environment/environment.yaml" in staging.container(name)["args"]
        named = re.findall(r"\$\((\w+)\)", " ".join(staging.container(name)["args"]))
        assert set(named) <= set(staging.options())
        mounted = {one["mountPath"]: one["name"] for one in staging.container(name)["volumeMounts"]}
        assert mounted["/environment"] == "environment"
        assert mounted["/secrets"] == "secrets"


def _environment(rendered: Rendered) -> str:
    (found,) = (one for name, one in rendered.of("ConfigMap").items() if "environment" in name)
    return str(found["data"]["environment.yaml"])


def _edited(text: str) -> str:
    numbers = iter(range(9))
    return _MARK.sub(lambda _: f"http://host-{next(numbers)}.example", text)


class TestTheImage:
    text = (FOLDER / "Containerfile").read_text(encoding="utf-8")

    def test_holds_hashed_packages_of_this_repository(self) -> None:
        (copied,) = re.findall(r"^COPY (requirements.*) /$", self.text, re.MULTILINE)
        for name in copied.split():
            assert "--hash=sha256:" in (ROOT / name).read_text(encoding="utf-8")
        assert self.text.count("--require-hashes") == 2

    def test_runs_as_the_user_of_the_pods(self, staging: Rendered) -> None:
        context = staging.pod("locust-master")["securityContext"]
        assert f"USER {context['runAsUser']}:{context['runAsGroup']}" in self.text

    def test_names_no_base_that_could_change(self) -> None:
        assert re.findall(r"^FROM (\S+)", self.text, re.MULTILINE) == ["${PYTHON}"] * 2
        assert "ARG PYTHON\n" in self.text


def test_the_commands_of_the_page_name_what_is_there(staging: Rendered) -> None:
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    for path in re.findall(r"kubectl \w+ -[kf] ([\w/.-]+)", page):
        assert (ROOT / path).exists(), path
    assert {f"job/{name}" for name in JOBS} >= set(re.findall(r"job/[\w-]+", page))
    assert "delete job locust-master locust-workers" in page
    assert set(re.findall(r"LOAD_\w+", page)) <= {*staging.options(), "LOAD_REPORT_TO"}

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
from collections.abc import Iterator, Mapping, Sequence
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

FOLDER = ROOT / "deploy" / "locust"
NAMESPACE = "load-test"
JOBS = ("locust-master", "locust-workers")
_TYPES: Mapping[tuple[str, str], type[pydantic.BaseModel]] = {
    ("batch/v1", "Job"): models.V1Job,
    ("networking.k8s.io/v1", "NetworkPolicy"): models.V1NetworkPolicy,
    ("v1", "ConfigMap"): models.V1ConfigMap,
    ("v1", "Namespace"): models.V1Namespace,
    ("v1", "PersistentVolumeClaim"): models.V1PersistentVolumeClaim,
    ("v1", "Pod"): models.V1Pod,
    ("v1", "Service"): models.V1Service,
    ("v1", "ServiceAccount"): models.V1ServiceAccount,
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
    model = _TYPES[described["apiVersion"], described["kind"]].model_validate(described)
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


class TestTheObjects:
    def test_are_what_their_api_types_say(self, either: Rendered) -> None:
        for one in either.all:
            assert _read(one) == one

    def test_the_pod_that_fetches_the_report_is_too(self) -> None:
        described = yaml.safe_load((FOLDER / "collect.yaml").read_text(encoding="utf-8"))
        assert _read(described) == described

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            pytest.param("restartPolcy", "Never", id="a key misspelt"),
            pytest.param("enable_service_links", False, id="a key of another language"),
            pytest.param("terminationGracePeriodSeconds", "two minutes", id="a word for a number"),
            pytest.param("containers", [{"image": "x"}], id="a container without its name"),
        ],
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

    def test_nothing_restarts_a_test_or_changes_its_size(self, either: Rendered) -> None:
        kinds = {one["kind"] for one in either.all} - {"PersistentVolumeClaim"}
        assert kinds == {
            *("ConfigMap", "Job", "Namespace", "NetworkPolicy", "Service", "ServiceAccount")
        }

    def test_all_of_them_are_in_the_namespace_of_their_own(self, either: Rendered) -> None:
        (namespace,) = either.of("Namespace").values()
        assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
        inside = [one for one in either.all if one["kind"] != "Namespace"]
        assert {one["metadata"]["namespace"] for one in inside} == {NAMESPACE}

    def test_what_they_name_is_there_or_made_by_hand(self, either: Rendered) -> None:
        by_hand = {("Secret", "locust-secrets"), ("Secret", "locust-object-store")}
        there = {(one["kind"], one["metadata"]["name"]) for one in either.all}
        named = {pair for name in JOBS for pair in _named(either.pod(name))}
        assert named - there <= by_hand
        assert ("Secret", "locust-secrets") in named


def _named(pod: Object) -> Iterator[tuple[str, str]]:
    yield "ServiceAccount", pod["serviceAccountName"]
    for volume in pod["volumes"]:
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"]
        if "secret" in volume:
            yield "Secret", volume["secret"]["secretName"]
        if "persistentVolumeClaim" in volume:
            yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]
    for source in pod["containers"][0].get("envFrom", ()):
        if "configMapRef" in source:
            yield "ConfigMap", source["configMapRef"]["name"]
        if "secretRef" in source:
            yield "Secret", source["secretRef"]["name"]


@pytest.mark.parametrize("name", JOBS)
class TestEachJob:
    def test_runs_once_ends_in_time_and_outlasts_a_weekend(
        self, name: str, staging: Rendered
    ) -> None:
        spec = staging.job(name)["spec"]
        assert staging.pod(name)["restartPolicy"] == "Never"
        assert 0 in (spec.get("backoffLimit"), spec.get("backoffLimitPerIndex"))
        assert 0 < spec["activeDeadlineSeconds"] <= 3600
        assert spec["ttlSecondsAfterFinished"] >= 2 * 24 * 3600

    def test_has_whole_cores_of_its_own_and_no_probe_of_a_web_ui(
        self, name: str, staging: Rendered
    ) -> None:
        container = staging.container(name)
        resources = container["resources"]
        assert resources["requests"] == resources["limits"]
        assert re.fullmatch(r"[1-9][0-9]*", resources["limits"]["cpu"])
        assert not {"livenessProbe", "readinessProbe", "startupProbe"} & set(container)

    def test_has_no_right_that_it_does_not_need(self, name: str, staging: Rendered) -> None:
        pod, container = staging.pod(name), staging.container(name)
        assert pod["automountServiceAccountToken"] is False
        assert (
            pod["securityContext"].items()
            >= {
                "runAsNonRoot": True,
                "runAsUser": 10001,
                "seccompProfile": {"type": "RuntimeDefault"},
            }.items()
        )
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }

    def test_keeps_off_the_platforms_nodes(self, name: str, staging: Rendered) -> None:
        rules = staging.pod(name)["affinity"]["podAntiAffinity"]
        (rule,) = rules["requiredDuringSchedulingIgnoredDuringExecution"]
        assert rule["topologyKey"] == "kubernetes.io/hostname"
        assert rule["labelSelector"]["matchLabels"] == {"app": "unified-health-api"}
        assert rule["namespaceSelector"]["matchLabels"] == {
            "kubernetes.io/metadata.name": "unified-health"
        }

    def test_is_told_of_no_service_by_a_variable_that_could_be_an_option_of_locust(
        self, name: str, staging: Rendered
    ) -> None:
        assert staging.pod(name)["enableServiceLinks"] is False

    def test_has_a_value_for_everything_that_its_options_name(
        self, name: str, either: Rendered
    ) -> None:
        named = re.findall(r"\$\((\w+)\)", " ".join(either.container(name)["args"]))
        given = either.options() if "envFrom" in either.container(name) else {}
        assert set(named) <= set(given)


class TestMasterAndWorkers:
    def test_the_number_of_workers_stands_in_one_place(self, tmp_path: pathlib.Path) -> None:
        changed = _variant(tmp_path, "value: 4}", "value: 7}")
        workers = changed.job("locust-workers")["spec"]
        assert (workers["parallelism"], workers["completions"]) == (7, 7)
        assert "--expect-workers=7" in changed.container("locust-master")["args"]

    def test_the_master_waits_for_them_and_not_for_ever(self, staging: Rendered) -> None:
        args = staging.container("locust-master")["args"]
        assert {"--headless", "--master", "--expect-workers-max-wait=300"} <= set(args)
        workers = staging.job("locust-workers")["spec"]
        assert workers["completionMode"] == "Indexed"
        assert f"--expect-workers={workers['parallelism']}" in args

    def test_the_masters_exit_code_becomes_the_jobs_own_word(self, staging: Rendered) -> None:
        spec = staging.job("locust-master")["spec"]
        (rule,) = spec["podFailurePolicy"]["rules"]
        assert rule["action"] == "FailJob"
        assert rule["onExitCodes"] == {
            "containerName": "locust",
            "operator": "NotIn",
            "values": [0],
        }

    def test_workers_find_the_master_by_the_service(self, staging: Rendered) -> None:
        (service,) = staging.of("Service").values()
        args = staging.container("locust-workers")["args"]
        assert f"--master-host={service['metadata']['name']}" in args
        labels = staging.job("locust-master")["spec"]["template"]["metadata"]["labels"]
        others = staging.job("locust-workers")["spec"]["template"]["metadata"]["labels"]
        assert service["spec"]["selector"].items() <= labels.items()
        assert not service["spec"]["selector"].items() <= others.items()
        (port,) = service["spec"]["ports"]
        (named,) = staging.container("locust-master")["ports"]
        assert (port["port"], port["targetPort"]) == (named["containerPort"], named["name"])

    def test_workers_are_spread_over_nodes(self, staging: Rendered) -> None:
        (rule,) = staging.pod("locust-workers")["topologySpreadConstraints"]
        labels = staging.job("locust-workers")["spec"]["template"]["metadata"]["labels"]
        assert rule["labelSelector"]["matchLabels"].items() <= labels.items()


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


def _way(source: Pod, target: Pod, port: int, protocol: str = "TCP") -> Any:
    name = f"{source.name} to {target.name}, {protocol} {port}"
    return pytest.param(source, target, port, protocol, id=name)


class TestTheNetwork:
    @pytest.mark.parametrize(
        ("source", "target", "port", "protocol"),
        [
            _way(WORKER, MASTER, 5557),
            _way(WORKER, PLATFORM, 8080),
            _way(MASTER, PLATFORM, 8080),
            _way(WORKER, DNS, 53, "UDP"),
            _way(MASTER, DNS, 53, "TCP"),
        ],
    )
    def test_lets_through(
        self, source: Pod, target: Pod, port: int, protocol: str, staging: Rendered
    ) -> None:
        assert staging.policies().allow(source, target, port, protocol)

    @pytest.mark.parametrize(
        ("source", "target", "port", "protocol"),
        [
            _way(NEIGHBOUR, MASTER, 5557),
            _way(IMPOSTOR, MASTER, 5557),
            _way(INTERNET, MASTER, 5557),
            _way(PLATFORM, MASTER, 5557),
            _way(WORKER, MASTER, 8089),
            _way(IMPOSTOR, WORKER, 5557),
            _way(MASTER, WORKER, 5557),
            _way(WORKER, DATABASE, 5432),
            _way(WORKER, IMPOSTOR, 443),
            _way(WORKER, INTERNET, 443),
            _way(MASTER, INTERNET, 443),
            _way(WORKER, DNS, 443),
        ],
    )
    def test_stops(
        self, source: Pod, target: Pod, port: int, protocol: str, staging: Rendered
    ) -> None:
        assert not staging.policies().allow(source, target, port, protocol)


class TestTheReport:
    def test_is_written_where_the_image_keeps_runs_by_the_master_alone(
        self, either: Rendered
    ) -> None:
        mounted = {one["mountPath"] for one in either.container("locust-master")["volumeMounts"]}
        others = {one["mountPath"] for one in either.container("locust-workers")["volumeMounts"]}
        assert mounted - others == {"/gate/reports/out"}

    def test_lies_on_a_volume_that_outlasts_the_job(self, staging: Rendered) -> None:
        (runs,) = (one for one in staging.pod("locust-master")["volumes"] if one["name"] == "runs")
        claim = runs["persistentVolumeClaim"]["claimName"]
        assert claim in staging.of("PersistentVolumeClaim")
        assert "LOAD_REPORT_TO" not in staging.options()

    def test_is_fetched_from_that_volume(self, staging: Rendered) -> None:
        collect = yaml.safe_load((FOLDER / "collect.yaml").read_text(encoding="utf-8"))
        (volume,) = collect["spec"]["volumes"]
        assert volume["persistentVolumeClaim"]["claimName"] in staging.of("PersistentVolumeClaim")
        (container,) = collect["spec"]["containers"]
        assert container["image"] == staging.container("locust-master")["image"]
        assert container["securityContext"] == staging.container("locust-master")["securityContext"]

    def test_goes_to_an_object_store_that_only_the_master_reaches(
        self, to_object_store: Rendered
    ) -> None:
        policies = to_object_store.policies()
        assert policies.allow(MASTER, INTERNET, 443)
        assert not policies.allow(MASTER, INTERNET, 80)
        assert not policies.allow(WORKER, INTERNET, 443)
        assert to_object_store.of("PersistentVolumeClaim") == {}
        assert to_object_store.options()["LOAD_REPORT_TO"].startswith("s3://EDIT-ME")
        args = to_object_store.container("locust-master")["args"]
        assert "--report-to=$(LOAD_REPORT_TO)" in args
        secrets = [
            one["secretRef"]["name"]
            for one in to_object_store.container("locust-master")["envFrom"]
            if "secretRef" in one
        ]
        assert secrets == ["locust-object-store"]

    def test_has_time_to_be_written_when_the_master_is_stopped(self, staging: Rendered) -> None:
        assert staging.pod("locust-master")["terminationGracePeriodSeconds"] >= 60


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

"""The gate in pipelines: their shell with every code, their files as those who read them do."""

from __future__ import annotations

import datetime as dt
import importlib.resources
import json
import os
import pathlib
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import yaml
from kubernetes.client import models

from tests.checkout import ROOT
from tests.deploy.kubectl import kustomize
from tests.probes.servers import answer, serving
from tests.tables import cases

CI = ROOT / "deploy" / "ci"
GATE = """#!/bin/sh
echo "$@" >>"$ASKED_OF_IT"
[ "$1" != notify ] || exit 70
[ "$1 $2" != "rollback script" ] || { echo "$SCRIPT"; exit "$SCRIPT_ENDS"; }
[ "$1" != rollback ] || echo "1. kubectl rollout undo <deployment>"
run=$GATE_OUT/20260131T224500Z-post-deploy-aaaaaa
if [ -n "$DECISION" ]; then
  mkdir -p "$run"
  printf '{\\n "decision": "%s",\\n "checks": [{\\n  "decision": "GO"}]}' "$DECISION" >"$run/verdict.json"
  printf '# %s\\n' "$DECISION" >"$run/summary.md"
fi
[ "$CODE" != 137 ] || kill -9 $$
exit "$CODE"
"""
"""Leaves the verdict that it is told to, and ends as it is told to."""


def github() -> tuple[list[str], str]:
    """Return the shell of the action as GitHub starts it, and its script."""
    steps = yaml.safe_load((CI / "github/action.yml").read_text())["runs"]["steps"]
    script = next(one["run"] for one in steps if one.get("id") == "gate")
    return ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"], script


def gitlab() -> tuple[list[str], str]:
    """Return the shell of a GitLab runner, and the script of its jobs."""
    jobs = yaml.safe_load((CI / "gitlab/release.gitlab-ci.yml").read_text())
    return ["bash", "-euo", "pipefail", "-c"], "\n".join(jobs[".gate"]["script"])


def jenkins() -> tuple[list[str], str]:
    """Return the shell of Jenkins's sh step, and its script in the function that asks a gate."""
    text = (CI / "jenkins/Jenkinsfile").read_text(encoding="utf-8")
    (script,) = re.findall(r"returnStatus: true, script: '([^']+)'", text)
    return ["sh", "-e", "-c"], script


class Pipeline:
    """A job's shell, beside a gate that ends as it is told to."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        program = folder / "gate"
        program.write_text(GATE)
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        self.asked, self.outputs, self.page = (folder / one for one in ("asked", "outputs", "page"))

    def run(self, service: Any, code: int, decision: str, env: str = "prod", **more: str) -> int:
        """Run a service's script; return its exit code."""
        shell, script = service()
        script = script.replace("--env prod", f"--env {env}")
        told = {
            "ASKED": "post-deploy --window 15m",
            "ASKED_OF_IT": str(self.asked),
            "CI_COMMIT_TAG": "v1.2.0",
            "CODE": str(code),
            "DECISION": decision,
            "ENVIRONMENT": env,
            "GATE_EVIDENCE": str(self.folder / "evidence"),
            "GITHUB_ACTION_PATH": str(CI / "github"),
            "PATH": f"{self.folder}:{os.environ['PATH']}",
            "RELEASE": "v1.2.0",
            **more,
        }
        done = subprocess.run(
            [*shell, script], cwd=ROOT, env=told, check=False, capture_output=True
        )
        self.said = done.stdout.decode() + done.stderr.decode()
        return done.returncode


@pytest.fixture
def pipeline(tmp_path: pathlib.Path) -> Pipeline:
    return Pipeline(tmp_path)


@pytest.mark.parametrize("service", [github, gitlab, jenkins])
@cases("code decision ends", {
    "GO": (0, "GO", 0),
    "ROLLBACK": (10, "ROLLBACK", 10),
    "STOP": (10, "STOP", 10),
    "NO_GO": (10, "NO_GO", 10),
    "HOLD": (20, "HOLD", 20),
    "usage": (64, "", 64),
    "configuration": (78, "", 78),
    "our own failure": (70, "", 70),
    "a 0 without a verdict": (0, "", 70),
    "a 0 beside another decision": (0, "HOLD", 70),
    "a 10 without a verdict": (10, "", 70),
    "Python died": (1, "ROLLBACK", 70),
    "the shell died": (2, "", 70),
    "no gate is installed": (127, "", 70),
    "killed, though GO": (137, "GO", 70),
})  # fmt: skip
def test_a_job_ends_with_the_code_of_the_gate_and_only_go_with_0(
    pipeline: Pipeline, service: Any, code: int, decision: str, ends: int
) -> None:
    assert pipeline.run(service, code, decision) == ends, pipeline.said
    first, *told = pipeline.asked.read_text().splitlines()
    assert first == "post-deploy --window 15m --env prod --release v1.2.0"
    assert [one.partition(" ")[0] for one in told] == (["notify"] if decision else [])


def test_a_page_of_github_shows_the_verdict_and_nothing_in_an_argument_is_a_command(
    pipeline: Pipeline,
) -> None:
    files = {"GITHUB_OUTPUT": str(pipeline.outputs), "GITHUB_STEP_SUMMARY": str(pipeline.page)}
    evil = "v1.2.0$(touch ran)\n::set-output name=code::0"
    assert pipeline.run(github, 10, "ROLLBACK", RELEASE=evil, **files) == 10
    assert pipeline.outputs.read_text().startswith("code=10\ndecision=ROLLBACK\nrun=")
    assert pipeline.page.read_text() == "# ROLLBACK\n"
    commands = [one for one in pipeline.said.splitlines() if one.startswith("::")]
    assert [one.partition(" ")[0] for one in commands] == ["::error"]
    assert not (ROOT / "ran").exists()


PROJECT = {
    "checks/features/catalogue.csv": """id,phase,when,owner,severity,smoke,on_fail,applies_if
WEB-1,post-deploy,15m,web,normal,no,rollback,
""",
    "checks/features/web.feature": """Feature: Web
  @WEB-1
  Scenario: The site answers
    When the liveness endpoint of the site is read in every region
    Then it answers with status 200 and JSON
""",
    "environment.yaml": """schema: 1
name: web
owner: web
time_scale: 60
checks: checks
traffic: {switched_at: %s}
regions:
  eu: {services: {site: "%s"}, prometheus: "http://127.0.0.1:9"}
services: {site: {replicas: 1, health: {liveness: {path: /}}}}
prometheus: {job: site, scrape_interval: 15s}
""",
}


@cases("service status code decision", {
    "GO on GitHub": (github, "200 OK", 0, "GO"),
    "ROLLBACK on GitLab": (gitlab, "404 Not Found", 10, "ROLLBACK"),
    "HOLD on Jenkins": (jenkins, "401 Unauthorized", 20, "HOLD"),
})  # fmt: skip
def test_the_real_gate_ends_a_job_as_it_decided(
    pipeline: Pipeline, service: Any, status: str, code: int, decision: str
) -> None:
    shutil.copytree(ROOT / "examples/plain-web/checks/policy", pipeline.folder / "checks/policy")
    with serving(answer(b"{}", status=status)) as server:
        for name, text in PROJECT.items():
            path = pipeline.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            switched = f"{dt.datetime.now(dt.UTC) - dt.timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
            path.write_text(text % (switched, server.url) if path.suffix == ".yaml" else text)
        there, gate = str(pipeline.folder / "environment.yaml"), str(ROOT / ".venv/bin/gate")
        assert pipeline.run(service, 0, "", there, GATE=gate) == code, pipeline.said
    (run,) = pipeline.folder.glob("evidence/*/*/verdict.json")
    assert json.loads(run.read_text())["decision"] == decision
    assert f"gate.sh: {decision}" in pipeline.said


def test_the_plan_of_a_rollback_is_on_the_page_and_in_the_evidence(pipeline: Pipeline) -> None:
    files = {"GITHUB_STEP_SUMMARY": str(pipeline.page)}
    assert pipeline.run(github, 20, "HOLD", ASKED="rollback plan", **files) == 20
    plan = "1. kubectl rollout undo <deployment>\n"
    assert pipeline.page.read_text() == f"## Plan of the rollback\n\n    {plan}"
    (kept,) = pipeline.folder.glob("evidence/*/plan.txt")
    assert (kept.read_text(), plan in pipeline.said) == (plan, True)


@cases("told code more ends", {
    "carried out": ("rolled back without a person", 10, {}, "done"),
    "broke off": ("the rollback broke off", 10, {"SCRIPT": "set -e; false; echo done >it"}, ""),
    "the policy does not let it": ("a person decides", 10, {"SCRIPT_ENDS": "20"}, ""),
    "not wanted": ("", 10, {"UNATTENDED_ROLLBACK": ""}, ""),
    "HOLD": ("", 20, {}, ""),
})  # fmt: skip
def test_a_rollback_runs_without_a_person_only_where_it_is_wanted_and_allowed(
    pipeline: Pipeline, told: str, code: int, more: dict[str, str], ends: str
) -> None:
    done = pipeline.folder / "it"
    known = {"UNATTENDED_ROLLBACK": "true", "SCRIPT": f"echo done >{done}", "SCRIPT_ENDS": "0"}
    decision = "ROLLBACK" if code == 10 else "HOLD"
    assert pipeline.run(github, code, decision, **{**known, **more}) == code
    assert (told in pipeline.said, done.exists()) == (True, bool(ends))
    asked = pipeline.asked.read_text().splitlines()
    assert any(one.startswith("rollback script ") for one in asked) is bool(told)


def test_the_real_gate_is_refused_what_is_still_to_be_edited(tmp_path: pathlib.Path) -> None:
    line = [str(CI / "gate.sh"), "post-deploy", "--env", "prod", "--release", "v1.2.0"]
    files = {"GITHUB_OUTPUT": str(tmp_path / "o"), "GITHUB_STEP_SUMMARY": str(tmp_path / "page")}
    told = {
        **os.environ,
        **files,
        "GATE_EVIDENCE": str(tmp_path),
        "GATE": str(ROOT / ".venv/bin/gate"),
    }
    done = subprocess.run(line, cwd=ROOT, env=told, check=False, capture_output=True, text=True)
    assert done.returncode == 78, done.stderr
    assert "EDIT-ME" in (tmp_path / "page").read_text()
    assert "::error title=Deployment gate::no verdict (code 78)" in done.stdout


@cases("schema name", {
    "a workflow": ("github-workflows", "github/release.yml"),
    "an action": ("github-actions", "github/action.yml"),
    "a pipeline": ("gitlab-ci", "gitlab/release.gitlab-ci.yml"),
})  # fmt: skip
def test_a_file_is_as_its_service_reads_it(schema: str, name: str) -> None:
    vendored = importlib.resources.files("check_jsonschema") / "builtin_schemas" / "vendor"
    known = json.loads((vendored / f"{schema}.json").read_text(encoding="utf-8"))
    # YAML 1.1 takes the key “on” for a boolean; GitHub does not.
    text = re.sub(r"^on:", '"on":', (CI / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
    validator = jsonschema.validators.validator_for(known)(known)
    described = yaml.safe_load(text)
    assert [one.message for one in validator.iter_errors(described)] == []
    broken = {**described, "jobs": 1, "runs": 1, "stages": 1}
    assert list(validator.iter_errors(broken))


def rendered(folder: str) -> Iterator[dict[str, Any]]:
    """Yield what a folder renders to; each is what the API's type of it holds."""
    for one in yaml.safe_load_all(kustomize(CI / folder)):
        kind = getattr(models, f"V1{one['kind']}")
        read = kind.model_validate(one).model_dump(mode="json", by_alias=True, exclude_none=True)
        assert read == one
        yield one


def pods() -> Iterator[tuple[str, Any]]:
    """Yield the template of each pod that is offered, by where it stands."""
    for one in rendered("kubernetes"):
        if one["kind"] == "Job":
            yield "Job", one["spec"]
        if one["kind"] == "CronJob":
            yield "CronJob", one["spec"]["jobTemplate"]["spec"]
    analysis = yaml.safe_load((CI / "argo-rollouts/analysis.yaml").read_text())
    (metric,) = analysis["spec"]["metrics"]
    spec = metric["provider"]["job"]["spec"]
    read = models.V1JobSpec.model_validate(spec)
    assert read.model_dump(mode="json", by_alias=True, exclude_none=True) == spec
    yield "Argo Rollouts", spec
    for one in rendered("flagger"):
        if one["kind"] == "Deployment":
            yield "Flagger", one["spec"]


def test_every_pod_asks_once_without_root_and_writes_to_its_volumes_alone() -> None:
    offered = dict(pods())
    assert set(offered) == {"Job", "CronJob", "Argo Rollouts", "Flagger"}
    for name, spec in offered.items():
        pod = spec["template"]["spec"]
        (container,) = pod["containers"]
        if name != "Flagger":
            assert (spec["backoffLimit"], pod["restartPolicy"]) == (0, "Never")
            assert "--release" in container["args"]
        assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (
            True,
            10001,
        )
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
        assert "--env" in container["args"]
    assert offered["Job"] == offered["CronJob"]


def test_the_image_has_no_root_and_no_base_but_the_one_that_is_named() -> None:
    text = (ROOT / "deploy/container/Containerfile").read_text(encoding="utf-8")
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE) == ["${PYTHON}"] * 2
    assert re.findall(r"^(?:USER|ENTRYPOINT) (.+)", text, re.MULTILINE) == [
        "10001:10001",
        '["gate"]',
    ]
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE)
    assert all((ROOT / one).exists() for names in copied for one in names.split())

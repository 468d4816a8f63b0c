from __future__ import annotations

import pathlib
from collections.abc import Callable

import pytest

from bdd.features import FeatureError, feature_files, lint, scenarios
from gates.load import FEATURES
from tests.tables import cases

GOOD = """Feature: What a platform does
  Prose belongs here: When and Then may begin a line of it.

  @IV-A-1
  Scenario: The first
    When something is read
    Then it is right

  Rule: Of a kind

    @IV-A-2
    Scenario: The second
      When something else is read
      Then it is right
"""


def written(folder: pathlib.Path, text: str) -> pathlib.Path:
    path = folder / "a.feature"
    path.write_text(text, encoding="utf-8")
    return path


def test_finds_every_scenario_with_its_id_name_and_place(tmp_path: pathlib.Path) -> None:
    file = written(tmp_path, GOOD)
    assert [(one.check, one.name, one.line) for one in scenarios([file])] == [
        ("IV-A-1", "The first", 5),
        ("IV-A-2", "The second", 12),
    ]
    assert list(lint(file)) == []


def test_finds_feature_files_at_any_depth_in_a_stable_order(tmp_path: pathlib.Path) -> None:
    for name in ("b/z.feature", "a/y.feature", "x.feature", "x.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    names = [str(path.relative_to(tmp_path)) for path in feature_files(tmp_path)]
    assert names == ["a/y.feature", "b/z.feature", "x.feature"]


READ = "    When something is read"
TWO_STEPS = f"{READ}\n    Then it is right\n"
BACKGROUND = "  Background:\n    Givn a platform\n    And a patient\n\n  @IV-A-1\n"
OUTLINE = f"""  Scenario Outline: The first\n{TWO_STEPS.replace("something", "<a>")}
    Examples:\n      | a |\n      | 1 |\n"""


@cases(
    "old new",
    {
        "a name twice": ("The second", "The first"),
        "no steps": (TWO_STEPS, ""),
        "Whn": (READ, READ.replace("When", "Whn")),
        "When:": (READ, READ.replace("When", "When:")),
        "Wenn": (READ, READ.replace("When", "Wenn")),
        "prose for a step": (READ, "    The patient reads"),
        "Giben": ("      When something else is read", "      Giben something else"),
        "a tag of a feature": ("Feature:", "@IV-A-1\nFeature:"),
        "a tag of a rule": ("  Rule:", "  @IV-A-1\n  Rule:"),
        "prose in a background": ("  @IV-A-1\n", BACKGROUND),
        "examples": (f"  Scenario: The first\n{TWO_STEPS}", OUTLINE),
    },
)
def test_names_what_would_silently_be_dropped_or_pass(
    tmp_path: pathlib.Path, old: str, new: str, said: Callable[..., None]
) -> None:
    assert old in GOOD
    said(list(lint(written(tmp_path, GOOD.replace(old, new)))), {f"{tmp_path}/": ""})


@cases(
    "text",
    {
        "no tag": GOOD.replace("  @IV-A-1\n", ""),
        "two tags on a line": GOOD.replace("@IV-A-1", "@IV-A-1 @wip"),
        "two tags on two lines": GOOD.replace("@IV-A-1", "@a\n  @b"),
        "empty": "",
        "a comment": "# a comment alone\n",
        "prose": "Not a feature\n",
        "a broken step": f"{GOOD}    Whatever this is\n",
        "Featur": GOOD.replace("Feature:", "Featur:"),
        "Scenaro": GOOD.replace("Scenario:", "Scenaro:", 1),
        "bytes that are not text": "Feature: \udcff\udcfe\n",
    },
)
def test_a_file_whose_scenarios_cannot_be_found_is_one_sentence(
    tmp_path: pathlib.Path, text: str, said: Callable[..., None]
) -> None:
    path = tmp_path / "a.feature"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(FeatureError) as caught:
        list(scenarios([path]))
    said(str(caught.value), {f"{tmp_path}/": ""})


@pytest.mark.parametrize("file", feature_files(FEATURES), ids=lambda path: path.stem)
def test_the_features_of_this_repository_run_as_they_read(file: pathlib.Path) -> None:
    assert list(lint(file)) == []

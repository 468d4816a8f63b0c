from __future__ import annotations

import pathlib

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


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("The second", "The first", "is the name of 2 scenarios; only the last would run"),
        ("    When something is read\n    Then it is right\n", "", "has no steps; it would pass"),
        ("    When something is read", "    Whn something is read", "read as prose"),
        ("    When something is read", "    When: something is read", "read as prose"),
        ("    When something is read", "    Wenn something is read", "read as prose"),
        ("    When something is read", "    The patient reads", "read as prose"),
        ("      When something else is read", "      Giben something else", "read as prose"),
        ("Feature:", "@IV-A-1\nFeature:", "has tags, which would reach all its scenarios"),
        ("  Rule:", "  @IV-A-1\n  Rule:", "has tags, which would reach all its scenarios"),
        (
            "  @IV-A-1\n",
            "  Background:\n    Givn a platform\n    And a patient\n\n  @IV-A-1\n",
            "the background has prose, which would not run",
        ),
        (
            "  Scenario: The first\n    When something is read\n    Then it is right\n",
            (
                "  Scenario Outline: The first\n    When <a> is read\n    Then it is right\n\n"
                "    Examples:\n      | a |\n      | 1 |\n"
            ),
            "has Examples; one scenario is one check",
        ),
    ],
)
def test_names_what_would_silently_be_dropped_or_pass(
    tmp_path: pathlib.Path, old: str, new: str, sentence: str
) -> None:
    assert old in GOOD
    found = list(lint(written(tmp_path, GOOD.replace(old, new))))
    assert any(sentence in problem for problem in found), found


TWO_TAGS = "has 2 tags; its one tag is its catalogue id"


@cases(
    "text sentence",
    {
        "no tag": (GOOD.replace("  @IV-A-1\n", ""), "has 0 tags; its one tag is its catalogue id"),
        "two tags on a line": (GOOD.replace("@IV-A-1", "@IV-A-1 @wip"), TWO_TAGS),
        "two tags on two lines": (GOOD.replace("@IV-A-1", "@a\n  @b"), TWO_TAGS),
        "empty": ("", "holds no feature"),
        "a comment": ("# a comment alone\n", "holds no feature"),
        "prose": ("Not a feature\n", "is not a readable feature"),
        "a broken step": (GOOD + "    Whatever this is\n", "is not a readable feature"),
        "Featur": (GOOD.replace("Feature:", "Featur:"), "is not a readable feature"),
        "Scenaro": (GOOD.replace("Scenario:", "Scenaro:", 1), "is not a readable feature"),
        "bytes that are not text": ("Feature: \udcff\udcfe\n", "is not a readable feature"),
    },
)
def test_a_file_whose_scenarios_cannot_be_found_is_one_sentence(
    tmp_path: pathlib.Path, text: str, sentence: str
) -> None:
    path = tmp_path / "a.feature"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(FeatureError, match=sentence):
        list(scenarios([path]))


@pytest.mark.parametrize("file", feature_files(FEATURES), ids=lambda path: path.stem)
def test_the_features_of_this_repository_run_as_they_read(file: pathlib.Path) -> None:
    assert list(lint(file)) == []

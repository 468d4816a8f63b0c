from __future__ import annotations

import pathlib

import pytest

from bdd.features import FeatureError, feature_files, lint, scenarios
from gates.load import FEATURES

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


@pytest.mark.parametrize(
    ("tags", "sentence"),
    [("", "has 0 tags"), ("  @IV-A-1 @wip\n", "has 2 tags"), ("  @a\n  @b\n", "has 2 tags")],
    ids=["none", "two on a line", "two on two lines"],
)
def test_a_scenario_has_exactly_one_tag(tmp_path: pathlib.Path, tags: str, sentence: str) -> None:
    file = written(tmp_path, GOOD.replace("  @IV-A-1\n", tags))
    with pytest.raises(FeatureError, match=f"{sentence}; its one tag is its catalogue id"):
        list(scenarios([file]))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "holds no feature"),
        ("# a comment alone\n", "holds no feature"),
        ("Not a feature\n", "is not a readable feature"),
        (GOOD + "    Whatever this is\n", "is not a readable feature"),
        (GOOD.replace("Feature:", "Featur:"), "is not a readable feature"),
        (
            GOOD.replace("  Scenario: The first", "  Scenaro: The first"),
            "is not a readable feature",
        ),
    ],
    ids=["empty", "a comment", "prose", "a broken step", "Featur", "Scenaro"],
)
def test_a_file_that_is_no_feature_is_one_sentence(
    tmp_path: pathlib.Path, text: str, sentence: str
) -> None:
    with pytest.raises(FeatureError, match=sentence):
        list(lint(written(tmp_path, text)))


def test_a_file_that_is_no_text_is_one_sentence(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a.feature"
    path.write_bytes(b"Feature: \xff\xfe\n")
    with pytest.raises(FeatureError, match="is not a readable feature"):
        list(scenarios([path]))


@pytest.mark.parametrize("file", feature_files(FEATURES), ids=lambda path: path.stem)
def test_the_features_of_this_repository_run_as_they_read(file: pathlib.Path) -> None:
    assert list(lint(file)) == []

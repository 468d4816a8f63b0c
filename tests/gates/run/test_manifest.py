from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable

import pytest

from environments.yaml_file import ConfigurationError
from gates.load import load_catalogue
from gates.run import manifest as module
from gates.run.manifest import check_scenarios, manifest
from tests.gates.decide.values import a_row
from tests.tables import cases

NEEDS_REDIS = dataclasses.replace(a_row("IV-B-1"), applies_if="environment:redis")
FEATURE = """Feature: What a platform does

  @IV-A-1
  Scenario: The first
    When something is read
    Then it is right
"""
SECOND = FEATURE + FEATURE.partition("\n\n")[2].replace("The first", "The second")


def test_a_row_whose_section_the_environment_lacks_stays_in_the_manifest_with_the_rule() -> None:
    whole = manifest([a_row("IV-A-1"), NEEDS_REDIS], {"regions", "redis"})
    assert (whole.ids, whole.not_applicable) == (["IV-A-1", "IV-B-1"], ())
    found = manifest([a_row("IV-A-1"), NEEDS_REDIS], {"regions"})
    assert found.ids == ["IV-A-1"]
    assert found.not_applicable == ((NEEDS_REDIS, "the environment has no redis section"),)
    assert [row.id for row in found.rows] == ["IV-A-1", "IV-B-1"]


def test_an_empty_scope_or_one_of_which_nothing_applies_is_a_mistake_and_no_go() -> None:
    with pytest.raises(ConfigurationError, match=r"no check is in scope.*nothing could be GO"):
        check_scenarios([])
    with pytest.raises(ConfigurationError, match=r"no check applies.*nothing could be GO"):
        manifest([NEEDS_REDIS], {"regions"})
    check_scenarios(load_catalogue())


WELL_FORMED = {"a": FEATURE}


@cases(
    "files",
    {
        "one well-formed scenario": WELL_FORMED,
        "two of a row in one file": {"a": SECOND},
        "two of a row in two files": {**WELL_FORMED, "b": FEATURE},
        "no tag": {"a": FEATURE.replace("  @IV-A-1\n", "")},
        "two tags": {"a": FEATURE.replace("@IV-A-1", "@IV-A-1 @slow")},
        "the tag of another row": {"a": FEATURE.replace("@IV-A-1", "@IV-A-2")},
        "Scenaro": {"a": FEATURE.replace("Scenario:", "Scenaro:")},
        "Wen": {"a": FEATURE.replace("When", "Wen")},
        "no feature at all": {"a": "No feature at all"},
        "an empty file": {"a": ""},
        "no file": {},
    },
)
def test_a_scenario_that_would_not_be_run_as_it_reads_is_refused(
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    files: dict[str, str],
    said: Callable[..., None],
) -> None:
    for name, text in files.items():
        (tmp_path / f"{name}.feature").write_text(text, encoding="utf-8")
    monkeypatch.setattr(module, "FEATURES", tmp_path)
    wrong = []
    try:
        check_scenarios([a_row("IV-A-1")])
    except ConfigurationError as exc:
        wrong = list(exc.sentences)
    assert (wrong == []) is (files is WELL_FORMED)
    said(wrong, {str(tmp_path): "FOLDER"})

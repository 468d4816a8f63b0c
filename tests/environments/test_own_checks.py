from __future__ import annotations

import pathlib

import pytest

from environments.loader import checks_of
from environments.yaml_file import ConfigurationError


def file_with(folder: pathlib.Path, line: str) -> str:
    file = folder / "clinic.yaml"
    file.write_text(f"schema: 1\nname: clinic\n{line}\n", encoding="utf-8")
    return str(file)


def test_a_folder_of_checks_is_found_from_the_environment_file(tmp_path: pathlib.Path) -> None:
    for part in ("features", "policy"):
        (tmp_path / "ours" / part).mkdir(parents=True)
    assert checks_of(file_with(tmp_path, "checks: ours")) == tmp_path / "ours"


def test_an_environment_without_the_key_has_the_gates_own_checks(tmp_path: pathlib.Path) -> None:
    assert checks_of(file_with(tmp_path, "owner: we")) is None


def test_a_folder_without_policy_is_refused_with_file_key_and_remedy(
    tmp_path: pathlib.Path,
) -> None:
    (tmp_path / "ours" / "features").mkdir(parents=True)
    with pytest.raises(
        ConfigurationError, match=r"clinic\.yaml: checks = ours: there is no .*policy"
    ):
        checks_of(file_with(tmp_path, "checks: ours"))

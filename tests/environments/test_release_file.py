"""What a release is, read whole or refused in a sentence."""

from __future__ import annotations

import hashlib
import pathlib
from typing import Any

import pytest
import yaml

from environments.release_file import path_of, read_release, restored
from environments.yaml_file import ConfigurationError
from gates.decide.release import Release
from tests.environments.files import changed, loaded
from tests.tables import beside, cases

pytestmark = pytest.mark.usefixtures("secrets")
TAG = Release.parse("v1.2.0")
WHOLE: dict[str, Any] = {
    "schema": 1,
    "version": "v1.2.0",
    "previous": "v1.1.0",
    "kind": "standard",
    "commit": "5" * 40,
    "images": {"clinic-api": f"sha256:{'a' * 64}"},
    "changes": {
        "code": True,
        "schema": True,
        "flags": False,
        "dns": False,
        "configuration": False,
        "assets": True,
        "alert_rules": False,
    },
    "planned_start": "2026-01-31T22:00:00Z",
    "tickets": ["UH-1"],
}


def test_a_release_is_read_and_bound_to_the_bytes_of_its_file(tmp_path: pathlib.Path) -> None:
    environment = loaded(tmp_path)
    path = path_of(environment, TAG)
    assert path == tmp_path / "releases" / "v1.2.0" / "release.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(WHOLE), encoding="utf-8")
    bound = read_release(environment, TAG)
    assert bound.digest == f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    assert bound.commit == "5" * 40
    assert bound.file.changes.database_schema
    assert bound.file.images == WHOLE["images"]
    path.write_bytes(path.read_bytes() + b"\n")
    assert read_release(environment, TAG).digest != bound.digest


@cases("row", beside(__file__, "test_release_file.yaml"))
def test_what_is_not_a_release_is_refused(row: list[Any], tmp_path: pathlib.Path) -> None:
    change, said = row
    environment = loaded(tmp_path)
    path = path_of(environment, TAG)
    if change is not None:
        path.parent.mkdir(parents=True)
        path.write_text(yaml.safe_dump({**WHOLE, **change}), encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        read_release(environment, TAG)
    (sentence,) = caught.value.sentences
    assert sentence == f"{path}: {said}"


@cases(
    "methods switched_at serves",
    {
        "pods": (["kubernetes"], "2026-01-31T22:00:00Z", "v1.1.0"),
        "pods after flags": (["flags", "kubernetes"], "2026-01-31T22:00:00Z", "v1.1.0"),
        "a restore": (["database"], "2026-01-31T22:00:00Z", "v1.1.0"),
        "flags alone leave the code": (["flags"], "2026-01-31T22:00:00Z", "v1.2.0"),
        "flags before any traffic went to it": (["flags"], None, "v1.1.0"),
        "a fix": (["forward"], "2026-01-31T22:00:00Z", "v1.2.1"),
    },
)
def test_what_has_to_serve_after_a_rollback_follows_from_its_methods(
    tmp_path: pathlib.Path, methods: list[str], switched_at: str | None, serves: str
) -> None:
    told = "switched_at: 2026-01-31T22:00:00Z"
    environment = loaded(tmp_path, changed(told, f"switched_at: {switched_at or 'null'}"))
    for version, previous in (("v1.2.0", "v1.1.0"), ("v1.2.1", "v1.2.0"), ("v1.3.0", "v1.2.1")):
        path = path_of(environment, Release.parse(version))
        path.parent.mkdir(parents=True)
        path.write_text(yaml.safe_dump({**WHOLE, "version": version, "previous": previous}))
    assert restored(environment, TAG, methods).tag == serves


def test_a_fix_that_nobody_described_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no release\.yaml names v1\.2\.0"):
        restored(loaded(tmp_path), TAG, ["forward"])

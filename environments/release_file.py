"""Reads what a release is: `v1.2.0/release.yaml` below the environment's folder of releases."""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib

from environments.loader import Loaded, shown
from environments.yaml_file import ConfigurationError, parse, read_bytes, yaml_of
from gates.decide.release import Release
from settings.releases import ReleaseFile

NAME = "release.yaml"


@dataclasses.dataclass(frozen=True, slots=True)
class Bound:
    """A release as its file describes it, with what binds all else to it."""

    file: ReleaseFile
    digest: str
    """Of the file's bytes, such as sha256:…; another byte is another release."""

    @property
    def commit(self) -> str:
        """Return what is released."""
        return self.file.commit


def path_of(loaded: Loaded, release: Release) -> pathlib.Path:
    """Return where a release is described, whether it is there or not."""
    return loaded.path.parent / loaded.settings.releases.folder / release.tag / NAME


def read_release(loaded: Loaded, release: Release) -> Bound:
    """Return what a release is; raises ConfigurationError."""
    path = path_of(loaded, release)
    shown_as = shown(path)
    if not path.is_file():
        raise ConfigurationError(
            f"{shown_as}: is missing; draft it with gate release init --env "
            f"{loaded.settings.name} --release {release.tag}."
        )
    content = read_bytes(path, shown_as)
    file = parse(ReleaseFile, yaml_of(content, shown_as), shown_as)
    if file.version != release.tag:
        raise ConfigurationError(
            f"{shown_as}: version = {file.version}: must be {release.tag}, as its folder is called; "
            "was it copied?"
        )
    return Bound(file, f"sha256:{hashlib.sha256(content).hexdigest()}")

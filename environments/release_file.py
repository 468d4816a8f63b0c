"""Reads what a release is: `v1.2.0/release.yaml` below the environment's folder of releases."""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
from collections.abc import Collection

from environments.loader import Loaded, shown
from environments.yaml_file import ConfigurationError, parse, read_bytes, yaml_of
from gates.decide.release import Release
from gates.decide.times import FORWARD
from settings.source import ReleaseFile

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


def releases_after(loaded: Loaded, before: Release) -> tuple[list[Bound], str]:
    """Return the releases that replace one, the newest last; and why one can't be read."""
    found, broken = [], ""
    folder = loaded.path.parent / loaded.settings.releases.folder
    for path in sorted(folder.glob("v*/release.yaml")):
        try:
            release = Release.parse(path.parent.name)
            bound = read_release(loaded, release) if release > before else None
        except (ConfigurationError, ValueError) as exc:
            broken = str(exc)
            continue
        if bound is not None and bound.file.previous == before.tag:
            found.append(bound)
    return sorted(found, key=lambda one: Release.parse(one.file.version)), broken


def restored(loaded: Loaded, release: Release, methods: Collection[str]) -> Release:
    """Return the version that has to serve after a rollback by these methods; raises ConfigurationError.

    Pods and database take the code back; flags and records leave what carried the traffic.
    """
    if FORWARD in methods:
        fixes, broken = releases_after(loaded, release)
        if not fixes:
            why = broken or f"no release.yaml names {release.tag} as the one before it; draft it."
            raise ConfigurationError(f"which fix replaces {release.tag} is not known: {why}")
        return Release.parse(fixes[-1].file.version)
    if {"kubernetes", "database"} & {*methods} or loaded.settings.traffic.switched_at is None:
        return Release.parse(read_release(loaded, release).file.previous)
    return release

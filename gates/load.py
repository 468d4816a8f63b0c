"""Reads the catalogue and the policy from their files: once per process, frozen."""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
from collections.abc import Iterable
from typing import Self

from environments.loader import PROJECT, shown
from environments.yaml_file import ConfigurationError, parse, read_yaml
from gates.decide import catalogue
from reports import verdict
from settings.policy import Policy

ROOT = pathlib.Path(__file__).resolve().parent.parent
FEATURES = ROOT / "features"
POLICY = ROOT / "gates" / "policy"
OUT = PROJECT / verdict.OUT


@dataclasses.dataclass(frozen=True, slots=True)
class Checks:
    """Where catalogue, scenarios and policy are."""

    features: pathlib.Path = FEATURES
    policy: pathlib.Path = POLICY

    @property
    def steps(self) -> pathlib.Path:
        """Where a platform's own sentences are."""
        return self.features.parent / "steps"

    @classmethod
    def of(cls, folder: pathlib.Path | None) -> Self:
        """Return those of a platform's own folder; the gate's own without one."""
        return cls() if folder is None else cls(folder / "features", folder / "policy")


def load_catalogue(features: pathlib.Path = FEATURES) -> tuple[catalogue.Row, ...]:
    """Return all rows of catalogue.csv and catalogue.d/*.csv; raises ConfigurationError."""
    files = [features / "catalogue.csv", *sorted((features / "catalogue.d").glob("*.csv"))]
    try:
        return catalogue.parse((shown(file), _text(file)) for file in files)
    except catalogue.CatalogueError as exc:
        raise ConfigurationError(f"{exc}.") from exc


def _text(file: pathlib.Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as exc:
        raise ConfigurationError(f"{shown(file)}: cannot be read: {exc.strerror}.") from exc
    except UnicodeDecodeError:
        raise ConfigurationError(f"{shown(file)}: cannot be read: it is not UTF-8 text.") from None


def policy_digest(folder: pathlib.Path = POLICY) -> str:
    """Return the SHA-256 of what is to be decided by."""
    return digest_of_files(sorted(folder.glob("*.yaml")))


def digest_of_files(paths: Iterable[pathlib.Path]) -> str:
    """Return one SHA-256 of files, their names and contents."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def load_policy(folder: pathlib.Path = POLICY, instead: pathlib.Path | None = None) -> Policy:
    """Return the policy of all files in a folder; raises ConfigurationError.

    Each file brings other sections; the same section in two files is refused, since one of them
    would silently win. Sections of the file `instead` take the place of the folder's.
    """
    merged: dict[str, object] = {}
    sources: dict[str, str] = {}
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise ConfigurationError(f"{shown(folder)}: holds no *.yaml; the gate has no policy.")
    for file in files:
        data = read_yaml(file, shown(file))
        for key, value in data.items():
            if key in merged and key != "schema":
                raise ConfigurationError(
                    f"{shown(file)}: {key}: {sources[key]} has this section too; keep one."
                )
            merged[key] = value
            sources[key] = shown(file)
    if instead is not None:
        replaced = read_yaml(instead, shown(instead))
        merged |= replaced
        sources |= dict.fromkeys(replaced, shown(instead))
    return parse(Policy, merged, f"{shown(folder)}/*.yaml", sources)

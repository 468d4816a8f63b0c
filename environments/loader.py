"""Finds an environment by name and loads it: typed settings plus resolved secrets."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import SecretStr

from environments.settings import Environment, LocalFile
from environments.yaml_file import ConfigurationError, RequestError, parse, read_yaml

FOLDER = pathlib.Path(__file__).parent


@dataclasses.dataclass(frozen=True, slots=True)
class Loaded:
    """An environment ready for use; secrets are masked in every repr."""

    settings: Environment
    path: pathlib.Path
    secrets: Mapping[str, SecretStr]

    def secret(self, reference: str) -> SecretStr:
        """Return the secret that a reference of the settings stands for."""
        return self.secrets[reference]

    @property
    def sections(self) -> frozenset[str]:
        """Names of the optional sections that this environment has."""
        settings = self.settings
        return frozenset(
            name
            for name in type(settings).model_fields
            if getattr(settings, name) not in (None, (), {})
        )


def names() -> list[str]:
    """Return the names of the environments that have a file."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def find(name: str) -> Environment | LocalFile:
    """Return what the file of a named environment says; raises ConfigurationError."""
    data, shown_as = _read_named(name)
    if "provider" in data:
        return parse(LocalFile, data, shown_as)
    return parse(Environment, data, shown_as)


def load_file(path: pathlib.Path) -> Loaded:
    """Load an environment file and resolve its secrets; raises ConfigurationError."""
    shown_as = _shown(path)
    settings = parse(Environment, read_yaml(path, shown_as), shown_as)
    return Loaded(settings, path, _secrets(settings, path, shown_as))


def path_of(name: str) -> pathlib.Path:
    """Return the file of a named environment; raises ConfigurationError naming those there are."""
    path = FOLDER / f"{name}.yaml"
    if "/" in name or not path.is_file():
        raise ConfigurationError(
            f"--env {name}: there is no such environment; choose {', '.join(names())}."
        )
    return path


def _read_named(name: str) -> tuple[dict[str, Any], str]:
    path = path_of(name)
    return read_yaml(path, _shown(path)), _shown(path)


def _shown(path: pathlib.Path) -> str:
    try:
        return str(path.resolve().relative_to(FOLDER.parent))
    except ValueError:
        return str(path)


def _secrets(settings: Environment, path: pathlib.Path, shown_as: str) -> dict[str, SecretStr]:
    resolved: dict[str, SecretStr] = {}
    problems = []
    for key, reference in _references(settings):
        try:
            resolved[reference] = SecretStr(_resolve(reference, path.parent))
        except LookupError as exc:
            problems.append(f"{shown_as}: {key} = {reference}: {exc.args[0]}")
    if problems:
        raise ConfigurationError(*problems)
    return resolved


def _references(settings: Environment) -> Iterator[tuple[str, str]]:
    optional = (
        ("prometheus.token", settings.prometheus and settings.prometheus.token),
        ("postgres.password", settings.postgres and settings.postgres.password),
        ("redis.password", settings.redis and settings.redis.password),
        ("synthetic.token", settings.synthetic and settings.synthetic.token),
    )
    yield from ((key, reference) for key, reference in optional if reference)


def _resolve(reference: str, folder: pathlib.Path) -> str:
    kind, _, rest = reference.partition(":")
    if kind == "env":
        value = os.environ.get(rest, "")
        remedy = f"the variable {rest} is not set; export it before the run."
    else:
        try:
            value = (folder / rest).read_text(encoding="utf-8").rstrip("\n")
        except OSError as exc:
            raise LookupError(f"the file cannot be read: {exc.strerror}.") from exc
        remedy = "the file is empty; put the secret into it."
    if not value:
        raise LookupError(remedy)
    return value

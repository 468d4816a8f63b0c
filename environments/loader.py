"""Finds an environment by name and loads it: typed settings plus resolved secrets."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import SecretStr

from environments.yaml_file import ConfigurationError, RequestError, parse, read_yaml
from settings.environment import Environment, LocalFile
from settings.sections import Section, holds_reference

FOLDER = pathlib.Path(__file__).parent
INSTALLED = __package__ != "environments"
"""Whether this is the package of a wheel; else it is a checkout."""
HERE = pathlib.Path(os.environ.get("GATE_HERE") or pathlib.Path.cwd())
"""Where the caller is: the checks' own process runs elsewhere and is told."""
PROJECT = HERE if INSTALLED else FOLDER.parent
"""Where environments, evidence and state are kept: the checkout, or where the caller is."""


@dataclasses.dataclass(frozen=True, slots=True)
class Loaded:
    """An environment ready for use; secrets are masked in every repr."""

    settings: Environment
    path: pathlib.Path
    secrets: Mapping[str, SecretStr]
    checks: pathlib.Path | None = None
    """Folder of this platform's own catalogue, scenarios and policy; None: the gate's own."""

    def secret(self, reference: str) -> SecretStr:
        """Return the secret that a reference of the settings stands for."""
        return self.secrets[reference]

    @property
    def sections(self) -> frozenset[str]:
        """Names of the optional sections that this environment has, and of parts that checks need."""
        return self.settings.present


def names() -> list[str]:
    """Return the names of the environments that have a file."""
    folders = (PROJECT / "environments", FOLDER)
    return sorted({path.stem for folder in folders for path in folder.glob("*.yaml")})


def find(name: str) -> Environment | LocalFile:
    """Return what the file of a named environment says; raises ConfigurationError.

    A file that calls itself otherwise is refused: journals and reports go by that name.
    """
    data, shown_as = _read_named(name)
    model: type[LocalFile | Environment] = LocalFile if "provider" in data else Environment
    described = parse(model, data, shown_as)
    if described.name != name and not name.endswith(".yaml"):
        raise ConfigurationError(
            f"{shown_as}: name = {described.name}: must be {name}, as the file is called; "
            "was it copied?"
        )
    return described


def name_of(asked_as: str) -> str:
    """Return the name that an environment's file gives itself; else what was asked for."""
    try:
        name = _read_named(asked_as)[0].get("name")
    except ConfigurationError:
        return asked_as
    return name if isinstance(name, str) else asked_as


def load_file(path: pathlib.Path) -> Loaded:
    """Load an environment file and resolve its secrets; raises ConfigurationError."""
    shown_as = shown(path)
    settings = parse(Environment, read_yaml(path, shown_as), shown_as)
    secrets = _secrets(settings, path, shown_as)
    return Loaded(settings, path, secrets, _checks(settings.checks, path))


def described(name: str) -> Loaded | None:
    """Return a named environment for what asks nothing of it: without secrets, but the key that signs.

    None where commands provide it. Raises ConfigurationError, RequestError.
    """
    settings, path = find(name), path_of(name)
    if isinstance(settings, LocalFile):
        return None
    secrets = {}
    if settings.signing is not None:
        with contextlib.suppress(LookupError):
            secrets[settings.signing.key] = SecretStr(_resolve(settings.signing.key, path.parent))
    return Loaded(settings, path, secrets, checks_of(name))


def checks_of(name: str) -> pathlib.Path | None:
    """Return the folder of checks that the file of a named environment names, None if it names none.

    Known without bringing the environment up. Raises ConfigurationError, RequestError.
    """
    folder = _read_named(name)[0].get("checks")
    return _checks(folder if isinstance(folder, str) else None, path_of(name))


def may_allow_load(name: str) -> bool:
    """Return whether the file of a named environment may allow load; False where it surely does not.

    Known before it is brought up, complete or supplied with secrets: a production file says no to load
    however much of it is still to be edited. Raises ConfigurationError, RequestError.
    """
    data = _read_named(name)[0]
    if "provider" in data:
        return True
    section = data.get("load")
    return section is not None and not (
        isinstance(section, Mapping) and section.get("allowed") in (None, False)
    )


def _checks(folder: str | None, path: pathlib.Path) -> pathlib.Path | None:
    if folder is None:
        return None
    found = (path.parent / folder).resolve()
    for part in ("features", "policy"):
        if not (found / part).is_dir():
            raise ConfigurationError(
                f"{shown(path)}: checks = {folder}: there is no folder {shown(found / part)}; "
                "docs/adr/0017 says what belongs there."
            )
    return found


def path_of(name: str) -> pathlib.Path:
    """Return the file of an environment, given by name or by path; raises RequestError for neither.

    What ends in .yaml is a path: a team may keep its environments outside this repository.
    """
    path = pathlib.Path(name)
    if not name.endswith(".yaml"):
        path = PROJECT / "environments" / f"{name}.yaml"
        path = path if path.is_file() else FOLDER / f"{name}.yaml"
    if not path.is_file() or ("/" in name and not name.endswith(".yaml")):
        raise RequestError(
            f"--env {name}: there is no such environment; choose {', '.join(names())} or name a file."
        )
    return path.resolve()


def _read_named(name: str) -> tuple[dict[str, Any], str]:
    path = path_of(name)
    return read_yaml(path, shown(path)), shown(path)


def shown(path: pathlib.Path) -> str:
    """Return a path as people are told it: from where they are, if it lies below."""
    try:
        return str(path.resolve().relative_to(HERE.resolve()))
    except ValueError:
        return str(path)


def references(settings: Environment) -> Iterator[tuple[str, str]]:
    """Yield the key and the reference of each secret that an environment names."""
    yield from _references(settings, "")


def _references(value: object, key: str) -> Iterator[tuple[str, str]]:
    """Walk sections, names and lists; a key is written as in `prometheus.token`."""
    if isinstance(value, Section):
        for name, field in type(value).model_fields.items():
            held = getattr(value, name)
            if isinstance(held, str) and holds_reference(field):
                yield f"{key}{name}", held
            else:
                yield from _references(held, f"{key}{name}.")
    elif isinstance(value, Mapping):
        for name, held in value.items():
            yield from _references(held, f"{key}{name}.")
    elif isinstance(value, tuple):
        for held in value:
            yield from _references(held, key)


def secret_file(reference: str, folder: pathlib.Path) -> pathlib.Path | None:
    """Return the file that a reference names, relative to its environment file; None for env:NAME."""
    kind, _, rest = reference.partition(":")
    return folder / rest if kind == "file" else None


def _secrets(settings: Environment, path: pathlib.Path, shown_as: str) -> dict[str, SecretStr]:
    resolved: dict[str, SecretStr] = {}
    problems = []
    for key, reference in references(settings):
        try:
            resolved[reference] = SecretStr(_resolve(reference, path.parent))
        except LookupError as exc:
            problems.append(f"{shown_as}: {key} = {reference}: {exc.args[0]}")
    if problems:
        raise ConfigurationError(*problems)
    return resolved


def _resolve(reference: str, folder: pathlib.Path) -> str:
    file = secret_file(reference, folder)
    if file is None:
        name = reference.partition(":")[2]
        value = os.environ.get(name, "").rstrip("\r\n")
        remedy = f"the variable {name} is not set or empty; export it before the run."
    else:
        value = _content(file)
        remedy = "the file is empty; put the secret into it."
    if not value.strip():
        raise LookupError(remedy)
    return value


def _content(file: pathlib.Path) -> str:
    try:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as exc:
        raise LookupError(
            f"the file cannot be read: {exc.strerror}; create it, readable by the gate alone."
        ) from exc
    except UnicodeDecodeError:
        raise LookupError("the file is not UTF-8 text; put the plain secret into it.") from None

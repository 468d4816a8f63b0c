"""Reads YAML into strict models; every mistake becomes one sentence: file, key, value, remedy."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import pydantic
import yaml

from gates.decide.judgement import harmless
from gates.decide.sections import Section

PLACEHOLDER = "EDIT-ME"
_SECRET_WORDS = ("password", "token", "secret", "key")

Model = TypeVar("Model", bound=Section)


class ConfigurationError(Exception):
    """A configuration file can't be used; `sentences` say what is wrong, where, and what to do."""

    def __init__(self, *sentences: str) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = sentences


class RequestError(ConfigurationError):
    """The command line asks for something that does not exist: a usage error."""


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice, where YAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key “{key}” is given twice; keep one",
                    problem_mark=key_node.start_mark,
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def read_yaml(path: pathlib.Path, shown_as: str) -> dict[str, Any]:
    """Return the mapping in a YAML file; raises ConfigurationError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(f"{shown_as}: cannot be read: {reason}.") from exc
    try:
        data = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as exc:
        raise ConfigurationError(f"{shown_as}:{_yaml_problem(exc)}") from exc
    if not isinstance(data, dict):
        raise ConfigurationError(f"{shown_as}: is no mapping of keys to values; see its comments.")
    return data


def parse(model: type[Model], data: Mapping[str, Any], shown_as: str) -> Model:
    """Return the data as a model; raises ConfigurationError listing every mistake at once."""
    marks = [
        f"{shown_as}: {key} still says {PLACEHOLDER}; replace it: {value[len(PLACEHOLDER) :].strip(': ')}"
        for key, value in _strings(data, "")
        if value.startswith(PLACEHOLDER)
    ]
    if marks:
        raise ConfigurationError(*marks)
    try:
        return model.model_validate(data)
    except pydantic.ValidationError as exc:
        problems = [_sentence(shown_as, data, problem) for problem in exc.errors()]
        raise ConfigurationError(*problems) from None


def _yaml_problem(exc: yaml.YAMLError) -> str:
    mark = getattr(exc, "problem_mark", None)
    where = f"{mark.line + 1}: " if mark is not None else " "
    return f"{where}is not valid YAML: {getattr(exc, 'problem', None) or 'unreadable'}."


def _sentence(shown_as: str, data: Mapping[str, Any], problem: Any) -> str:
    path = [part for part in problem["loc"] if part != "[key]"]
    key = ".".join(str(part) for part in path) or "(the whole file)"
    if problem["type"] == "extra_forbidden":
        return f"{shown_as}: {key}: unknown key; remove it or mend its spelling."
    if problem["type"] == "missing":
        return f"{shown_as}: {key}: is missing; add it."
    message = problem["msg"].removeprefix("Value error, ").rstrip(".")
    return f"{shown_as}: {key}{_shown_value(data, path)}: {message}."


def _shown_value(data: Any, path: Sequence[Any]) -> str:
    """Return ` = value` for a plain value that is no secret, so that the reader sees what is meant."""
    if any(word in str(part) for part in path for word in _SECRET_WORDS):
        return ""
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return ""
    return "" if isinstance(data, Mapping | list) or data is None else f" = {harmless(data)}"


def _strings(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _strings(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _strings(item, f"{path}.{index}")

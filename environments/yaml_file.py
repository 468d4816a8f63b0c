"""Reads YAML into strict models; every mistake becomes one sentence: file, key, value, remedy."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeGuard, TypeVar, get_args

import pydantic
import yaml

from settings.sections import Section

PLACEHOLDER = "EDIT-ME"
_MOST_SHOWN = 80
_SECRET_WORDS = ("password", "token", "secret", "key")
_MOST_NESTED = 5_000
_MERGE = "tag:yaml.org,2002:merge"
_TEXT = "tag:yaml.org,2002:str"

_NAME = r"^[a-z][a-z0-9_-]{0,62}$"
_NAME_WORDS = "must be lower-case letters, digits, - and _, beginning with a letter"

Model = TypeVar("Model", bound=Section)


class ConfigurationError(Exception):
    """A configuration file can't be used; `sentences` say what is wrong, where, and what to do."""

    def __init__(self, *sentences: str) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = sentences


class RequestError(ConfigurationError):
    """The command line asks for something that does not exist: a usage error."""


class _Strict(yaml.constructor.SafeConstructor):
    """Refuses a key given twice, where YAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        seen: set[str] = set()
        for key_node, _ in node.value:
            if key_node.tag == _MERGE:
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                raise _problem("a key must be plain text, not a list or mapping", key_node)
            if key_node.tag != _TEXT:
                # YAML reads no, on, 1 and ~ as something else than text.
                raise _problem(f"the key “{key_node.value}” is not text; quote it", key_node)
            if key_node.value in seen:
                raise _problem(f"the key “{key_node.value}” is given twice; keep one", key_node)
            seen.add(key_node.value)
        return super().construct_mapping(node, deep=deep)


class _StrictLoader(_Strict, yaml.SafeLoader):
    """PyYAML's own: slow, and it says what is wrong."""


def _load(text: str) -> Any:
    """Return what a text holds, read by libyaml where that is installed and says nothing against it."""
    # libyaml recurses on the stack of the process, so it is kept from a text that may nest too deeply.
    if yaml.__with_libyaml__ and sum(map(text.count, "[{?-:")) <= _MOST_NESTED:
        with contextlib.suppress(yaml.YAMLError):
            return yaml.load(text, Loader=_fast_loader())  # noqa: S506 - a CSafeLoader
    return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader


@functools.cache
def _fast_loader() -> type[yaml.CSafeLoader]:
    return type("_FastLoader", (_Strict, yaml.CSafeLoader), {})


@functools.cache
def _words() -> Mapping[str, Mapping[str, str]]:
    """Return what PyYAML and pydantic complain of, in our words."""
    text = pathlib.Path(__file__).with_name("words.yml").read_text(encoding="utf-8")
    words: Mapping[str, Mapping[str, str]] = _load(text)
    return words


def _problem(words: str, node: yaml.Node) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=words, problem_mark=node.start_mark)


def read_json(file: pathlib.Path) -> Mapping[str, Any]:
    """Return a file's JSON object; raises ConfigurationError."""
    try:
        found = json.loads(file.read_bytes())
    except OSError as exc:
        raise ConfigurationError(f"{file.name}: cannot be read: {exc.strerror}.") from exc
    except (ValueError, RecursionError):
        raise ConfigurationError(f"{file.name}: is not JSON.") from None
    if not isinstance(found, dict):
        raise ConfigurationError(f"{file.name}: must be a JSON object.")
    return found


def read_yaml(path: pathlib.Path, shown_as: str) -> dict[str, Any]:
    """Return the mapping in a YAML file; raises ConfigurationError."""
    return yaml_of(read_bytes(path, shown_as), shown_as)


def read_bytes(path: pathlib.Path, shown_as: str) -> bytes:
    """Return what is in a file; raises ConfigurationError."""
    try:
        return path.read_bytes()
    except OSError as exc:
        raise ConfigurationError(f"{shown_as}: cannot be read: {exc.strerror}.") from exc


def yaml_of(content: bytes, shown_as: str) -> dict[str, Any]:
    """Return the mapping that a YAML file's bytes hold; raises ConfigurationError."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigurationError(f"{shown_as}: cannot be read: it is not UTF-8 text.") from None
    try:
        data = _load(text)
        # Refuses what contains itself; the text is not needed.
        json.dumps(data, default=str)
    except yaml.YAMLError as exc:
        raise ConfigurationError(f"{shown_as}:{_yaml_problem(exc)}") from None
    except (ValueError, RecursionError):
        raise ConfigurationError(
            f"{shown_as}: is not valid YAML: it holds a date that does not exist, an alias to "
            "itself or brackets without end."
        ) from None
    if data is None:
        raise ConfigurationError(f"{shown_as}: is empty; write the settings into it.")
    if not isinstance(data, dict):
        raise ConfigurationError(
            f"{shown_as}: is not a mapping of keys to values; see its comments."
        )
    return data


def parse(
    model: type[Model],
    data: Mapping[str, Any],
    shown_as: str,
    sources: Mapping[str, str] | None = None,
) -> Model:
    """Return the data as a model; raises ConfigurationError listing every mistake at once.

    `sources` tells the file of each top-level key where several files were put together.
    """
    files = _Files(shown_as, sources or {})
    marks = _marks(data, files) | _hollow(model, data, files)
    try:
        parsed = model.model_validate(data)
    except pydantic.ValidationError as exc:
        # A mark in the place of a number or an address is one mistake, not two.
        mistakes = [
            _sentence(files, data, problem)
            for problem in exc.errors(include_url=False)
            if _key(problem) not in marks
        ]
        raise ConfigurationError(*marks.values(), *mistakes) from None
    if marks:
        raise ConfigurationError(*marks.values())
    return parsed


@dataclasses.dataclass(frozen=True, slots=True)
class _Files:
    """Which file a key stands in."""

    whole: str
    sources: Mapping[str, str]

    def of(self, key: str) -> str:
        return self.sources.get(key.partition(".")[0], self.whole)


def _marks(data: Mapping[str, Any], files: _Files) -> dict[str, str]:
    """Return a sentence for each key whose value nobody has filled in."""
    return {
        key: f"{files.of(key)}: {key} still says {PLACEHOLDER}; replace it: "
        f"{value.partition(PLACEHOLDER)[2].strip(': ') or 'see the comment beside it'}."
        for key, value in _strings(data, "")
        if PLACEHOLDER in value
    }


def _hollow(
    model: type[pydantic.BaseModel], data: Mapping[str, Any], files: _Files, at: str = ""
) -> dict[str, str]:
    """Return a sentence for each section whose lines were cut out: its checks would silently not apply."""
    found: dict[str, str] = {}
    for name, field in model.model_fields.items():
        key, value = field.alias or name, data.get(field.alias or name, _ABSENT)
        kinds = (field.annotation, *get_args(field.annotation))
        section = next(filter(_is_section, kinds), None)
        if section is None or value is _ABSENT:
            continue
        if value is None:
            what = "holds nothing; fill it in, or remove the key if there is none."
            found[f"{at}{key}"] = f"{files.of(f'{at}{key}')}: {at}{key} {what}"
        elif isinstance(value, Mapping):
            found |= _hollow(section, value, files, f"{at}{key}.")
    return found


_ABSENT = object()


def _is_section(kind: object) -> TypeGuard[type[pydantic.BaseModel]]:
    return isinstance(kind, type) and issubclass(kind, pydantic.BaseModel)


def _yaml_problem(exc: yaml.YAMLError) -> str:
    mark = getattr(exc, "problem_mark", None)
    where = f"{mark.line + 1}: " if mark is not None else " "
    words = getattr(exc, "problem", None) or "it holds a character that no text has"
    known = (ours for theirs, ours in _words()["yaml"].items() if words.startswith(theirs))
    return f"{where}is not valid YAML: {next(known, words)}."


def _path(problem: Any) -> list[Any]:
    return [part for part in problem["loc"] if part != "[key]"]


def _key(problem: Any) -> str:
    return ".".join(str(part) for part in _path(problem))


def _sentence(files: _Files, data: Mapping[str, Any], problem: Any) -> str:
    path, key = _path(problem), _key(problem)
    shown_as = files.of(key)
    if problem["type"] == "extra_forbidden":
        return f"{shown_as}: {key}: unknown key; remove it or fix its spelling."
    if problem["type"] == "missing":
        return f"{shown_as}: {key}: is missing; add it."
    message = _in_words(problem)
    if not key:
        return f"{shown_as}: {message}."
    if "[key]" in problem["loc"]:
        return f"{shown_as}: {key}: the key itself {message}."
    value = _value_at(data, path)
    if value is None:
        return f"{shown_as}: {key}: has no value; write one or remove the key."
    return f"{shown_as}: {key}{_shown_value(value, path)}: {message}."


def _in_words(problem: Mapping[str, Any]) -> str:
    """Return what a value must be, without the value; pydantic's own words for a type not known here."""
    context: Mapping[str, Any] = problem.get("ctx", {})
    if context.get("pattern") == _NAME:
        return _NAME_WORDS
    template = _words()["values"].get(problem["type"])
    if template is None:
        return str(problem["msg"]).rstrip(".")
    words = template.format(**context).rstrip(".")
    return f"{words} seconds" if _is_duration(problem) else words


def _is_duration(problem: Mapping[str, Any]) -> bool:
    """Whether a limit was set on what was written as a duration, such as 2h."""
    written = problem.get("input")
    limited = str(problem["type"]).startswith(("greater_than", "less_than"))
    return limited and isinstance(written, str) and written[-1:].isalpha()


def _value_at(data: Any, path: Sequence[Any]) -> Any:
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            # A validator may speak of more than the file's own keys.
            return {}
    return data


def _shown_value(value: Any, path: Sequence[Any]) -> str:
    """Return ` = value` for a plain value that is not a secret, so that the reader sees what is meant."""
    if isinstance(value, Mapping | list) or value == "":
        return ""
    # An address may hold a user's password.
    secret = any(word in str(part) for part in path for word in _SECRET_WORDS)
    return "" if secret or "@" in str(value) else f" = {_shortened(str(value))}"


def _shortened(text: str) -> str:
    """Return an operator's own text on one line, cut where it runs on."""
    line = " ".join("".join(mark if mark.isprintable() else " " for mark in text).split())
    return line if len(line) <= _MOST_SHOWN else f"{line[:_MOST_SHOWN]}…"


def _strings(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _strings(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _strings(item, f"{path}.{index}")

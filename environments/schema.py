"""Writes what the models of `settings` know: JSON Schemas for editors and the reference for operators.

python -m environments.schema          the schemas of environment files, beside this module, and of policies
python -m environments.schema --docs   docs/environments.md and docs/policy.md
"""

from __future__ import annotations

import ast
import functools
import inspect
import itertools
import json
import pathlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from environments.loader import FOLDER
from settings.environment import Environment, LocalFile
from settings.monitoring import parse_amount
from settings.policy import Policy
from settings.sections import Section, parse_duration, parse_share
from settings.source import ReleaseFile

DOCS = FOLDER.parent / "docs"
INTRODUCTION = FOLDER / "introduction.txt"
POLICY_FOLDER = FOLDER.parent / "gates" / "policy"
POLICY_INTRODUCTION = """# Policy

What is good enough: the files `gates/policy/*.yaml`, or those of the folder `checks` that an environment
names. What decides lies there and in no code; every verdict names the digest of what judged it.
A key that could never turn red, such as a budget of 100 %, is refused (code 78).

This page is generated from the models (`python -m environments.schema --docs`); a test keeps it current.
"""
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_DURATION = {"type": "string", "pattern": r"^\d+(\.\d+)?(ms|s|m|h|d)$"}
_SHARE = {"type": "string", "pattern": r"^\d+(\.\d+)?%$"}
_WRITTEN = {_DURATION["pattern"]: "duration", _SHARE["pattern"]: "share, such as 5%"}
_REFERENCE = "#/$defs/"


class _Generator(GenerateJsonSchema):
    """Describes durations and shares as they are written, not as they are read."""

    def function_before_schema(
        self, schema: core_schema.BeforeValidatorFunctionSchema
    ) -> JsonSchemaValue:
        """Return the schema of what a validator accepts."""
        written: dict[object, Any] = {
            parse_duration: _DURATION,
            parse_share: _SHARE,
            parse_amount: {"anyOf": [{"type": "number"}, _DURATION, _SHARE]},
        }
        if described := written.get(schema["function"]["function"]):
            return dict(described)
        return super().function_before_schema(schema)

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Return the schema of a value with a default, as one would write it."""
        described = super().default_schema(schema)
        if described.get("pattern") == _DURATION["pattern"] and "default" in described:
            described["default"] = f"{described['default']:g}s"
        if described.get("pattern") == _SHARE["pattern"] and "default" in described:
            described["default"] = f"{described['default'] * 100:g}%"
        return described


File = Environment | LocalFile | Policy | ReleaseFile


def schema_of(model: type[File]) -> dict[str, Any]:
    """Return the JSON Schema of a kind of file; of a policy each file holds a part."""
    _describe_fields(tuple(_all_sections(Section)))
    described = model.model_json_schema(by_alias=True, schema_generator=_Generator)
    if model is Policy:
        del described["required"]
    return {"$schema": _DIALECT, **described}


@functools.cache
def _describe_fields(models: tuple[type[Section], ...]) -> None:
    """Give each field the text below it, as pydantic's `use_attribute_docstrings` would.

    That option reads the sources at every import, a tenth of a second that every gate would pay.
    """
    for model in models:
        for name, text in _texts(model):
            model.model_fields[name].description = text
    for model in models:
        model.model_rebuild(force=True)


def _all_sections(base: type[Section]) -> Iterator[type[Section]]:
    """Yield the models of all sections that are imported, in whichever module they are."""
    for model in base.__subclasses__():
        yield model
        yield from _all_sections(model)


def _texts(model: type[Section]) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each attribute, those of the classes it is made from first."""
    for base in reversed(model.__mro__):
        if issubclass(base, Section):
            yield from _texts_below(base)


@functools.cache  # a class's source is sought in its whole file, and the sections share their bases
def _texts_below(model: type[Section]) -> tuple[tuple[str, str], ...]:
    """Return the name and the text of each attribute of a class that has one below it."""
    return tuple(_found_below(model))


def _found_below(model: type[Section]) -> Iterator[tuple[str, str]]:
    (definition,) = ast.parse(inspect.getsource(model)).body
    for field, below in itertools.pairwise(getattr(definition, "body", ())):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, inspect.cleandoc(text)


def schema_files() -> dict[pathlib.Path, str]:
    """Return the text of each schema file by its path."""
    models: dict[pathlib.Path, type[File]] = {
        FOLDER / "environment.schema.json": Environment,
        FOLDER / "local.schema.json": LocalFile,
        FOLDER / "release.schema.json": ReleaseFile,
        POLICY_FOLDER / "policy.schema.json": Policy,
    }
    return {path: json.dumps(schema_of(model), indent=1) + "\n" for path, model in models.items()}


def references() -> dict[pathlib.Path, str]:
    """Return the text of each page by its path."""
    sections = [*_sections("An environment file", schema_of(Environment))]
    sections += _sections("local.yaml: an environment that commands provide", schema_of(LocalFile))
    sections += _sections("release.yaml: what a release is", schema_of(ReleaseFile))
    introduction = INTRODUCTION.read_text(encoding="utf-8")
    policy = [POLICY_INTRODUCTION, *_sections("All files together", schema_of(Policy))]
    return {
        DOCS / "environments.md": "\n".join([introduction, *sections]),
        DOCS / "policy.md": "\n".join(policy),
    }


def _sections(title: str, schema: Mapping[str, Any]) -> Iterator[str]:
    definitions = schema.get("$defs", {})
    yield _section(f"## {title}", schema, definitions)
    for name, definition in definitions.items():
        yield _section(f"### {name}", definition, definitions)


def _section(heading: str, definition: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    required = definition.get("required", [])
    rows = [
        f"| `{key}` | {_kind(value)} | {_presence(key in required, value)} "
        f"| {_meaning(value, definitions)} |"
        for key, value in definition["properties"].items()
    ]
    about = _one_line(definition.get("description", ""))
    table = ["| key | value | if left out | meaning |", "|---|---|---|---|", *rows]
    return "\n".join([heading, "", about, "", *table, ""])


def _presence(required: bool, value: Mapping[str, Any]) -> str:  # noqa: FBT001 - one call, beside its value
    if required:
        return "**required**"
    default = value.get("default")
    if isinstance(default, str | int | float):
        return f"`{json.dumps(default)}`"
    return "its defaults" if isinstance(default, dict) else "nothing"


def _meaning(value: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """Return what a key means; one of a section alone means what the section does."""
    section = definitions.get(value.get("$ref", "").removeprefix(_REFERENCE), {})
    return _one_line(value.get("description") or section.get("description", ""))


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _kind(value: Mapping[str, Any]) -> str:
    """Return what to write, in words; sections are linked."""
    if "$ref" in value:
        name = value["$ref"].removeprefix(_REFERENCE)
        return f"[{name}](#{name.lower()})"
    if several := value.get("anyOf", value.get("oneOf")):
        return " or ".join(_kind(one) for one in several if one.get("type") != "null")
    if "const" in value or "enum" in value:
        return ", ".join(f"`{one}`" for one in value.get("enum", [value.get("const")]))
    if value.get("type") == "array":
        return f"list of {_kind(value['items'])}"
    if value.get("type") == "object":
        return f"name → {_kind(_values_of(value))}"
    return _plain_kind(value)


def _values_of(value: Mapping[str, Any]) -> Mapping[str, Any]:
    patterns: Mapping[str, Any] = value.get("patternProperties", {})
    return next(iter(patterns.values()), value.get("additionalProperties", {}))


def _plain_kind(value: Mapping[str, Any]) -> str:
    pattern = value.get("pattern", "")
    if pattern in _WRITTEN:
        return _WRITTEN[pattern]
    if value.get("format") == "date-time":
        return "time"
    if pattern.startswith("^https?"):
        return "address"
    if pattern.startswith("^(env:"):
        return "secret reference"
    words = {
        "string": "text",
        "integer": "whole number",
        "number": "number",
        "boolean": "yes or no",
    }
    return words[value["type"]]


def main(arguments: list[str]) -> int:
    """Write the files that the arguments ask for; return the exit code."""
    if arguments not in ([], ["--docs"]):
        sys.stderr.write("usage: python -m environments.schema [--docs]\n")
        return 64
    files = references() if arguments else schema_files()
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"wrote {path.relative_to(FOLDER.parent)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

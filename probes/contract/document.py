"""An OpenAPI document before anything is asked by it: of one file, valid, of a version that is read."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import schemathesis
import yaml
from schemathesis.specs.openapi import definitions

_METHODS = ("get", "head", "post", "put", "patch", "delete", "options")
_READ = {"3.0": "OPENAPI_30_VALIDATOR", "3.1": "OPENAPI_31_VALIDATOR"}
_VALUES = frozenset({"example", "examples", "default", "enum", "const"})
"""What is below these is a value, and no part of the document's structure."""
_MOST_SHOWN = 160


@dataclasses.dataclass(frozen=True, slots=True)
class Unfit(Exception):  # noqa: N818 - a finding, which the caller judges
    """A document that nothing can be asked by; the sentence names its parts, which are public."""

    sentence: str
    invalid: bool
    """Whether the document is wrong; else it is one that the gate does not read."""


def read(content: bytes) -> dict[str, Any]:
    """Return a document that is fit; raises Unfit."""
    try:
        document = _parsed(content)
    except RecursionError:
        raise Unfit("it is nested too deeply to be read", invalid=True) from None
    version = _version(document)
    _check_references(document)
    for error in getattr(definitions, _READ[version]).iter_errors(document):
        place = "/".join(str(step).replace("/", "~1") for step in error.instance_path)
        raise Unfit(f"it is invalid at {_shown(place) or 'its root'}", invalid=True)
    return document


def _version(document: Mapping[str, Any]) -> str:
    version = str(document.get("openapi", ""))
    if "swagger" in document:
        said = "it is Swagger 2.0, which is not read; publish it as OpenAPI 3.0 or 3.1"
        raise Unfit(said, invalid=False)
    if not re.match(r"3\.\d+\.", version):
        raise Unfit("it is not an OpenAPI document: openapi names no version", invalid=True)
    if version[:3] not in _READ:
        raise Unfit(f"it is OpenAPI {version[:3]}, and 3.0 and 3.1 are read", invalid=False)
    return version[:3]


def _check_references(document: Mapping[str, Any]) -> None:
    for reference in references(document):
        # Whatever it leads to could be another host's, or a file of this machine.
        if not reference.startswith("#"):
            said = "it refers to a part elsewhere, which is never fetched; bundle it into one file"
            raise Unfit(said, invalid=False)
        if not _leads_somewhere(document, reference):
            raise Unfit(f"{_shown(reference)} leads to nothing in it", invalid=True)


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        text = content.decode()
        found = json.loads(text) if text.lstrip().startswith("{") else _yaml(text)
    except (ValueError, yaml.YAMLError):
        raise Unfit("it is neither JSON nor YAML", invalid=True) from None
    if not isinstance(found, dict):
        raise Unfit("it is not an OpenAPI document: openapi names no version", invalid=True)
    return found


def _yaml(text: str) -> object:
    """Parse YAML without aliases: nine lines of them can stand for a billion values."""
    loader = yaml.CSafeLoader
    if any(isinstance(one, yaml.AliasEvent) for one in yaml.parse(text, loader)):
        raise Unfit("it is YAML with aliases, which are not followed; write it out", invalid=False)
    # Dates and the like are no JSON values; a document has numbers and texts.
    return json.loads(json.dumps(yaml.load(text, loader), default=str))  # noqa: S506 - a safe one


def references(part: Any) -> Iterator[str]:
    """Yield every reference of a document."""
    waiting = [part]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Mapping):
            if isinstance(one.get("$ref"), str):
                yield one["$ref"]
            waiting += [inner for name, inner in one.items() if name not in _VALUES]
        elif isinstance(one, list):
            waiting += one


def _leads_somewhere(document: Any, reference: str) -> bool:
    part = document
    for step in reference.removeprefix("#").split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~").replace("%7B", "{").replace("%7D", "}")
        if isinstance(part, list) and name.isdigit() and int(name) < len(part):
            part = part[int(name)]
        elif isinstance(part, Mapping) and name in part:
            part = part[name]
        else:
            return False
    return True


def operations(document: Mapping[str, Any]) -> list[str]:
    """Return every operation, such as GET /v1/things/{thing_id}."""
    return [
        f"{method.upper()} {path}"
        for path, item in document.get("paths", {}).items()
        for method in _METHODS
        if isinstance(item, Mapping) and method in item
    ]


def with_values(
    document: dict[str, Any], values: Mapping[str, str], bodies: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    """Return the document with examples: values for names, and bodies for operations."""
    waiting: list[Any] = [document]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += one
        elif isinstance(one, dict):
            _give(one, values)
            waiting += one.values()
    for operation, body in bodies.items():
        method, _, path = operation.partition(" ")
        asked = document["paths"].get(path, {}).get(method.lower(), {}).get("requestBody", {})
        for media_type in asked.get("content", {}).values():
            media_type.pop("examples", None)
            media_type["example"] = dict(body)
    return document


def _give(part: dict[str, Any], values: Mapping[str, str]) -> None:
    name = part.get("name")
    if "in" in part and isinstance(name, str) and name in values:
        part.pop("examples", None)
        part["example"] = values[name]
    properties = part.get("properties")
    for field, schema in properties.items() if isinstance(properties, dict) else ():
        if field in values and isinstance(schema, dict):
            schema["example"] = values[field]


def _shown(place: str) -> str:
    """Return a place in the document, which is public, bounded and in printable letters."""
    return re.sub(r"[^\x20-\x7e]", "?", place)[:_MOST_SHOWN]


VERSION = schemathesis.__version__

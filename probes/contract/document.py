"""An OpenAPI document before anything is asked by it: made one file, valid, of a version that is read."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urldefrag, urljoin, urlsplit

import yaml

_METHODS = ("get", "head", "post", "put", "patch", "delete", "options")
_READ = {"3.0": "OPENAPI_30_VALIDATOR", "3.1": "OPENAPI_31_VALIDATOR"}
_VALUES = frozenset({"example", "examples", "default", "enum", "const"})
"""What is below these is a value, and no part of the document's structure."""
_MOST_SHOWN, _MOST_STEPS = 160, 10


@dataclasses.dataclass(frozen=True, slots=True)
class Unfit(Exception):  # noqa: N818 - a finding, which the caller judges
    """A document that nothing can be asked by; the sentence names its parts, which are public."""

    sentence: str
    invalid: bool
    """Whether the document is wrong; else it is one that the gate does not read."""


def read(content: bytes) -> dict[str, Any]:
    """Return a document that is fit; raises Unfit."""
    from schemathesis.specs.openapi import definitions  # noqa: PLC0415 - a second, of which the gate needs nothing

    document = parsed(content)
    version = _version(document)
    _check_references(document)
    for error in getattr(definitions, _READ[version]).iter_errors(document):
        place = "/".join(str(step).replace("/", "~1") for step in error.instance_path)
        raise Unfit(f"it is invalid at {_shown(place) or 'its root'}", invalid=True)
    paths = document.get("paths", {})
    return {**document, "paths": {path: _resolved(document, item) for path, item in paths.items()}}


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
    for reference in (one["$ref"] for one in referring(document)):
        # Whatever it leads to could be another host's, or a file of this machine.
        if not reference.startswith("#"):
            said = "it refers to a part on another host, which is never fetched; bundle it into one file"
            raise Unfit(said, invalid=False)
        if _part(document, reference) is None:
            raise Unfit(f"{_shown(reference)} leads to nothing in it", invalid=True)


def parsed(content: bytes) -> dict[str, Any]:
    """Return a file as JSON values; raises Unfit."""
    try:
        text = content.decode()
        found = json.loads(text) if text.lstrip().startswith("{") else _yaml(text)
    except (ValueError, yaml.YAMLError):
        raise Unfit("it is neither JSON nor YAML", invalid=True) from None
    except RecursionError:
        raise Unfit("it is nested too deeply to be read", invalid=True) from None
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


def referring(part: Any) -> Iterator[dict[str, Any]]:
    """Yield every part of a document that refers to another."""
    waiting = [part]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if isinstance(one.get("$ref"), str):
                yield one
            waiting += [inner for name, inner in one.items() if name not in _VALUES]
        elif isinstance(one, list):
            waiting += one


def _part(document: Any, reference: str) -> Any:
    """Return what a reference leads to; None where that is nothing."""
    part = document
    for step in reference.removeprefix("#").split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~").replace("%7B", "{").replace("%7D", "}")
        if isinstance(part, list) and name.isdigit() and int(name) < len(part):
            part = part[int(name)]
        elif isinstance(part, Mapping) and name in part:
            part = part[name]
        else:
            return None
    return part


def operations(document: Mapping[str, Any]) -> list[str]:
    """Return every operation, such as GET /v1/things/{thing_id}."""
    return [
        f"{method.upper()} {path}"
        for path, item in document.get("paths", {}).items()
        for method in _METHODS
        if isinstance(item, Mapping) and method in item
    ]


def schema_of(document: Mapping[str, Any], operation: str, status: str) -> str:
    """Return the name of the schema that an operation's answers of a status have; empty without one."""
    method, _, path = operation.partition(" ")
    answers = document["paths"][path][method.lower()]["responses"]
    answer = _resolved(document, answers.get(status) or answers.get(f"{status[:1]}XX") or {})
    media: Mapping[str, Any] = next(iter(answer.get("content", {}).values()), {})
    return str(media.get("schema", {}).get("$ref", "")).rpartition("/")[2]


def _resolved(document: Mapping[str, Any], part: Any) -> Mapping[str, Any]:
    """Return a part, or what it refers to; empty where that is none, or a circle."""
    for _ in range(_MOST_STEPS):
        if not isinstance(part, Mapping):
            break
        if "$ref" not in part:
            return part
        part = _part(document, str(part["$ref"]))
    return {}


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


_MAYBE: Final = re.compile(rb"\$ref[\"']?\s*:\s*[\"']?[^#\s\"']")
_MOST_FILES: Final = 100
"""Files; who has more may bundle them."""
_KEPT_UNDER: Final = "x-parts"


def bundled(content: bytes, address: str, fetch: Callable[[str], bytes]) -> bytes:
    """Return a document as one file, with the parts that it names on its own server.

    What lies elsewhere is not asked for and stays named as it was. Raises Unfit, and what `fetch`
    raises, which is given the address of a part.
    """
    if not _MAYBE.search(content):
        return content
    whole, parts = parsed(content), list[Any]()
    places, waiting = {address: "#"}, [(address, whole)]
    while waiting:
        base, part = waiting.pop()
        for holder in referring(part):
            file, pointer = urldefrag(urljoin(base, holder["$ref"]))
            if urlsplit(file)[:2] != urlsplit(address)[:2] or pointer[:1] not in ("", "/"):
                continue
            if file not in places:
                if len(parts) == _MOST_FILES:
                    raise Unfit(f"it has more than {_MOST_FILES} files", invalid=False)
                places[file] = f"#/{_KEPT_UNDER}/{len(parts)}"
                parts.append(parsed(fetch(file)))
                waiting.append((file, parts[-1]))
            holder["$ref"] = places[file] + pointer
    return json.dumps({**whole, _KEPT_UNDER: parts}).encode()

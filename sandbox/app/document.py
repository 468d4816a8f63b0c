"""The API's own document: what the routes declare, with every status that they answer with and links.

Release v1.1.0 documents less; its document stays as it was (contract/openapi/v1.1.0.json).
"""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastapi import FastAPI

ADDITIONS = pathlib.Path(__file__).with_name("document.yaml")
_JSON = "application/json"
_REFUSAL = {
    "title": "Refusal",
    "type": "object",
    "properties": {"detail": {"type": "string"}},
    "required": ["detail"],
    "additionalProperties": False,
}
_SIGN_IN = {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}}


def documents_its_refusals(app: FastAPI) -> None:
    """Have the application serve the whole document; it is made when it is first asked for."""
    declared = app.openapi

    def whole() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(declared())
        return declared()

    app.openapi = whole  # type: ignore[method-assign]  # as FastAPI's documentation has it


def additions() -> dict[str, Any]:
    """Return what is added, by operation."""
    # Loaded late: most processes of the local platform are never asked for their document.
    import yaml  # noqa: PLC0415 - see above

    added: dict[str, Any] = yaml.safe_load(ADDITIONS.read_text(encoding="utf-8"))
    return added


def _complete(document: dict[str, Any]) -> None:
    document["components"]["schemas"].setdefault("Refusal", _REFUSAL)
    added = additions()
    for schema, fields in added["examples"].items():
        for field, example in fields.items():
            document["components"]["schemas"][schema]["properties"][field]["examples"] = [example]
    operations = {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    for name, more in added["operations"].items():
        operation = operations[name]
        for status in map(str, more["also"]):
            answer = _answer(added["answers"][status])
            if status == "401" and "security" in operation:
                answer["headers"] = _SIGN_IN
            operation["responses"].setdefault(status, answer)
        for status, links in more.get("links", {}).items():
            operation["responses"][status]["links"] = {
                link: _link(operations, to) for link, to in links.items()
            }


def _answer(described: Mapping[str, str]) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{described['schema']}"}
    return {"description": described["description"], "content": {_JSON: {"schema": schema}}}


def _link(operations: Mapping[str, Any], to: Mapping[str, Any]) -> dict[str, Any]:
    named = {"operationId": operations[to["to"]]["operationId"]}
    words = {"parameters": to.get("parameters"), "requestBody": to.get("body")}
    return named | {key: value for key, value in words.items() if value}

"""Reads a FHIR server's CapabilityStatement by the published model of the resource."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from probes import need
from probes.api import MAX_ANSWER_BYTES
from probes.formats import NotJsonError

if TYPE_CHECKING:
    from probes.http import HttpAnswer

ACCEPT = "application/fhir+json"
MAX_BYTES = MAX_ANSWER_BYTES
"""A server with every resource and search parameter states some megabytes."""
_MOST_PLACES = 5
_MODEL = "fhir.resources.R4B"
"""Of R4 too: their statements have the same elements."""
_MODEL_OF_R5 = "fhir.resources"


_FORMATS = {
    f"application/{prefix}{kind}": kind for prefix in ("", "fhir+") for kind in ("json", "xml")
}
_ALLOWED = ("readHistory", "updateCreate", "conditionalCreate", "conditionalUpdate")
_LISTED = {
    "supportedProfile": "profile",
    "searchInclude": "_include",
    "searchRevInclude": "_revinclude",
    "referencePolicy": "reference policy",
}


class NotACapabilityStatementError(Exception):
    """The answer is something else; the text is one sentence of ours without the answer's own."""


@dataclasses.dataclass(frozen=True, slots=True)
class Capability:
    """What the server says that it can do."""

    fhir_version: str
    status: str
    """draft, active, retired or unknown."""
    interactions: Mapping[str, tuple[str, ...]]
    """Resource type → interactions, of its `rest` part as a server."""
    offers: frozenset[str]
    """All that a client may use, in words: `Patient search parameter name (string)`."""


def capability(answer: HttpAnswer) -> Capability:
    """Return what an answer states; raises NotACapabilityStatementError for whatever is not a statement."""
    try:
        body = answer.json()
    except NotJsonError as exc:
        raise NotACapabilityStatementError(str(exc)) from None
    kind = body.get("resourceType") if isinstance(body, Mapping) else None
    if kind == "OperationOutcome":
        raise NotACapabilityStatementError(
            "The answer is an OperationOutcome, the way in which FHIR reports errors, "
            f"although its status is {answer.status}."
        )
    return stated(body if isinstance(body, Mapping) else {})


def stated(body: Mapping[str, Any]) -> Capability:
    """Return what a CapabilityStatement says; raises NotACapabilityStatementError where it is not valid."""
    if body.get("resourceType") != "CapabilityStatement":
        raise NotACapabilityStatementError("The answer is not a CapabilityStatement.")
    _validate(body)
    return Capability(
        fhir_version=str(body.get("fhirVersion")),
        status=str(body.get("status")),
        interactions=dict(_interactions(body)),
        offers=frozenset(_offers(body)),
    )


def _validate(body: Mapping[str, Any]) -> None:
    # The models take half a second to load; only this check pays for them, and for one alone.
    from pydantic import ValidationError  # noqa: PLC0415 - beside the model that raises it

    need("contract")
    package = _MODEL_OF_R5 if str(body.get("fhirVersion")).startswith("5.") else _MODEL
    model = importlib.import_module(f"{package}.capabilitystatement").CapabilityStatement
    try:
        model.model_validate(dict(body))
    except ValidationError as exc:
        raise NotACapabilityStatementError(_places(exc.errors(include_input=False))) from None


def _places(errors: Sequence[Mapping[str, Any]]) -> str:
    """Say where the model does not fit; a place that is not an element of the model may hold anything."""
    places = {
        ".".join(map(str, error["loc"])) for error in errors if error["type"] != "extra_forbidden"
    }
    return (
        f"The answer is not a valid CapabilityStatement: {len(errors)} elements are missing, wrong or "
        f"unknown: {', '.join(sorted(places)[:_MOST_PLACES]) or 'only unknown ones'}."
    )


def _interactions(body: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for rest in _as_server(body):
        for resource in rest.get("resource", ()):
            yield str(resource.get("type")), _codes(resource)


def _as_server(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [rest for rest in body.get("rest", ()) if rest.get("mode") == "server"]


def _codes(part: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(one.get("code")) for one in part.get("interaction", ()))


def _offers(body: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a statement offers, by https://hl7.org/fhir/R4/capabilitystatement.html."""
    yield from (f"format {_FORMATS.get(one, one)}" for one in body.get("format", ()))
    yield from (f"patch format {one}" for one in body.get("patchFormat", ()))
    for rest in _as_server(body):
        yield from _usable("the server", rest)
        for resource in rest.get("resource", ()):
            kind = str(resource.get("type"))
            yield kind
            yield from _usable(kind, resource)
            yield from (f"{kind} {word}" for word in _ALLOWED if resource.get(word) is True)
            for word, name in _LISTED.items():
                yield from (f"{kind} {name} {one}" for one in resource.get(word, ()))


def _usable(what: str, part: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{what} {code}" for code in _codes(part))
    yield from (f"{what} operation ${one.get('name')}" for one in part.get("operation", ()))
    for one in part.get("searchParam", ()):
        yield f"{what} search parameter {one.get('name')} ({one.get('type')})"

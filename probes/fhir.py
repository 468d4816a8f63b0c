"""Reads a FHIR server's CapabilityStatement by the published model of the resource."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

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
    if kind != "CapabilityStatement" or not isinstance(body, Mapping):
        raise NotACapabilityStatementError("The answer is not a CapabilityStatement.")
    _validate(body)
    return Capability(
        fhir_version=str(body.get("fhirVersion")),
        status=str(body.get("status")),
        interactions=dict(_interactions(body)),
    )


def _validate(body: Mapping[str, Any]) -> None:
    # The models take half a second to load; only this check pays for them, and for one alone.
    from pydantic import ValidationError  # noqa: PLC0415 - beside the model that raises it

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
    for rest in body.get("rest", ()):
        if rest.get("mode") != "server":
            continue
        for resource in rest.get("resource", ()):
            codes = tuple(str(one.get("code")) for one in resource.get("interaction", ()))
            yield str(resource.get("type")), codes

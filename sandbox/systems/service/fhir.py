"""A FHIR R4 server's CapabilityStatement at `/metadata`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from sandbox.core.standin import Facts, State

_OUTCOME = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "error", "code": "exception"}],
}


class FhirState(State):
    """What the server says of itself."""

    fhir_version: str = "4.0.1"
    status: int = 200
    resource_type: str = "CapabilityStatement"
    resources: tuple[str, ...] = ("Appointment", "Patient", "Practitioner")
    interactions: tuple[str, ...] = ("read", "search-type")
    open_to_everybody: bool = False
    """Records are given without a login."""
    html: bool = False
    """An error page of a proxy instead of JSON."""


def make_app(admin_token: SecretStr, _settings: Mapping[str, Any]) -> Starlette:
    """Return the application."""
    facts = Facts(FhirState(), admin_token)

    async def metadata(_request: Request) -> Response:
        if facts.now.html:
            return HTMLResponse("<html><body>We are back soon.</body></html>")
        return JSONResponse(
            _statement(facts.now), facts.now.status, media_type="application/fhir+json"
        )

    async def record(_request: Request) -> JSONResponse:
        status = 404 if facts.now.open_to_everybody else 401
        return JSONResponse(_OUTCOME, status, media_type="application/fhir+json")

    return Starlette(
        routes=[
            *facts.routes(),
            Route("/metadata", metadata),
            Route("/{resource}/{record}", record),
        ]
    )


def _statement(state: FhirState) -> dict[str, Any]:
    if state.resource_type == "OperationOutcome":
        return dict(_OUTCOME)
    interactions = [{"code": code} for code in state.interactions]
    return {
        "resourceType": state.resource_type,
        "status": "active",
        "date": "2026-01-01",
        "kind": "instance",
        "fhirVersion": state.fhir_version,
        "format": ["json"],
        "implementation": {"description": "Unified Health FHIR server"},
        "rest": [
            {
                "mode": "server",
                "resource": [
                    {"type": name, "interaction": interactions} for name in state.resources
                ],
            }
        ],
    }

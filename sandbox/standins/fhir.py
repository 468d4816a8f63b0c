"""A FHIR R4 server's CapabilityStatement at `/metadata`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from sandbox.standins.state import Facts, State


class FhirState(State):
    """What the server says of itself."""

    fhir_version: str = "4.0.1"
    status: int = 200
    resource_type: str = "CapabilityStatement"
    resources: tuple[str, ...] = ("Appointment", "Patient", "Practitioner")
    interactions: tuple[str, ...] = ("read", "search-type")


def make_app(admin_token: SecretStr, _settings: Mapping[str, Any]) -> Starlette:
    """Return the application."""
    facts = Facts(FhirState(), admin_token)

    async def metadata(_request: Request) -> JSONResponse:
        return JSONResponse(
            _statement(facts.now), facts.now.status, media_type="application/fhir+json"
        )

    return Starlette(routes=[*facts.routes(), Route("/metadata", metadata)])


def _statement(state: FhirState) -> dict[str, Any]:
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

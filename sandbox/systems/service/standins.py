"""A FHIR R4 server's CapabilityStatement at `/metadata`, and the platform's external services."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING, Any, Literal, get_args

from starlette.responses import HTMLResponse, JSONResponse

from sandbox.core.standins import Facts, State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import SecretStr
    from starlette.applications import Starlette
    from starlette.requests import Request

    from sandbox.core.standins import Handler

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
    search_parameters: tuple[str, ...] = ("_id", "date")
    open_to_everybody: bool = False
    """Records are given without a login."""
    html: bool = False
    """An error page of a proxy instead of JSON."""


def fhir(admin_token: SecretStr, _settings: Mapping[str, Any]) -> Starlette:
    """Return the application of the FHIR server."""
    facts = Facts(FhirState(), admin_token)

    async def metadata(_request: Request) -> Any:
        if facts.now.html:
            return HTMLResponse("<html><body>We are back soon.</body></html>")
        return _fhir_json(statement(facts.now), facts.now.status)

    async def record(_request: Request) -> Any:
        return _fhir_json(_OUTCOME, 404 if facts.now.open_to_everybody else 401)

    return facts.app({"GET /metadata": metadata, "GET /{resource}/{record}": record})


def _fhir_json(content: Mapping[str, Any], status: int) -> JSONResponse:
    return JSONResponse(content, status, media_type="application/fhir+json")


def statement(state: FhirState) -> dict[str, Any]:
    """Return the server's CapabilityStatement, or what a fault has it say instead."""
    if state.resource_type == "OperationOutcome":
        return dict(_OUTCOME)
    interactions = [{"code": code} for code in state.interactions]
    searched = [{"name": name, "type": "string"} for name in state.search_parameters]
    resources = [
        {"type": name, "interaction": interactions, "searchParam": searched}
        for name in state.resources
    ]
    return {
        "resourceType": state.resource_type,
        "status": "active",
        "date": "2026-01-01",
        "kind": "instance",
        "fhirVersion": state.fhir_version,
        "format": ["json"],
        "implementation": {"description": "Unified Health FHIR server"},
        "rest": [{"mode": "server", "resource": resources}],
    }


Vendor = Literal["aws", "azure", "auth0", "stripe", "twilio", "sendgrid"]
VENDORS: tuple[Vendor, ...] = get_args(Vendor)
DECLINED_CARD = "tok_chargeDeclined"


class VendorsState(State):
    """Which of the external services is out of order."""

    down: Vendor | None = None


def vendors(admin_token: SecretStr, _settings: Mapping[str, Any]) -> Starlette:
    """Return the application: `GET /NAME/status` for each service; charges, messages and mails."""
    facts = Facts(VendorsState(), admin_token)
    numbers = itertools.count(1)

    async def status(request: Request) -> Any:
        vendor = request.path_params["vendor"]
        if vendor not in VENDORS:
            return {"error": "no such service"}, 404
        return ({"status": "down"}, 503) if vendor == facts.now.down else {"status": "ok"}

    def taking(vendor: Vendor, answer: Handler) -> Handler:
        async def take(request: Request) -> Any:
            down = vendor == facts.now.down
            return ({"status": "down"}, 503) if down else await answer(request)

        return take

    async def charge(request: Request) -> Any:
        charge_id = f"ch_{next(numbers)}"
        if (await _json(request)).get("source") == DECLINED_CARD:
            return {"id": charge_id, "status": "declined"}, 402
        return {"id": charge_id, "status": "succeeded"}

    async def queue(_request: Request) -> Any:
        return {"id": f"ms_{next(numbers)}", "status": "queued"}

    return facts.app(
        {
            "POST /stripe/charges": taking("stripe", charge),
            "POST /twilio/messages": taking("twilio", queue),
            "POST /sendgrid/mail": taking("sendgrid", queue),
            "GET /{vendor}/status": status,
        }
    )


async def _json(request: Request) -> dict[str, object]:
    """Return the body's object, or an empty one for anything else."""
    with contextlib.suppress(ValueError):
        body = await request.json()
        if isinstance(body, dict):
            return body
    return {}

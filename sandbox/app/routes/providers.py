"""Providers are looked up."""

from fastapi import APIRouter, HTTPException, Request, status
from fastapi.responses import JSONResponse

from sandbox.app.parts import BEARER_TOKEN, Body, require_reader

router = APIRouter(tags=["providers"])


class Provider(Body):
    """Somebody who gives appointments."""

    id: str
    name: str
    specialty: str
    region: str


@router.get("/v1/providers/{provider_id}", openapi_extra=BEARER_TOKEN, response_model=Provider)
async def read(request: Request, provider_id: str) -> JSONResponse:
    """Return one provider."""
    parts = await require_reader(request)
    await parts.faults.disturb_read()
    found = await parts.database.rows(
        "SELECT id, name, specialty, region FROM providers WHERE id = %s", provider_id
    )
    if not found:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "no such provider")
    return JSONResponse(found[0])

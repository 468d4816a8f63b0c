"""Providers are looked up."""

from fastapi import APIRouter, HTTPException, status
from fastapi.responses import JSONResponse

from sandbox.app.parts import Body, OnlyReaders, PartsOfApp

router = APIRouter(tags=["providers"])


class Provider(Body):
    """Somebody who gives appointments."""

    id: str
    name: str
    specialty: str
    region: str


@router.get("/v1/providers/{provider_id}", dependencies=[OnlyReaders], response_model=Provider)
async def read(parts: PartsOfApp, provider_id: str) -> JSONResponse:
    """Return one provider."""
    await parts.faults.disturb_read()
    found = await parts.database.rows(
        "SELECT id, name, specialty, region FROM providers WHERE id = %s", provider_id
    )
    if not found:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "no such provider")
    return JSONResponse(found[0])

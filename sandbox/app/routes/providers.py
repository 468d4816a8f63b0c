"""Providers are looked up."""

from fastapi import APIRouter, HTTPException, Request, Response, status

from sandbox.app.parts import BEARER_TOKEN, Body, Parts, require_reader
from sandbox.app.reader import Statement

router = APIRouter(tags=["providers"])

PATH = "/v1/providers/{provider_id}"
PROVIDER = Statement(
    "provider",
    "SELECT row_to_json(provider)::text"
    " FROM (SELECT id, name, specialty, region FROM providers WHERE id = $1) AS provider",
)


class Provider(Body):
    """Somebody who gives appointments."""

    id: str
    name: str
    specialty: str
    region: str


@router.get(PATH, openapi_extra=BEARER_TOKEN, response_model=Provider)
async def read(request: Request, provider_id: str) -> Response:
    """Return one provider."""
    return await answer(await require_reader(request), provider_id)


async def answer(parts: Parts, provider_id: str) -> Response:
    """Answer somebody who may read; raises 404."""
    await parts.faults.disturb_read()
    provider = await parts.database.document(PROVIDER, provider_id)
    if provider is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "no such provider")
    return Response(provider, media_type="application/json")

"""What operators use: metrics for Prometheus, and the faults of the local platform."""

from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Response, status

from sandbox.app.faults import Switches
from sandbox.app.metrics import CONTENT_TYPE
from sandbox.app.parts import PartsOfApp, same_secret

router = APIRouter(include_in_schema=False)

_Token = Annotated[str, Header(alias="X-Sandbox-Token")]


@router.get("/metrics")
async def metrics(parts: PartsOfApp) -> Response:
    """Return every metric in Prometheus's text format."""
    switches = parts.faults.switches
    if switches.metrics_broken:
        return Response(status_code=status.HTTP_500_INTERNAL_SERVER_ERROR)
    return Response(parts.metrics.exposition(switches), media_type=CONTENT_TYPE)


@router.get("/_sandbox/faults")
async def faults(parts: PartsOfApp, token: _Token = "") -> Switches:
    """Return the switches in force."""
    _require(parts, token)
    return parts.faults.switches


@router.put("/_sandbox/faults")
async def set_faults(parts: PartsOfApp, switches: Switches, token: _Token = "") -> Switches:
    """Put a whole set of switches in force; an empty set is a healthy API."""
    _require(parts, token)
    other_bounds = switches.other_bucket_bounds
    if switches.reset_counters or other_bounds != parts.faults.switches.other_bucket_bounds:
        parts.metrics.reset(other_bounds=other_bounds)
    parts.faults.replace(switches)
    return parts.faults.switches


def _require(parts: PartsOfApp, token: str) -> None:
    if not same_secret(token, parts.config.admin_token):
        raise HTTPException(status.HTTP_401_UNAUTHORIZED, "X-Sandbox-Token is missing or wrong")

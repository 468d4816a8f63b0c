"""What operators use: metrics for Prometheus, the local platform's faults, logged changes of flags."""

from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Path, Response, status
from pydantic import Field

from sandbox.app.faults import Switches
from sandbox.app.metrics import CONTENT_TYPE
from sandbox.app.parts import Body, PartsOfApp, same_secret

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


_Flag = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9_]{0,62}$")]


class Change(Body):
    """What a flag is to be, and who says so."""

    enabled: bool
    percentage: int = Field(ge=0, le=100)
    actor: str = Field(min_length=1, max_length=40)


@router.put("/v1/operations/flags/{flag}")
async def change_flag(
    parts: PartsOfApp, flag: _Flag, change: Change, token: _Token = ""
) -> dict[str, str]:
    """Set both keys of a flag and log what changed."""
    _require(parts, token)
    await parts.flags.change(
        flag, enabled=change.enabled, percentage=change.percentage, actor=change.actor
    )
    return {}

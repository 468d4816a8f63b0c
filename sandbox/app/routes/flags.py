"""How operators change feature flags, so that every change is logged."""

from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Path, status
from pydantic import Field

from sandbox.app.parts import Body, PartsOfApp, same_secret

router = APIRouter(include_in_schema=False)

_Flag = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9_]{0,62}$")]
_Token = Annotated[str, Header(alias="X-Sandbox-Token")]


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
    if not same_secret(token, parts.config.admin_token):
        raise HTTPException(status.HTTP_401_UNAUTHORIZED, "X-Sandbox-Token is missing or wrong")
    await parts.flags.change(
        flag, enabled=change.enabled, percentage=change.percentage, actor=change.actor
    )
    return {}

"""What operators use: health, metrics, tries of external services, logged changes of flags, faults."""

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Header, HTTPException, Path, Request, Response, status
from pydantic import BaseModel, Field
from redis.exceptions import RedisError

from sandbox.app.database import DatabaseUnavailableError
from sandbox.app.faults import Switches
from sandbox.app.gateways import GatewayError
from sandbox.app.metrics import CONTENT_TYPE, Usage
from sandbox.app.parts import Body, PartsOfApp, same_secret

health = APIRouter(tags=["health"])

Status = Literal["healthy", "degraded", "unhealthy"]


class Liveness(BaseModel):
    """The API answers, and this is its version."""

    status: Status
    version: str


class DatabaseHealth(BaseModel):
    """The primary's latency, and whether the standby follows it."""

    status: Status
    latency_ms: float | None = None
    standby: Literal["streaming", "down"] | None = None


class CacheHealth(BaseModel):
    """The latency of Redis."""

    status: Status
    latency_ms: float | None = None


class ServiceHealth(BaseModel):
    """One external service."""

    status: Status
    latency_ms: float


class ExternalHealth(BaseModel):
    """Every external service by name."""

    status: Status
    services: dict[str, ServiceHealth]


_UNAVAILABLE = status.HTTP_503_SERVICE_UNAVAILABLE


@health.get("/health")
async def liveness(parts: PartsOfApp, request: Request) -> Liveness:
    """Say that the API answers, without looking further."""
    version = parts.faults.version(parts.config.version, request.scope["server"][0])
    return Liveness(status="healthy", version=version)


@health.get(
    "/health/db",
    responses={_UNAVAILABLE: {"model": DatabaseHealth}},
    response_model_exclude_none=True,
)
async def database(parts: PartsOfApp, response: Response) -> DatabaseHealth:
    """Time a query on the primary and see whether the standby is streaming."""
    extra_seconds = parts.faults.switches.health_db_extra_ms / 1000
    try:
        health = await parts.database.health.measure(extra_seconds=extra_seconds)
    except DatabaseUnavailableError:
        response.status_code = _UNAVAILABLE
        return DatabaseHealth(status="unhealthy")
    claimed = parts.faults.switches.health_db_claims_ms
    return DatabaseHealth(
        status="healthy" if health.standby_is_streaming else "degraded",
        latency_ms=_milliseconds(health.latency_seconds) if claimed is None else claimed,
        standby="streaming" if health.standby_is_streaming else "down",
    )


@health.get(
    "/health/redis",
    responses={_UNAVAILABLE: {"model": CacheHealth}},
    response_model_exclude_none=True,
)
async def cache(parts: PartsOfApp, response: Response) -> CacheHealth:
    """Time a PING."""
    try:
        seconds = await parts.sessions.ping()
    except RedisError:
        response.status_code = _UNAVAILABLE
        return CacheHealth(status="unhealthy")
    return CacheHealth(status="healthy", latency_ms=_milliseconds(seconds))


@health.get("/health/external")
async def external(parts: PartsOfApp) -> ExternalHealth:
    """Ask every external service; one that is unhealthy makes the whole degraded, never an error."""
    states = await parts.gateways.status_of_all()
    services = {
        name: ServiceHealth.model_validate(state)
        for name, state in states.items()
        if name != parts.faults.switches.external_missing
    }
    all_healthy = all(service.status == "healthy" for service in services.values())
    return ExternalHealth(status="healthy" if all_healthy else "degraded", services=services)


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)


router = APIRouter(include_in_schema=False)

_Token = Annotated[str, Header(alias="X-Sandbox-Token")]


@router.get("/metrics")
async def metrics(parts: PartsOfApp) -> Response:
    """Return every metric in Prometheus's text format."""
    switches = parts.faults.switches
    if switches.metrics_broken:
        return Response(status_code=status.HTTP_500_INTERNAL_SERVER_ERROR)
    used, most = await parts.database.pool(switches.pool_held)
    sessions, leaked = parts.sessions, parts.faults.leaked_megabytes
    usage = Usage(used, most, sessions.round_trip_seconds, sessions.active, leaked)
    return Response(parts.metrics.exposition(switches, usage), media_type=CONTENT_TYPE)


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


trials = APIRouter(tags=["test"])

_AMOUNT_CENTS = 100


class Tried(Body):
    """The external service did what it was asked."""

    status: Literal["ok"] = "ok"


@trials.post("/v1/test/payment-gateway")
async def payment_gateway(parts: PartsOfApp) -> Tried:
    """Charge a test card."""
    charge = await parts.gateways.charge(_AMOUNT_CENTS, "EUR")
    if charge.status != "succeeded":
        raise GatewayError(f"the test charge was {charge.status}")
    return Tried()


class Notified(Body):
    """What became of a message on each channel."""

    status: Literal["ok", "failed"]
    channels: dict[str, Literal["ok", "failed"]]


@trials.post("/v1/test/notifications")
async def notifications(parts: PartsOfApp, response: Response) -> Notified:
    """Send a text message and a mail to the services' test recipients; 502 when one was not taken."""
    sending = {
        "sms": parts.gateways.send_message("test"),
        "email": parts.gateways.send_mail("test"),
    }
    results = await asyncio.gather(*sending.values(), return_exceptions=True)
    channels: dict[str, Literal["ok", "failed"]] = {}
    for name, result in zip(sending, results, strict=True):
        if isinstance(result, BaseException) and not isinstance(result, GatewayError):
            raise result
        channels[name] = "failed" if isinstance(result, GatewayError) else "ok"
    failed = "failed" in channels.values()
    if failed:
        response.status_code = status.HTTP_502_BAD_GATEWAY
    return Notified(status="failed" if failed else "ok", channels=channels)

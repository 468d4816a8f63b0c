"""How the API and what it stands on are: /health and below."""

from typing import Literal

from fastapi import APIRouter, Request, Response, status
from pydantic import BaseModel
from redis.exceptions import RedisError

from sandbox.app.database import DatabaseUnavailableError
from sandbox.app.parts import PartsOfApp

router = APIRouter(tags=["health"])

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


@router.get("/health")
async def liveness(parts: PartsOfApp, request: Request) -> Liveness:
    """Say that the API answers, without looking further."""
    version = parts.faults.version(parts.config.version, request.scope["server"][0])
    return Liveness(status="healthy", version=version)


@router.get(
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


@router.get(
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


@router.get("/health/external")
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

"""The application put together, for one region and one version."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from sandbox.app import errors
from sandbox.app.audit import Audit
from sandbox.app.database import Database
from sandbox.app.express import Express
from sandbox.app.faults import Faults
from sandbox.app.flags import FlagStore
from sandbox.app.gateways import Gateways
from sandbox.app.metrics import Endpoint, Metrics
from sandbox.app.middleware import Measured, NamedHealth
from sandbox.app.mobile import DisturbedMobile
from sandbox.app.parts import Parts
from sandbox.app.routes import (
    appointments,
    auth,
    flags,
    health,
    integrations,
    operations,
    patients,
    payments,
    providers,
    synthetic,
    video,
)
from sandbox.app.sessions import Sessions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp

    from sandbox.app.config import AppConfig

_ADDRESS_OF_CALLS_SINCE = (1, 2)


def make_app(config: AppConfig) -> ASGIApp:
    """Return the application; it opens nothing before it is started."""
    routers = _routers(config.version)
    parts = _make_parts(config, routers)
    app = FastAPI(title="Unified Health API", version=config.version, lifespan=_lifespan)
    app.state.parts = parts
    for router in (*routers, health.router, operations.router, flags.router):
        app.include_router(router)
    errors.add_handlers(app)
    app.add_middleware(NamedHealth, faults=parts.faults)
    disturbed = DisturbedMobile(Express(app, parts), parts.faults)
    return Measured(disturbed, metrics=parts.metrics, faults=parts.faults)


def _routers(version: str) -> tuple[APIRouter, ...]:
    """Return what patients use, the reads of the traffic first: routes are tried in order."""
    numbers = tuple(int(part) for part in version.split(".")[:2])
    return (
        providers.router,
        appointments.router,
        auth.router,
        payments.router,
        video.make_router(with_address=numbers >= _ADDRESS_OF_CALLS_SINCE),
        patients.router,
        integrations.router,
        synthetic.router,
    )


def _make_parts(config: AppConfig, routers: tuple[APIRouter, ...]) -> Parts:
    metrics = Metrics(
        Endpoint(method, route.path, route.status_code or 200)
        for router in routers
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in sorted(route.methods or ())
    )
    audit = Audit(config.region)
    database = Database(config.database, metrics, (providers.PROVIDER, appointments.APPOINTMENTS))
    return Parts(
        config=config,
        faults=Faults(),
        metrics=metrics,
        database=database,
        sessions=Sessions(config.redis),
        gateways=Gateways(config.vendors_url),
        flags=FlagStore(config.redis, database, audit),
        audit=audit,
    )


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    parts: Parts = app.state.parts
    async with contextlib.AsyncExitStack() as stack:
        for part in (parts.database, parts.sessions, parts.gateways, parts.flags):
            await stack.enter_async_context(part.opened())
        yield

"""The application put together, for one region and one version: `python -m sandbox.app CONFIG.json`."""

from __future__ import annotations

import contextlib
import gc
import logging
import socket
import sys
from typing import TYPE_CHECKING, cast

import psycopg
import uvicorn
from fastapi import APIRouter, FastAPI, status
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from redis.exceptions import RedisError

from sandbox.app.audit import Audit, FlagStore
from sandbox.app.bent import BentAnswers
from sandbox.app.config import AppConfig
from sandbox.app.database import Database
from sandbox.app.document import documents_its_refusals
from sandbox.app.faults import Faults, InjectedError
from sandbox.app.gateways import GatewayError, Gateways
from sandbox.app.metrics import Endpoint, Metrics
from sandbox.app.middleware import DisturbedMobile, Measured, NamedHealth
from sandbox.app.parts import Parts, UnusableError
from sandbox.app.routes import appointments, auth, operations, payments, synthetic, web
from sandbox.app.sessions import Sessions
from sandbox.core import standins

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from fastapi import Request
    from starlette.types import ASGIApp

_ADDRESS_OF_CALLS_SINCE = _WHOLE_DOCUMENT_SINCE = _WEB_SINCE = (1, 2)


def make_app(config: AppConfig) -> ASGIApp:
    """Return the application; it opens nothing before it is started."""
    routers = _routers(config.version)
    parts = _make_parts(config, routers)
    app = FastAPI(title="Unified Health API", version=config.version, lifespan=_lifespan)
    app.state.parts = parts
    for router in (*routers, operations.health, operations.router):
        app.include_router(router)
    _add_handlers(app)
    if _numbers(config.version) >= _WHOLE_DOCUMENT_SINCE:
        documents_its_refusals(app)
    app.add_middleware(NamedHealth, faults=parts.faults)
    disturbed = DisturbedMobile(app, parts.faults)
    bent = BentAnswers(disturbed, lambda: parts.faults.switches.bent)
    return Measured(bent, metrics=parts.metrics, faults=parts.faults)


def _routers(version: str) -> tuple[APIRouter, ...]:
    """Return what patients use, the reads of the traffic first: routes are tried in order."""
    return (
        appointments.providers,
        appointments.router,
        auth.router,
        payments.router,
        payments.make_router(with_address=_numbers(version) >= _ADDRESS_OF_CALLS_SINCE),
        auth.patients,
        operations.trials,
        synthetic.router,
        *((web.router,) if _numbers(version) >= _WEB_SINCE else ()),
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2])


def _make_parts(config: AppConfig, routers: tuple[APIRouter, ...]) -> Parts:
    metrics = Metrics(
        Endpoint(method, route.path, route.status_code or 200)
        for router in routers
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in sorted(route.methods or ())
    )
    audit = Audit(config.region)
    database = Database(config.database, metrics)
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


_UNPROCESSABLE = status.HTTP_422_UNPROCESSABLE_CONTENT
_log = logging.getLogger(__name__)


_ANSWERS: dict[type[Exception], tuple[int, str]] = {
    psycopg.OperationalError: (status.HTTP_503_SERVICE_UNAVAILABLE, "the database is unavailable"),
    RedisError: (status.HTTP_503_SERVICE_UNAVAILABLE, "sessions are unavailable"),
    GatewayError: (status.HTTP_502_BAD_GATEWAY, "an external service failed"),
    InjectedError: (status.HTTP_500_INTERNAL_SERVER_ERROR, "internal error"),
}
"""What an error of the parts is answered with."""


def _add_handlers(app: FastAPI) -> None:
    """Turn the errors of the parts into answers."""
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(psycopg.Error, _database_error)
    app.add_exception_handler(UnusableError, _unusable)
    for error, (code, detail) in _ANSWERS.items():
        app.add_exception_handler(error, _handler(code, detail))


def _handler(code: int, detail: str) -> Callable[[Request, Exception], Awaitable[JSONResponse]]:
    async def handle(_request: Request, _exc: Exception) -> JSONResponse:
        return JSONResponse({"detail": detail}, code)

    return handle


async def _invalid(_request: Request, exc: Exception) -> JSONResponse:
    """Say what is wrong with the request without repeating it: it may hold a password."""
    invalid = cast("RequestValidationError", exc)
    found = [{key: error[key] for key in ("loc", "msg", "type")} for error in invalid.errors()]
    return JSONResponse({"detail": found}, _UNPROCESSABLE)


async def _unusable(_request: Request, exc: Exception) -> JSONResponse:
    return JSONResponse({"detail": [cast("UnusableError", exc).problem]}, _UNPROCESSABLE)


async def _database_error(_request: Request, exc: Exception) -> JSONResponse:
    if isinstance(exc, psycopg.DataError) and exc.sqlstate is None:
        # What the driver itself refuses to send: a text with a NUL.
        problem = UnusableError("request", "a text has a character that can't be stored")
        return await _unusable(_request, problem)
    # Only the code: the server's words quote rows.
    _log.error("database error %s", cast("psycopg.Error", exc).sqlstate)
    detail = "the database refused the query"
    return JSONResponse({"detail": detail}, status.HTTP_500_INTERNAL_SERVER_ERROR)


_NOT_STARTED = 3


def main(arguments: list[str]) -> int:
    """Serve until told to stop; 64 without a file, 78 when it cannot be used."""
    return standins.run(arguments, AppConfig, _serve)


def _serve(config: AppConfig) -> int:
    settings = standins.uvicorn_config(make_app(config), loop="uvloop", server_header=False)
    # What exists now stays; without this, a collection now and then looks through all of it and
    # holds up every request meanwhile.
    gc.freeze()
    listeners = [socket.create_server((host, config.port)) for host in config.hosts]
    server = uvicorn.Server(settings)
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=listeners)
    return 0 if server.started else _NOT_STARTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

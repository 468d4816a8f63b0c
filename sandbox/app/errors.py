"""What the API answers when a part of it fails; never with the part's own words."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

import psycopg
from fastapi import status
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from redis.exceptions import RedisError

from sandbox.app.faults import InjectedError
from sandbox.app.gateways import GatewayError

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

_log = logging.getLogger(__name__)


def add_handlers(app: FastAPI) -> None:
    """Turn the errors of the parts into answers."""
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(psycopg.OperationalError, _database_unavailable)
    app.add_exception_handler(psycopg.Error, _database_error)
    app.add_exception_handler(RedisError, _sessions_unavailable)
    app.add_exception_handler(GatewayError, _gateway_failed)
    app.add_exception_handler(InjectedError, _injected)


async def _invalid(_request: Request, exc: Exception) -> JSONResponse:
    """Say what is wrong with the request without repeating it: it may hold a password."""
    invalid = cast("RequestValidationError", exc)
    found = [{key: error[key] for key in ("loc", "msg", "type")} for error in invalid.errors()]
    return _answer(status.HTTP_422_UNPROCESSABLE_CONTENT, found)


async def _database_unavailable(_request: Request, _exc: Exception) -> JSONResponse:
    return _answer(status.HTTP_503_SERVICE_UNAVAILABLE, "the database is unavailable")


async def _database_error(_request: Request, exc: Exception) -> JSONResponse:
    # Only the code: the server's words quote rows.
    _log.error("database error %s", cast("psycopg.Error", exc).sqlstate)
    return _answer(status.HTTP_500_INTERNAL_SERVER_ERROR, "the database refused the query")


async def _sessions_unavailable(_request: Request, _exc: Exception) -> JSONResponse:
    return _answer(status.HTTP_503_SERVICE_UNAVAILABLE, "sessions are unavailable")


async def _gateway_failed(_request: Request, _exc: Exception) -> JSONResponse:
    return _answer(status.HTTP_502_BAD_GATEWAY, "an external service failed")


async def _injected(_request: Request, _exc: Exception) -> JSONResponse:
    return _answer(status.HTTP_500_INTERNAL_SERVER_ERROR, "internal error")


def _answer(code: int, detail: object) -> JSONResponse:
    return JSONResponse({"detail": detail}, status_code=code)

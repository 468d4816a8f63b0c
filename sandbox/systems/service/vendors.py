"""A stand-in for the platform's external services: `python -m sandbox.systems.service.vendors CONFIG.json`.

It answers `GET /NAME/status` for each, takes charges, messages and mails, and can have one service be
down. The configuration: `{"port": 1234, "admin_token": "..."}`.
"""

from __future__ import annotations

import contextlib
import hmac
import itertools
import sys
from typing import TYPE_CHECKING

import uvicorn
from pydantic import Field, SecretStr
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from sandbox.core import configured

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

VENDORS = ("aws", "azure", "auth0", "stripe", "twilio", "sendgrid")
DECLINED_CARD = "tok_chargeDeclined"
_KEEP_ALIVE_SECONDS = 75


class VendorsConfig(configured.Configuration):
    """Where to listen, and what opens `PUT /_sandbox/down`."""

    port: int = Field(ge=0, le=65535)
    admin_token: SecretStr


class Vendors:
    """The external services' answers; `down` names the one that is out of order."""

    def __init__(self, admin_token: SecretStr) -> None:
        self.down: str | None = None
        self._admin_token = admin_token.get_secret_value().encode()
        self._numbers = itertools.count(1)

    def make_app(self) -> Starlette:
        """Return the application."""
        return Starlette(
            routes=[
                Route("/", self._names),
                Route("/stripe/charges", self._charge, methods=["POST"]),
                Route("/twilio/messages", self._accept("twilio"), methods=["POST"]),
                Route("/sendgrid/mail", self._accept("sendgrid"), methods=["POST"]),
                Route("/_sandbox/down", self._set_down, methods=["PUT"]),
                Route("/{vendor}/status", self._status),
            ]
        )

    async def _names(self, _request: Request) -> JSONResponse:
        return JSONResponse({"services": VENDORS})

    async def _status(self, request: Request) -> JSONResponse:
        vendor = request.path_params["vendor"]
        if vendor not in VENDORS:
            return JSONResponse({"error": "no such service"}, 404)
        return self._out_of_order(vendor) or JSONResponse({"status": "ok"})

    async def _charge(self, request: Request) -> JSONResponse:
        out_of_order = self._out_of_order("stripe")
        if out_of_order:
            return out_of_order
        charge = await _json(request)
        if charge.get("source") == DECLINED_CARD:
            return JSONResponse({"id": self._id("ch"), "status": "declined"}, 402)
        return JSONResponse({"id": self._id("ch"), "status": "succeeded"})

    def _accept(self, vendor: str) -> Callable[[Request], Awaitable[JSONResponse]]:
        async def accept(request: Request) -> JSONResponse:
            await _json(request)
            return self._out_of_order(vendor) or JSONResponse(
                {"id": self._id("ms"), "status": "queued"}
            )

        return accept

    async def _set_down(self, request: Request) -> JSONResponse:
        given = request.headers.get("X-Sandbox-Token", "").encode()
        if not hmac.compare_digest(given, self._admin_token):
            return JSONResponse({"error": "X-Sandbox-Token is missing or wrong"}, 401)
        vendor = (await _json(request)).get("vendor")
        if vendor is not None and vendor not in VENDORS:
            return JSONResponse({"error": f"vendor is one of {', '.join(VENDORS)} or null"}, 422)
        self.down = vendor
        return JSONResponse({"vendor": vendor})

    def _out_of_order(self, vendor: str) -> JSONResponse | None:
        return JSONResponse({"status": "down"}, 503) if vendor == self.down else None

    def _id(self, prefix: str) -> str:
        return f"{prefix}_{next(self._numbers)}"


async def _json(request: Request) -> dict[str, object]:
    """Return the body's object, or an empty one for anything else."""
    with contextlib.suppress(ValueError):
        body = await request.json()
        if isinstance(body, dict):
            return body
    return {}


def main(arguments: list[str]) -> int:
    """Serve until told to stop; 64 without a file, 78 when it cannot be used."""
    return configured.run(arguments, VendorsConfig, _serve)


def _serve(config: VendorsConfig) -> None:
    uvicorn.run(
        Vendors(config.admin_token).make_app(),
        host="127.0.0.1",
        port=config.port,
        loop="uvloop",
        http="httptools",
        ws="none",
        access_log=False,
        proxy_headers=False,
        log_level="warning",
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Tries of the external services that operators run by hand or from the deployment gate."""

import asyncio
from typing import Literal

from fastapi import APIRouter, Response, status

from sandbox.app.gateways import GatewayError
from sandbox.app.parts import Body, PartsOfApp

router = APIRouter(tags=["test"])

_AMOUNT_CENTS = 100


class Tried(Body):
    """The external service did what it was asked."""

    status: Literal["ok"] = "ok"


@router.post("/v1/test/payment-gateway")
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


@router.post("/v1/test/notifications")
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

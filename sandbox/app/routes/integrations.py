"""Tries of the external services that operators run by hand or from the deployment gate."""

from typing import Literal

from fastapi import APIRouter

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


@router.post("/v1/test/notifications")
async def notifications(parts: PartsOfApp) -> Tried:
    """Send a text message and a mail to the services' test recipients."""
    await parts.gateways.send_message("test")
    await parts.gateways.send_mail("test")
    return Tried()

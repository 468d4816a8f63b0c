"""The external services that the API depends on, asked over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import httpx

EXTERNAL_SERVICES = ("aws", "azure", "auth0", "stripe", "twilio", "sendgrid")
_ACCEPTED_CARD = "tok_visa"
_DECLINED_CARD = "tok_chargeDeclined"
_TIMEOUT_SECONDS = 1.0


class GatewayError(Exception):
    """An external service could not be reached or did not do what it was asked."""


class Charge(NamedTuple):
    """What the payment gateway decided; `status` is succeeded or declined."""

    reference: str
    status: str


class Gateways:
    """Calls to the external services, each within a second."""

    def __init__(self, base_url: str) -> None:
        # The services are on this machine: a proxy of the environment must not see them.
        self._http = httpx.AsyncClient(base_url=base_url, timeout=_TIMEOUT_SECONDS, trust_env=False)

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Close the connections at the end."""
        async with self._http:
            yield

    async def status_of_all(self) -> dict[str, dict[str, object]]:
        """Ask every service at the same time how it is; never raises for one that is not."""
        states = await asyncio.gather(*map(self._status, EXTERNAL_SERVICES))
        return dict(zip(EXTERNAL_SERVICES, states, strict=True))

    async def _status(self, service: str) -> dict[str, object]:
        started = time.perf_counter()
        try:
            answer = await self._http.get(f"/{service}/status")
        except httpx.HTTPError:
            healthy = False
        else:
            healthy = answer.status_code == httpx.codes.OK
        latency_ms = round((time.perf_counter() - started) * 1000, 3)
        return {"status": "healthy" if healthy else "unhealthy", "latency_ms": latency_ms}

    async def charge(self, amount_cents: int, currency: str, *, declined: bool = False) -> Charge:
        """Charge a test card, one that is always declined when told so; raises GatewayError."""
        card = _DECLINED_CARD if declined else _ACCEPTED_CARD
        charge = await self._order(
            "/stripe/charges", {"amount": amount_cents, "currency": currency, "source": card}
        )
        return Charge(str(charge.get("id")), str(charge.get("status")))

    async def send_message(self, text: str) -> None:
        """Send a text message to the services' test number; raises GatewayError."""
        await self._order("/twilio/messages", {"to": "+15005550006", "body": text})

    async def send_mail(self, text: str) -> None:
        """Send a mail to the services' sink; raises GatewayError."""
        await self._order("/sendgrid/mail", {"to": "sink@example.org", "text": text})

    async def _order(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = await self._http.post(path, json=body)
            if answer.status_code not in {httpx.codes.OK, httpx.codes.PAYMENT_REQUIRED}:
                raise GatewayError(f"{path} answered {answer.status_code}")
            decided: dict[str, Any] = answer.json()
        except (httpx.HTTPError, ValueError) as exc:
            raise GatewayError(f"{path} gave no answer") from exc
        return decided

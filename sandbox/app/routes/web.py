"""What the web application asks for besides: since version 1.2."""

import hashlib
from typing import Annotated

from fastapi import APIRouter, Query, status
from pydantic import AwareDatetime

from sandbox.app.parts import Body, PartsOfApp, Patient, SignedIn, Token
from sandbox.app.routes.appointments import Provider

router = APIRouter(tags=["web"])

_NEW_UI = "new_appointment_ui"
# Who is synthetic meets the synthetic provider alone, and nobody else does.
_PROVIDERS = (
    "SELECT id, name, specialty, region FROM providers WHERE (id = %s) ="
    " EXISTS (SELECT 1 FROM users WHERE id = %s AND lower(split_part(email, '@', 2)) = %s)"
    " ORDER BY region <> %s, length(id), id LIMIT %s"
)
_OWN = (
    "SELECT a.id, a.provider_id, p.name AS provider_name, a.starts_at AS date, a.status"
    " FROM appointments a JOIN providers p ON p.id = a.provider_id"
    " WHERE a.patient_id = %s ORDER BY a.starts_at DESC, a.id LIMIT %s"
)

Limit = Annotated[int, Query(ge=1, le=50)]


class Providers(Body):
    """Providers who give appointments, those of the region first."""

    providers: tuple[Provider, ...]


class OwnAppointment(Body):
    """One of the patient's own appointments, with its provider's name."""

    id: str
    provider_id: str
    provider_name: str
    date: AwareDatetime
    status: str


class OwnAppointments(Body):
    """The patient's own appointments, the last one first."""

    appointments: tuple[OwnAppointment, ...]


class Features(Body):
    """Which new features this user gets."""

    new_appointment_ui: bool


@router.get("/v1/providers")
async def list_providers(parts: PartsOfApp, user: SignedIn, limit: Limit = 12) -> Providers:
    """Return providers with whom this user can book."""
    synthetic = parts.config.synthetic
    rows = await parts.database.rows(
        _PROVIDERS,
        synthetic.provider_id,
        user.id,
        synthetic.email_domain,
        parts.config.region,
        limit,
    )
    return Providers(providers=tuple(Provider.model_validate(row) for row in rows))


@router.get("/v1/me/appointments")
async def list_own(parts: PartsOfApp, patient: Patient, limit: Limit = 20) -> OwnAppointments:
    """Return the patient's own appointments."""
    rows = await parts.database.rows(_OWN, patient.patient_id, limit)
    return OwnAppointments(appointments=tuple(OwnAppointment.model_validate(row) for row in rows))


@router.get("/v1/features")
async def features(parts: PartsOfApp, user: SignedIn) -> Features:
    """Say which new features are on for this user: for all, or for a share that is always the same."""
    enabled, percentage = await parts.flags.state(_NEW_UI)
    lot = int(hashlib.sha256(f"{_NEW_UI} {user.id}".encode()).hexdigest(), 16) % 100
    return Features(new_appointment_ui=enabled or lot < percentage)


@router.post("/v1/auth/logout", status_code=status.HTTP_204_NO_CONTENT)
async def logout(parts: PartsOfApp, _user: SignedIn, token: Token) -> None:
    """End the session: its token opens nothing any more."""
    await parts.sessions.close_session(token)

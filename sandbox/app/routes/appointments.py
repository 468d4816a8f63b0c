"""Providers are looked up; patients book appointments with them, pay for them and call."""

import datetime as dt
import uuid
from typing import Annotated

import psycopg
from fastapi import APIRouter, HTTPException, Query, Request, Response, status
from pydantic import AwareDatetime, Field

from sandbox.app.parts import (
    BEARER_TOKEN,
    Body,
    Parts,
    PartsOfApp,
    Patient,
    require_reader,
)
from sandbox.app.sessions import User

providers = APIRouter(tags=["providers"])

_PROVIDER = (
    "SELECT row_to_json(provider)::text"
    " FROM (SELECT id, name, specialty, region FROM providers WHERE id = %s) AS provider"
)


class Provider(Body):
    """Somebody who gives appointments."""

    id: str
    name: str
    specialty: str
    region: str


@providers.get(
    "/v1/providers/{provider_id}", name="read", openapi_extra=BEARER_TOKEN, response_model=Provider
)
async def read_provider(request: Request, provider_id: str) -> Response:
    """Return one provider."""
    parts = await require_reader(request)
    await parts.faults.disturb_read()
    provider = await parts.database.document(_PROVIDER, provider_id)
    if provider is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "no such provider")
    return Response(provider, media_type="application/json")


router = APIRouter(tags=["appointments"])

PATH = "/v1/appointments"
_APPOINTMENTS = (
    "SELECT json_build_object('appointments', coalesce(json_agg(a ORDER BY a.date DESC), '[]'))::text"
    ' FROM (SELECT id, provider_id AS "providerId", starts_at AS date, status'
    " FROM appointment_overview WHERE provider_id = %s ORDER BY starts_at DESC LIMIT 10) AS a"
)


_LAST = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)
"""Later ones can't be read back in every time zone."""


class Booking(Body):
    """With whom, and when (with time zone)."""

    provider_id: str = Field(min_length=1, max_length=100)
    date: AwareDatetime


class Booked(Body):
    """The new appointment."""

    id: str
    status: str


class Appointment(Body):
    """One of the patient's own appointments."""

    id: str
    provider_id: str
    date: dt.datetime
    status: str


class AppointmentList(Body):
    """A provider's latest appointments, without their patients."""

    appointments: tuple[Appointment, ...]


@router.get(PATH, openapi_extra=BEARER_TOKEN, response_model=AppointmentList)
async def list_of_provider(
    request: Request, provider_id: Annotated[str, Query(alias="providerId", max_length=100)]
) -> Response:
    """Return a provider's latest appointments."""
    parts = await require_reader(request)
    await parts.faults.disturb_read()
    appointments = await parts.database.document(_APPOINTMENTS, provider_id)
    return Response(appointments, media_type="application/json")


@router.post(PATH, status_code=status.HTTP_201_CREATED)
async def book(parts: PartsOfApp, patient: Patient, booking: Booking) -> Booked:
    """Book an appointment in the future."""
    if not dt.datetime.now(dt.UTC) < booking.date < _LAST:
        raise HTTPException(status.HTTP_409_CONFLICT, "an appointment lies in the future")
    if parts.faults.switches.booking_refused:
        raise HTTPException(status.HTTP_409_CONFLICT, "no appointment can be made now")
    appointment_id = str(uuid.uuid4())
    if not parts.faults.switches.booking_writes_nothing:
        await _store(parts, appointment_id, booking, patient)
    parts.metrics.count("appointments_booked", synthetic=patient.synthetic_tag is not None)
    return Booked(id=appointment_id, status="scheduled")


@router.get(f"{PATH}/{{appointment_id}}")
async def read(parts: PartsOfApp, patient: Patient, appointment_id: str) -> Appointment:
    """Return one of the patient's own appointments."""
    found = await parts.database.rows(
        "SELECT id, provider_id, starts_at AS date, status FROM appointments"
        " WHERE id = %s AND patient_id = %s",
        appointment_id,
        patient.patient_id,
    )
    if not found:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "no such appointment")
    return Appointment.model_validate(found[0])


async def _store(parts: Parts, appointment_id: str, booking: Booking, patient: User) -> None:
    try:
        await parts.database.rows(
            "INSERT INTO appointments"
            " (id, patient_id, provider_id, starts_at, status, synthetic_tag)"
            " VALUES (%s, %s, %s, %s, 'scheduled', %s)",
            appointment_id,
            patient.patient_id,
            booking.provider_id,
            booking.date,
            patient.synthetic_tag,
        )
    except psycopg.errors.ForeignKeyViolation as exc:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "no such provider") from exc

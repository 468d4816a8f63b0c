"""Appointments are paid, through the payment gateway in its test mode."""

import uuid
from typing import Literal

from fastapi import APIRouter, HTTPException, Response, status
from pydantic import Field

from sandbox.app.gateways import Charge
from sandbox.app.parts import Body, Parts, PartsOfApp, Patient
from sandbox.app.sessions import User

router = APIRouter(tags=["payments"])

_DECLINED = status.HTTP_402_PAYMENT_REQUIRED


class Payment(Body):
    """What is paid; only the gateway's test mode is open here."""

    appointment_id: str = Field(max_length=100)
    amount_cents: int = Field(gt=0, le=1_000_000)
    currency: str = Field(pattern="^[A-Z]{3}$")
    mode: Literal["test"]


class Paid(Body):
    """What the gateway decided; a declined payment has no id."""

    id: str | None = None
    status: Literal["succeeded", "declined"]


@router.post(
    "/v1/payments",
    status_code=status.HTTP_201_CREATED,
    responses={_DECLINED: {"model": Paid}},
    response_model_exclude_none=True,
)
async def pay(parts: PartsOfApp, patient: Patient, payment: Payment, response: Response) -> Paid:
    """Pay for one of the patient's own appointments."""
    await require_own_appointment(parts, patient, payment.appointment_id)
    charge = await parts.gateways.charge(
        payment.amount_cents, payment.currency, declined=parts.faults.switches.payment_declined
    )
    synthetic = patient.synthetic_tag is not None
    if charge.status != "succeeded":
        parts.metrics.payment("declined", synthetic=synthetic)
        response.status_code = _DECLINED
        return Paid(status="declined")
    payment_id = await _store(parts, payment, charge, patient)
    parts.metrics.payment("succeeded", synthetic=synthetic)
    return Paid(id=payment_id, status="succeeded")


async def require_own_appointment(parts: Parts, patient: User, appointment_id: str) -> None:
    """Raise 404 unless the appointment is the patient's own."""
    own = await parts.database.rows(
        "SELECT 1 FROM appointments WHERE id = %s AND patient_id = %s",
        appointment_id,
        patient.patient_id,
    )
    if not own:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "no such appointment")


async def _store(parts: Parts, payment: Payment, charge: Charge, patient: User) -> str:
    payment_id = str(uuid.uuid4())
    await parts.database.rows(
        "INSERT INTO payments (id, appointment_id, amount_cents, currency, mode, status,"
        " gateway_reference, synthetic_tag) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        payment_id,
        payment.appointment_id,
        payment.amount_cents,
        payment.currency,
        payment.mode,
        charge.status,
        charge.reference,
        patient.synthetic_tag,
    )
    return payment_id

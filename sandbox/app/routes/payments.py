"""Appointments are paid, through the payment gateway in its test mode, and held as video calls."""

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
        parts.metrics.count("payments", "declined", synthetic=synthetic)
        response.status_code = _DECLINED
        return Paid(status="declined")
    payment_id = await _store(parts, payment, charge, patient)
    parts.metrics.count("payments", "succeeded", synthetic=synthetic)
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


class CallRequest(Body):
    """For which appointment."""

    appointment_id: str = Field(max_length=100)


class Call(Body):
    """The new call, as version 1.1 describes it."""

    id: str
    status: str


class CallWithAddress(Call):
    """The new call and where to join it: since version 1.2."""

    join_url: str


class ActiveCalls(Body):
    """Calls that run now; the deployment gate's own are counted apart."""

    active_calls: int = Field(alias="active_calls")
    synthetic_calls: int = Field(alias="synthetic_calls")


def make_router(*, with_address: bool) -> APIRouter:
    """Return the routes; only newer versions answer with the address to join."""
    router = APIRouter(tags=["video"])
    router.add_api_route(
        "/v1/video/calls",
        begin_with_address if with_address else begin,
        methods=["POST"],
        status_code=status.HTTP_201_CREATED,
    )
    router.add_api_route(
        "/v1/video/calls/{call_id}", end, methods=["DELETE"], status_code=status.HTTP_204_NO_CONTENT
    )
    router.add_api_route("/v1/metrics/active-calls", count_active, methods=["GET"])
    return router


async def begin(parts: PartsOfApp, patient: Patient, request: CallRequest) -> Call:
    """Initialise a video call for one of the patient's own appointments."""
    return Call(id=await _begin(parts, patient, request), status="initialised")


async def begin_with_address(
    parts: PartsOfApp, patient: Patient, request: CallRequest
) -> CallWithAddress:
    """Initialise a video call for one of the patient's own appointments."""
    call_id = await _begin(parts, patient, request)
    return CallWithAddress(
        id=call_id, status="initialised", join_url=f"https://video.example.org/join/{call_id}"
    )


async def _begin(parts: Parts, patient: User, request: CallRequest) -> str:
    synthetic = patient.synthetic_tag is not None
    if parts.faults.switches.video_refused:
        parts.metrics.count("video_calls", "refused", synthetic=synthetic)
        raise HTTPException(status.HTTP_409_CONFLICT, "no video call can be made now")
    await require_own_appointment(parts, patient, request.appointment_id)
    call_id = str(uuid.uuid4())
    await parts.database.rows(
        "INSERT INTO video_calls (id, appointment_id, status, synthetic_tag)"
        " VALUES (%s, %s, 'initialised', %s)",
        call_id,
        request.appointment_id,
        patient.synthetic_tag,
    )
    await parts.sessions.call_began(call_id, synthetic=synthetic)
    parts.metrics.count("video_calls", "initialised", synthetic=synthetic)
    return call_id


async def end(parts: PartsOfApp, patient: Patient, call_id: str) -> None:
    """End one of the patient's own calls."""
    ended = await parts.database.rows(
        "UPDATE video_calls c SET status = 'ended', ended_at = now() FROM appointments a"
        " WHERE c.id = %s AND c.status <> 'ended'"
        " AND a.id = c.appointment_id AND a.patient_id = %s RETURNING c.id",
        call_id,
        patient.patient_id,
    )
    if not ended:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "no such call")
    await parts.sessions.call_ended(call_id)
    switches, synthetic = parts.faults.switches, patient.synthetic_tag is not None
    broken_off = switches.calls_dropped or switches.appointments_interrupted
    call = "dropped" if switches.calls_dropped else "ended"
    parts.metrics.count("video_calls", call, synthetic=synthetic)
    appointment = "interrupted" if broken_off else "completed"
    parts.metrics.count("appointments_over", appointment, synthetic=synthetic)


async def count_active(parts: PartsOfApp) -> ActiveCalls:
    """Return how many calls run now."""
    real, synthetic = await parts.sessions.running_calls()
    return ActiveCalls(active_calls=real, synthetic_calls=synthetic)

"""Patients read their own record."""

import datetime as dt

from fastapi import APIRouter, HTTPException, status

from sandbox.app.parts import Body, PartsOfApp, Patient

router = APIRouter(tags=["patients"])


class PatientRecord(Body):
    """What the platform knows of a patient."""

    id: str
    name: str
    birth_date: dt.date | None
    region: str


@router.get("/v1/patients/{patient_id}")
async def read(parts: PartsOfApp, patient: Patient, patient_id: str) -> PatientRecord:
    """Return the patient's own record; anybody else's does not exist."""
    if patient_id not in {patient.patient_id, "me"}:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "no such patient")
    found = await parts.database.rows(
        "SELECT id, name, birth_date, region FROM patients WHERE id = %s", patient.patient_id
    )
    if not found:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "no such patient")
    return PatientRecord.model_validate(found[0])

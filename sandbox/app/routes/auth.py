"""Users register and sign in; patients read their own record."""

import asyncio
import datetime as dt
import hashlib
import hmac
import secrets
import uuid
from typing import Annotated, Literal

import psycopg
from fastapi import APIRouter, Header, HTTPException, status
from pydantic import Field, SecretStr

from sandbox.app.parts import Body, Parts, PartsOfApp, Patient, UnusableError
from sandbox.app.sessions import User

router = APIRouter(tags=["auth"])

# Printable ASCII but @: what a blank is differs between dialects of expressions.
_EMAIL = r"^[!-?A-~]{1,128}@[A-Za-z0-9.-]{1,190}\.[A-Za-z]{2,24}$"
_TAG = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$"
_SCRYPT_COST = 2**10  # small: a demonstration must not spend a second on each login
_SALT_BYTES = 16

SyntheticTag = Annotated[str | None, Header(alias="X-Synthetic-Tag", pattern=_TAG)]


class Registration(Body):
    """Who wants an account."""

    email: str = Field(pattern=_EMAIL)
    password: SecretStr = Field(min_length=8, max_length=200)
    role: Literal["patient", "provider"]


class Registered(Body):
    """The new account."""

    id: str


class Login(Body):
    """Who wants in."""

    email: str = Field(max_length=300)
    password: SecretStr = Field(max_length=200)


class LoggedIn(Body):
    """What opens the rest of the API."""

    token: str


@router.post("/v1/auth/register", status_code=status.HTTP_201_CREATED)
async def register(
    parts: PartsOfApp, registration: Registration, synthetic_tag: SyntheticTag = None
) -> Registered:
    """Make an account; a patient's account comes with a patient record."""
    if parts.faults.switches.registration_broken:
        raise UnusableError("email", "registration is closed")
    hashed = await asyncio.to_thread(_hash, registration.password)
    tag = synthetic_tag if _is_synthetic(parts, registration.email) else None
    try:
        user_id = await _store(parts, registration, hashed, tag)
    except psycopg.errors.UniqueViolation as exc:
        raise HTTPException(status.HTTP_409_CONFLICT, "this address has an account") from exc
    parts.metrics.count("registrations", synthetic=tag is not None)
    return Registered(id=user_id)


@router.post("/v1/auth/login")
async def login(parts: PartsOfApp, login: Login) -> LoggedIn:
    """Open a session for the right password."""
    found = await parts.database.rows(
        "SELECT u.id, u.role, u.password_hash, u.synthetic_tag, p.id AS patient_id"
        " FROM users u LEFT JOIN patients p ON p.user_id = u.id WHERE u.email = %s",
        login.email.lower(),
    )
    right = bool(found) and await asyncio.to_thread(
        _matches, login.password, found[0]["password_hash"]
    )
    if not right or parts.faults.switches.login_broken:
        raise HTTPException(status.HTTP_401_UNAUTHORIZED, "address and password do not match")
    row = found[0]
    user = User(row["id"], row["role"], row["patient_id"], row["synthetic_tag"])
    token = await parts.sessions.open_session(user)
    parts.metrics.count("logins", synthetic=user.synthetic_tag is not None)
    return LoggedIn(token=token)


def _is_synthetic(parts: Parts, email: str) -> bool:
    return email.lower().endswith(f"@{parts.config.synthetic.email_domain}")


async def _store(
    parts: Parts, registration: Registration, password_hash: str, tag: str | None
) -> str:
    user_id = str(uuid.uuid4())
    async with parts.database.transaction() as transaction:
        await transaction.rows(
            "INSERT INTO users (id, email, password_hash, role, synthetic_tag)"
            " VALUES (%s, %s, %s, %s, %s)",
            user_id,
            registration.email.lower(),
            password_hash,
            registration.role,
            tag,
        )
        if registration.role == "patient":
            await transaction.rows(
                "INSERT INTO patients (id, user_id, name, region, synthetic_tag)"
                " VALUES (%s, %s, 'New patient', %s, %s)",
                str(uuid.uuid4()),
                user_id,
                parts.config.region,
                tag,
            )
    return user_id


def _hash(password: SecretStr) -> str:
    salt = secrets.token_bytes(_SALT_BYTES)
    return f"{salt.hex()}${_scrypt(password, salt).hex()}"


def _matches(password: SecretStr, stored: str) -> bool:
    salt, _, expected = stored.partition("$")
    given = _scrypt(password, bytes.fromhex(salt)).hex()
    return hmac.compare_digest(given, expected)


def _scrypt(password: SecretStr, salt: bytes) -> bytes:
    given = password.get_secret_value().encode()
    return hashlib.scrypt(given, salt=salt, n=_SCRYPT_COST, r=8, p=1)


patients = APIRouter(tags=["patients"])


class PatientRecord(Body):
    """What the platform knows of a patient."""

    id: str
    name: str
    birth_date: dt.date | None
    region: str


@patients.get("/v1/patients/{patient_id}")
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

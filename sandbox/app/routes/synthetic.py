"""The deployment gate finds and removes its own records; nobody else's can be reached from here."""

import datetime as dt
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import Field

from sandbox.app.audit import Deed, request_id_of
from sandbox.app.parts import Body, OnlySyntheticToken, PartsOfApp

router = APIRouter(tags=["synthetic"], dependencies=[OnlySyntheticToken])

LISTED = "synthetic.records.listed"
_DELETED = "synthetic.records.deleted"
_TABLES = {
    "call": "video_calls",
    "payment": "payments",
    "appointment": "appointments",
    "patient": "patients",
    "user": "users",
}
"""By kind of record, in the order in which they can be deleted; a patient counts with its user."""
_EACH = " UNION ALL ".join(
    f"SELECT '{kind}' AS kind, id, synthetic_tag AS tag, created_at FROM {table}"  # noqa: S608 - our own names
    for kind, table in _TABLES.items()
    if kind != "patient"
)
_LIST = (
    f"SELECT kind, id, tag, created_at FROM ({_EACH}) AS records"  # noqa: S608 - as above
    " WHERE tag IS NOT NULL AND (%s::text IS NULL OR tag = %s) ORDER BY created_at"
)
_DELETE = "DELETE FROM {} WHERE synthetic_tag = %s RETURNING id"

Tag = Annotated[str, Query(min_length=1, max_length=100)]


class Record(Body):
    """One synthetic record."""

    kind: Literal["user", "appointment", "payment", "call"]
    id: str
    tag: str
    created_at: dt.datetime = Field(alias="created_at")


class Records(Body):
    """Synthetic records, oldest first."""

    records: tuple[Record, ...]


class Deleted(Body):
    """How many of the records that were listed are gone."""

    deleted: int


@router.get("/v1/synthetic/records")
async def list_records(parts: PartsOfApp, request: Request, tag: Tag | None = None) -> Records:
    """Return the records with this tag, or every synthetic record; the reading is logged."""
    deed = Deed(actor="release-gate", action=LISTED, request_id=request_id_of(request))
    await parts.audit.record(parts.database, deed)
    rows = await parts.database.rows(_LIST, tag, tag)
    return Records(records=tuple(Record.model_validate(row) for row in rows))


@router.delete("/v1/synthetic/records")
async def delete_records(parts: PartsOfApp, request: Request, tag: Tag) -> Deleted:
    """Delete every record with this tag, and the sessions of its users; the deletion is logged.

    A null tag equals nothing in SQL, so records of real users can never match.
    """
    deed = Deed(actor="release-gate", action=_DELETED, request_id=request_id_of(request))
    async with parts.database.transaction() as transaction:
        await parts.audit.record(transaction, deed)
        gone = {
            kind: await transaction.rows(_DELETE.format(table), tag)
            for kind, table in _TABLES.items()
        }
    await parts.sessions.forget_synthetic(tag, [call["id"] for call in gone["call"]])
    del gone["patient"]
    return Deleted(deleted=sum(map(len, gone.values())))

"""The audit service: shows the entries of the audit log, page by page, to who has the reading token."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.rows import dict_row
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request

from sandbox.core.standins import Facts, Login, State

_PAGE = 200
_SELECT = """
SELECT id::text, at, region, actor, action, target, old, new, request_id FROM audit.entries
WHERE at >= %(since)s AND id > %(cursor)s
  AND (%(action)s::text IS NULL OR action = %(action)s)
  AND (%(request_id)s::text IS NULL OR request_id = %(request_id)s)
ORDER BY entries.id LIMIT %(limit)s"""


class AuditState(State):
    """What the service shows; its entries are the database's."""

    status: int = 200


def make_app(admin_token: SecretStr, settings: Mapping[str, Any]) -> Starlette:
    """Return the application; `settings` hold the reading token and the login to the database."""
    facts = Facts(AuditState(), admin_token)

    async def entries(request: Request) -> Any:
        if facts.now.status != _OK:
            return {"error": "out of order"}, facts.now.status
        try:
            return _page(await _rows(settings["database"], _asked(request)))
        except ValueError:
            return {"error": "since and cursor can't be read"}, 400
        except psycopg.Error:
            return {"error": "the log can't be read now"}, 503

    login = Login(f"Bearer {settings['token']}", {"error": "a reading token is needed"})
    return facts.app({"GET /v1/audit": entries}, login)


_OK = 200


def _asked(request: Request) -> dict[str, Any]:
    """Return what is asked for; raises ValueError."""
    parameters = request.query_params
    since = dt.datetime.fromisoformat(parameters.get("since", ""))
    if since.tzinfo is None:
        raise ValueError("since has no zone")
    return {
        "since": since,
        "cursor": int(parameters.get("cursor", "0")),
        "action": parameters.get("action"),
        "request_id": parameters.get("request_id"),
        "limit": _PAGE,
    }


async def _rows(login: Mapping[str, Any], asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    connection = await psycopg.AsyncConnection.connect(
        **login, connect_timeout=2, autocommit=True, row_factory=dict_row
    )
    async with connection:
        cursor = await connection.execute(_SELECT, asked)
        return await cursor.fetchall()


def _page(found: list[dict[str, Any]]) -> dict[str, Any]:
    entries = [{**row, "at": row["at"].astimezone(dt.UTC).isoformat()} for row in found]
    more = found[-1]["id"] if len(found) == _PAGE else None
    return {"entries": entries, "next": more}

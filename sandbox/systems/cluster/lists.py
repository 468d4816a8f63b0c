"""How the API lists: selectors, pages with continue tokens, and errors as Status objects."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse, PlainTextResponse, Response

Json = dict[str, Any]

_REASONS = {410: "Expired", 500: "InternalError"}
"""Where it is not HTTP's own phrase."""
_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new "
    "list without the continue parameter, or use the continue token in this response to retrieve the "
    "remainder of the results. Continuing with the provided token results in an inconsistent list - objects "
    "that were created, modified, or deleted between the time the first chunk was returned and now may show "
    "up in the list."
)
_SET = re.compile(r"([\w./-]+)\s+(in|notin)\s+\(([^)]*)\)")
_EQUAL = re.compile(r"([\w./-]+?)\s*(!=|==|=)\s*([\w./-]*)")


_Term = tuple[str, str, frozenset[str]]
"""A key, how it is compared, and with what."""


class StatusError(Exception):
    """The API answers with a Status."""

    def __init__(
        self, code: int, message: str, *, details: Json | None = None, token: str = ""
    ) -> None:
        super().__init__(message)
        self.code = code
        self._details = {} if details is None else {"details": details}
        self._metadata = {"continue": token} if token else {}

    def answer(self) -> Response:
        """Return the answer."""
        status = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self._metadata,
            "status": "Failure",
            "message": str(self),
            "reason": _REASONS.get(self.code) or HTTPStatus(self.code).phrase.replace(" ", ""),
            **self._details,
            "code": self.code,
        }
        return JSONResponse(status, self.code)


class BusyError(StatusError):
    """Priority and fairness has no seat for a call: it answers in plain text, before any API does."""

    def __init__(self, wait_seconds: int) -> None:
        super().__init__(429, "Too many requests, please try again later.\n")
        self._wait = wait_seconds

    def answer(self) -> Response:
        """Return the answer."""
        return PlainTextResponse(str(self), self.code, {"Retry-After": str(self._wait)})


def selected(objects: list[Json], query: Mapping[str, str]) -> list[Json]:
    """Return the objects that labelSelector and fieldSelector choose; raises StatusError."""
    labels = _parsed(query.get("labelSelector", ""))
    fields = _parsed(query.get("fieldSelector", ""))
    return [
        one
        for one in objects
        if all(_holds(one["metadata"].get("labels", {}).get(term[0]), term) for term in labels)
        and all(_holds(_field(one, term[0]), term) for term in fields)
    ]


def _parsed(selector: str) -> list[_Term]:
    terms: list[_Term] = []
    for part in filter(None, re.split(r",(?![^(]*\))", selector)):
        term = part.strip()
        if found := _SET.fullmatch(term):
            values = frozenset(value.strip() for value in found[3].split(","))
            terms.append((found[1], found[2], values))
        elif found := _EQUAL.fullmatch(term):
            terms.append((found[1], "notin" if found[2] == "!=" else "in", frozenset({found[3]})))
        elif re.fullmatch(r"!?[\w./-]+", term):
            terms.append((term.lstrip("!"), "!" if term.startswith("!") else "exists", frozenset()))
        else:
            raise StatusError(400, f"unable to parse requirement: {term!r}")
    return terms


def _holds(value: str | None, term: _Term) -> bool:
    _, operator, values = term
    if operator == "in":
        return value in values
    if operator == "notin":
        return value not in values
    return (value is not None) == (operator == "exists")


def _field(one: Json, path: str) -> str | None:
    value: Any = one
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return None if value is None else str(value)


def page(
    objects: list[Json], query: Mapping[str, str], *, version: int, expired: bool
) -> tuple[list[Json], Json]:
    """Return one page and the list's metadata; raises StatusError 410 for an expired token."""
    start = 0
    if token := query.get("continue"):
        start = _start_of(token)
        if expired:
            raise StatusError(410, _EXPIRED, token=_token(-1, start))
    limit = int(query.get("limit") or 0)
    end = start + limit if limit else len(objects)
    metadata: Json = {"resourceVersion": str(version)}
    if end < len(objects):
        metadata["continue"] = _token(version, end)
        metadata["remainingItemCount"] = len(objects) - end
    return objects[start:end], metadata


def _token(version: int, start: int) -> str:
    text = json.dumps({"v": "meta.k8s.io/v1", "rv": version, "start": start})
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _start_of(token: str) -> int:
    try:
        padded = token + "=" * (-len(token) % 4)
        return int(json.loads(base64.urlsafe_b64decode(padded))["start"])
    except (binascii.Error, ValueError, KeyError, TypeError):
        raise StatusError(400, "continue key is not valid") from None

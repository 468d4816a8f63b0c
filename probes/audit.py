"""The audit probe: reads entries of a platform's audit log over HTTP, page by page.

The interface stands in docs/platform-contract.md. Of an entry only the fields below are read: whatever
else a platform writes into its log never enters the gate.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

from pydantic import SecretStr

from probes import api, http
from probes.http import HttpAnswer, HttpTarget, NotJsonError
from probes.observation import (
    Deadline,
    FailureKind,
    FoundError,
    Observation,
    PhaseClock,
    observed,
    unusable,
)

_MOST_PAGES: Final = 20
_REFUSALS: Final = {
    FailureKind.CREDENTIAL_REFUSED: "The audit log refused the gate's token; check audit.token.",
    FailureKind.FORBIDDEN: "The gate's token may not read the audit log.",
}


@dataclasses.dataclass(frozen=True, slots=True)
class AuditTarget:
    """An audit log: its address, path and the gate's token that may only read it."""

    base_url: str
    path: str
    token: SecretStr
    ca_file: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Query:
    """Which entries are asked for; times with zone."""

    since: dt.datetime
    action: str | None = None
    request_id: str | None = None

    def path(self, path: str, cursor: str | None) -> str:
        """Return the path of one page."""
        asked = {
            "since": self.since.astimezone(dt.UTC).isoformat(),
            "action": self.action,
            "request_id": self.request_id,
            "cursor": cursor,
        }
        return f"{path}?{urlencode({name: text for name, text in asked.items() if text})}"


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One entry: who did what to what, when, and what it was before and after."""

    id: str
    at: dt.datetime
    actor: str | None = dataclasses.field(repr=False)
    action: str
    target: str | None
    old: str | None = dataclasses.field(repr=False)
    new: str | None = dataclasses.field(repr=False)
    request_id: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class Entries:
    """The entries that matched, oldest first as the log has them."""

    entries: tuple[Entry, ...]
    pages: int

    def facts(self) -> Mapping[str, object]:
        """Return how many there are; what stands in them is for the check to show."""
        return {"entries": len(self.entries), "pages": self.pages}


def entries(target: AuditTarget, query: Query, *, deadline: Deadline) -> Observation[Entries]:
    """Read all pages of the entries that match; more than 20 pages are a failure."""
    server = HttpTarget(target.base_url, target.ca_file, http.bearer(target.token))

    def measured(clock: PhaseClock) -> Entries:
        found: list[Entry] = []
        cursor: str | None = None
        for page in range(1, _MOST_PAGES + 1):
            seen = http.got(clock, server, query.path(target.path, cursor), deadline=deadline)
            more, cursor = _page(seen.brought())
            found += more
            if cursor is None:
                # The same entry, to the letter and its id, may come twice: that is not a second one.
                return Entries(tuple(dict.fromkeys(found)), page)
        raise unusable(f"More than {_MOST_PAGES} pages of entries match; ask for a shorter time.")

    return observed("audit", http.asked(server, "GET", query.path(target.path, None)), measured)


def _page(answer: HttpAnswer) -> tuple[list[Entry], str | None]:
    if answer.status != HTTPStatus.OK:
        kind = api.kind_of_refusal(answer.status)
        said = _REFUSALS.get(kind, f"The audit log answered with status {answer.status}.")
        raise FoundError(kind, said)
    try:
        body = answer.json()
    except NotJsonError as exc:
        raise unusable(f"The audit log's answer: {exc}") from exc
    listed = body.get("entries") if isinstance(body, Mapping) else None
    if not isinstance(body, Mapping) or not isinstance(listed, list):
        raise unusable("The audit log's answer has no list named entries.")
    cursor = body.get("next")
    if cursor is not None and not (isinstance(cursor, str) and cursor):
        raise unusable("The audit log's answer names no usable next page.")
    return [_entry(fields) for fields in listed], cursor


def _entry(fields: object) -> Entry:
    if not isinstance(fields, Mapping):
        raise unusable("An entry of the audit log is not an object.")
    return Entry(
        id=_word(fields, "id"),
        at=_time(_word(fields, "at")),
        actor=_text(fields, "actor"),
        action=_word(fields, "action"),
        target=_text(fields, "target"),
        old=_text(fields, "old"),
        new=_text(fields, "new"),
        request_id=_text(fields, "request_id"),
    )


def _text(fields: Mapping[str, object], name: str) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise unusable(f"The field {name} of an entry of the audit log is not text.")
    return value


def _word(fields: Mapping[str, object], name: str) -> str:
    value = _text(fields, name)
    if not value:
        raise unusable(f"An entry of the audit log has no {name}.")
    return value


def _time(text: str) -> dt.datetime:
    try:
        at = dt.datetime.fromisoformat(text)
    except ValueError:
        raise unusable("The time of an entry of the audit log can't be read.") from None
    if at.tzinfo is None:
        raise unusable("The time of an entry of the audit log has no zone.")
    return at

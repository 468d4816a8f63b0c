"""Forges and trackers by one set of words: pipelines of a commit, requests to merge, bugs, page by page."""

from __future__ import annotations

import dataclasses
import enum
import re
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

from probes import api, http
from probes.http import HttpAnswer, HttpTarget
from probes.observation import (
    Deadline,
    FailureKind,
    FoundError,
    Observation,
    PhaseClock,
    V,
    observed,
    pause,
)

PAGE: Final = 100
"""The most that these servers give at once."""
MOST_PAGES: Final = 50
_NEXT: Final = re.compile(r'<([^<>]*)>\s*;[^,<]*\brel="?next\b')


class End(enum.StrEnum):
    """How a pipeline ended, in one set of words for all forges."""

    SUCCESS = "success"
    FAILURE = "failure"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    NEUTRAL = "neutral"
    UNFINISHED = "unfinished"
    UNKNOWN = "unknown"
    """A word that this gate does not know."""


@dataclasses.dataclass(frozen=True, slots=True)
class Pipeline:
    """What a forge ran, or was told of, for a commit: its last try."""

    name: str
    kind: str
    """Such as workflow, check or status."""
    end: End
    said: str
    """The forge's own word."""
    tries: int = 1
    """How many there were."""


@dataclasses.dataclass(frozen=True, slots=True)
class Pipelines:
    """All that ran for a commit."""

    each: tuple[Pipeline, ...]

    def facts(self) -> Mapping[str, object]:
        """Return how many ended how."""
        ends = [one.end.value for one in self.each]
        return {end: ends.count(end) for end in sorted(set(ends))}


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """A request to merge; its title and author never leave the forge."""

    number: int
    is_open: bool
    commits: tuple[str, ...] = ()
    """Of one that was merged: by any of them it is in a branch."""


@dataclasses.dataclass(frozen=True, slots=True)
class Requests:
    """Requests that have to do with a release."""

    into_branch: tuple[Request, ...]
    """Open ones that want to merge into the release's branch."""
    planned: tuple[Request, ...] | None
    """Those of its milestone; None where there is no such milestone."""

    def facts(self) -> Mapping[str, object]:
        """Return their numbers."""
        planned = None if self.planned is None else [one.number for one in self.planned]
        return {"into the branch": [one.number for one in self.into_branch], "planned": planned}


@dataclasses.dataclass(frozen=True, slots=True)
class Bugs:
    """Open bugs by the keys that people know them by; what they say never leaves the tracker."""

    keys: tuple[str, ...]
    unknown: tuple[str, ...] = ()
    """Labels by which they were asked for, and that the tracker does not have."""

    def facts(self) -> Mapping[str, object]:
        """Return the keys."""
        return {"open": list(self.keys), "unknown labels": list(self.unknown)}


@dataclasses.dataclass(frozen=True, slots=True)
class Rights:
    """What a token may do."""

    can_read: bool
    can_write: bool | None
    """None: the server does not say."""

    def facts(self) -> Mapping[str, object]:
        """Return both."""
        return {"can read": self.can_read, "can write": self.can_write}


@dataclasses.dataclass(frozen=True, slots=True)
class Verified:
    """What a forge says of a tag's signature."""

    is_valid: bool
    reason: str

    def facts(self) -> Mapping[str, object]:
        """Return both."""
        return {"valid": self.is_valid, "reason": self.reason}


class Reader:
    """Reads a server's lists page by page, all under one deadline."""

    def __init__(self, server: HttpTarget, deadline: Deadline, clock: PhaseClock) -> None:
        self._server, self._deadline, self._clock = server, deadline, clock

    def one(self, path: str) -> Mapping[str, object]:
        """Return an object; raises FoundError, UnusableAnswerError, NotJsonError."""
        return api.mapping(self._get(path).json(), "the answer")

    def there(self, path: str) -> bool:
        """Tell whether an address answers, or says that there is nothing of that name."""
        seen = self._ask(path)
        if seen.value is not None and seen.value.status == HTTPStatus.NOT_FOUND:
            return False
        return bool(api.good_answer(self._server, seen))

    def pages(
        self,
        path: str,
        query: Mapping[str, object],
        following: Callable[[HttpAnswer], str | None] | None = None,
    ) -> list[object]:
        """Return the JSON of every page; what `following` names next is asked for too."""
        pages: list[object] = []
        asked: str | None = f"{path}?{urlencode(query)}"
        while asked is not None:
            if len(pages) == MOST_PAGES:
                raise api.UnusableAnswerError(f"There are more than {MOST_PAGES} pages of {path}.")
            answer = self._get(asked)
            pages.append(answer.json())
            asked = (following or self._linked)(answer)
            if asked is None and following is None and _is_full(pages[-1]):
                # Something between may have left out which page is next; then the next one tells.
                asked = f"{path}?{urlencode({**query, 'page': len(pages) + 1})}"
        return pages

    def listed(self, path: str, **query: object) -> list[Mapping[str, object]]:
        """Return the objects of all pages of a list."""
        pages = self.pages(path, {"per_page": PAGE, **query})
        return [one for page in pages for one in api.mappings(page, "a page", "an entry")]

    def counted(self, path: str, key: str, **query: object) -> list[Mapping[str, object]]:
        """Return the objects below a key of all pages, as many as each page says that there are."""
        pages = [
            api.mapping(one, "a page") for one in self.pages(path, {"per_page": PAGE, **query})
        ]
        found = [one for page in pages for one in api.mappings(page.get(key), key, "an entry")]
        if any(page.get("total_count") != len(found) for page in pages):
            raise api.UnusableAnswerError(f"{path} does not have as many {key} as it says.")
        return found

    def _linked(self, answer: HttpAnswer) -> str | None:
        """Return the path of the next page (RFC 8288); the token goes to no other server."""
        link = _NEXT.search(answer.headers.get("link", ""))
        if link is None:
            return None
        base = self._server.base_url.rstrip("/")
        if not link[1].startswith(f"{base}/"):
            raise api.UnusableAnswerError("The next page is said to be on another server.")
        return link[1].removeprefix(base)

    def _ask(self, path: str) -> Observation[HttpAnswer]:
        most, deadline = api.MAX_ANSWER_BYTES, self._deadline
        return http.got(self._clock, self._server, path, deadline=deadline, max_bytes=most)

    def _get(self, path: str) -> HttpAnswer:
        seen = self._ask(path)
        wait = None if seen.value is None else seen.value.retry_after_seconds
        if wait is not None and wait < self._deadline.remaining_seconds():
            # It says when it has room again: one more ask, where there is time for it.
            pause(wait)
            seen = self._ask(path)
        return api.good_answer(self._server, seen)


def _is_full(page: object) -> bool:
    """Tell whether a page of a list may not be the last one."""
    return isinstance(page, list) and len(page) >= PAGE


def read(
    server: HttpTarget, what: str, parse: Callable[[Reader], V], *, deadline: Deadline
) -> Observation[V]:
    """Return what is read of a server; never raises for the server's doing."""
    where = f"{server.base_url} {what}"

    def measured(clock: PhaseClock) -> V:
        return parse(Reader(server, deadline, clock))

    return observed("forge", where, measured, api.unusable(server.host))


def last_tries(entries: Iterable[tuple[object, Pipeline]]) -> tuple[Pipeline, ...]:
    """Return the last try of each thing, which knows how many there were; the oldest come first."""
    last: dict[object, Pipeline] = {}
    for same, one in entries:
        before = last[same].tries if same in last else 0
        last[same] = dataclasses.replace(one, tries=before + one.tries)
    return tuple(last.values())


def of_commit(entries: Iterable[Mapping[str, object]], key: str, commit: str) -> None:
    """Refuse an answer about another commit; raises FoundError."""
    for one in entries:
        if one.get(key) != commit:
            detail = f"The forge answered about another commit than {commit}."
            raise FoundError(FailureKind.UNUSABLE_ANSWER, detail)


def number(entry: Mapping[str, object], key: str, what: str = "") -> int:
    """Return a whole number below a key; raises UnusableAnswerError naming what it should have been."""
    value = entry.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise api.UnusableAnswerError(f"{what or key} is not a whole number.")
    return value

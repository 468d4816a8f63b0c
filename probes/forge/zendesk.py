"""Zendesk's Search API: how many tickets with some tags were written since a time; never what they say."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import urlencode

from pydantic import SecretStr

from probes import api
from probes.forge import PAGE, Reader, number, read
from probes.http import HeaderValue, HttpAnswer, HttpTarget
from probes.observation import Deadline, Observation
from probes.prometheus.answers import read_time

_SEARCH: Final = "/api/v2/search.json"
_MOST: Final = 1_000
"""No search gives more; the first thousand say enough."""


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """Which tickets are meant."""

    tags: Sequence[str]
    """A ticket with any of these."""
    without: Sequence[str]
    """And with none of these."""
    since: dt.datetime
    alive_since: dt.datetime
    """Some ticket of any kind has to be younger, or the desk gets none any more."""


@dataclasses.dataclass(frozen=True, slots=True)
class Tickets:
    """When each of them was written; whose they are and what they say never leaves the desk."""

    written: tuple[dt.datetime, ...]
    """The oldest first; each ticket once."""
    unused: tuple[str, ...]
    """Tags that no ticket ever carried."""
    alive: bool

    def facts(self) -> Mapping[str, object]:
        """Return how many there are, and what may hide others."""
        return {
            "tickets": len(self.written),
            "unused tags": list(self.unused),
            "alive": self.alive,
        }


def target(url: str, user: str, token: SecretStr, ca_file: str | None = None) -> HttpTarget:
    """Return the desk with an agent's API token."""
    login = base64.b64encode(f"{user}/token:{token.get_secret_value()}".encode()).decode()
    headers: dict[str, HeaderValue] = {"Authorization": SecretStr(f"Basic {login}")}
    return HttpTarget(url.rstrip("/"), ca_file, headers)


def tickets(server: HttpTarget, wanted: Wanted, *, deadline: Deadline) -> Observation[Tickets]:
    """Read which tickets there are; the index of searches lags some minutes behind what is written."""

    def parse(reader: Reader) -> Tickets:
        found = {
            key: at for tag in wanted.tags for key, at in _written(reader, tag, wanted).items()
        }
        unused = [tag for tag in wanted.tags if not _count(reader, f"tags:{tag}")]
        alive = _count(reader, f"created>={_time(wanted.alive_since)}") > 0
        return Tickets(tuple(sorted(found.values())), tuple(unused), alive)

    return read(server, "tickets", parse, deadline=deadline)


def _count(reader: Reader, query: str) -> int:
    asked = urlencode({"query": f"type:ticket {query}"})
    return number(reader.one(f"/api/v2/search/count.json?{asked}").get("count"), "count")


def _written(reader: Reader, tag: str, wanted: Wanted) -> dict[int, dt.datetime]:
    """Return when each ticket with a tag was written, by its number."""
    base, pages = f"type:ticket tags:{tag} created>={_time(wanted.since)}", 0
    query = " ".join((base, *(f"-tags:{one}" for one in wanted.without)))
    asked = {"query": query, "sort_by": "created_at", "sort_order": "asc", "per_page": PAGE}

    def following(answer: HttpAnswer) -> str | None:
        nonlocal pages
        pages += 1
        more = api.mapping(answer.json(), "a page").get("next_page")
        # The address that it names may be another server's; the token goes to none.
        whole = more is None or pages * PAGE >= _MOST
        return None if whole else f"{_SEARCH}?{urlencode({**asked, 'page': pages + 1})}"

    read_pages = [api.mapping(one, "a page") for one in reader.pages(_SEARCH, asked, following)]
    found = [one for page in read_pages for one in _tickets(page)]
    there = {number(page.get("count"), "count") for page in read_pages}
    if there != {len(found)} and len(found) < _MOST:
        raise api.UnusableAnswerError("The search does not have as many tickets as it says.")
    left_out = set(wanted.without)
    # A server that does not know a part of the query gives more than was asked for.
    return {
        key: at
        for key, at, tags in found
        if at >= wanted.since and tag in tags and not left_out & tags
    }


def _tickets(page: Mapping[str, object]) -> Iterator[tuple[int, dt.datetime, frozenset[str]]]:
    for one in api.mappings(page.get("results"), "results", "a ticket"):
        tags = api.sequence(one.get("tags"), "a ticket's tags")
        written = read_time(one.get("created_at"), "created_at")
        yield number(one.get("id"), "a ticket's id"), written, frozenset(map(str, tags))


def _time(moment: dt.datetime) -> str:
    return f"{moment.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"

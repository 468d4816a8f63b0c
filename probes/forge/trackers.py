"""Where people report what is wrong: bugs in Jira Cloud, tickets in Zendesk; never what they say."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import quote, urlencode

from pydantic import SecretStr

from probes import api
from probes.forge import PAGE, Bugs, Reader, Rights, number, read
from probes.http import HeaderValue, HttpAnswer, HttpTarget
from probes.observation import Deadline, Observation

_JQL_SEARCH = "/rest/api/3/search/jql"


def _login(user: str, token: SecretStr) -> dict[str, HeaderValue]:
    login = base64.b64encode(f"{user}:{token.get_secret_value()}".encode()).decode()
    return {"Authorization": SecretStr(f"Basic {login}")}


@dataclasses.dataclass(frozen=True, slots=True)
class Jira:
    """A project on Jira, with the gate's account."""

    server: HttpTarget
    project: str

    @classmethod
    def of(cls, url: str, project: str, user: str, token: SecretStr, ca_file: str | None) -> Jira:
        """Return the project of a key."""
        headers = {"Accept": "application/json", **_login(user, token)}
        return cls(HttpTarget(url, ca_file, headers), project)

    @property
    def _path(self) -> str:
        return f"/rest/api/3/project/{quote(self.project, safe='')}"

    def bugs(self, clauses: Iterable[str], *, deadline: Deadline) -> Observation[Bugs]:
        """Read issues of the project that are not done and fit any of some clauses of JQL."""

        def parse(reader: Reader) -> Bugs:
            # Of a project that the account may not see, a search says that it has no issues.
            reader.one(self._path)
            return Bugs(tuple(sorted({key for one in clauses for key in self._open(reader, one)})))

        return read(self.server, f"open bugs of {self.project}", parse, deadline=deadline)

    def _open(self, reader: Reader, clause: str) -> list[str]:
        jql = f'project = "{self.project}" AND statusCategory != Done AND ({clause})'
        asked = {"jql": jql, "fields": "key", "maxResults": PAGE}

        def following(answer: HttpAnswer) -> str | None:
            page = api.mapping(answer.json(), "a page")
            token = page.get("nextPageToken")
            if token is None and page.get("isLast") is not True:
                raise api.UnusableAnswerError("A page is neither the last nor names the next one.")
            if token is None:
                return None
            return f"{_JQL_SEARCH}?{urlencode({**asked, 'nextPageToken': token})}"

        pages = reader.pages(_JQL_SEARCH, asked, following)
        issues = [
            api.mappings(api.mapping(one, "a page").get("issues"), "issues", "an issue")
            for one in pages
        ]
        return [api.text(issue.get("key"), "an issue's key") for page in issues for issue in page]

    def rights(self, *, deadline: Deadline) -> Observation[Rights]:
        """Read what the account may do in the project."""

        def parse(reader: Reader) -> Rights:
            asked = {"projectKey": self.project, "permissions": "BROWSE_PROJECTS,EDIT_ISSUES"}
            answer = reader.one(f"/rest/api/3/mypermissions?{urlencode(asked)}")
            may = api.mapping(answer.get("permissions"), "permissions")
            browse, edit = (
                api.mapping(may.get(name), name).get("havePermission") is True
                for name in ("BROWSE_PROJECTS", "EDIT_ISSUES")
            )
            return Rights(can_read=browse, can_write=edit)

        return read(self.server, self.project, parse, deadline=deadline)


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
    return HttpTarget(url.rstrip("/"), ca_file, _login(f"{user}/token", token))


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
    return number(reader.one(f"/api/v2/search/count.json?{asked}"), "count")


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
    there = {number(page, "count") for page in read_pages}
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
        written = api.time(one.get("created_at"), "created_at")
        yield number(one, "id", "a ticket's id"), written, frozenset(map(str, tags))


def _time(moment: dt.datetime) -> str:
    return f"{moment.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"

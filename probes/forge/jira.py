"""Jira Cloud's REST API: open bugs of a project."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Iterable
from urllib.parse import quote, urlencode

from pydantic import SecretStr

from probes import api
from probes.forge import PAGE, Bugs, Reader, Rights, read
from probes.http import HeaderValue, HttpAnswer, HttpTarget
from probes.observation import Deadline, Observation

_SEARCH = "/rest/api/3/search/jql"


@dataclasses.dataclass(frozen=True, slots=True)
class Jira:
    """A project on Jira, with the gate's account."""

    server: HttpTarget
    project: str

    @classmethod
    def of(cls, url: str, project: str, user: str, token: SecretStr, ca_file: str | None) -> Jira:
        """Return the project of a key."""
        login = base64.b64encode(f"{user}:{token.get_secret_value()}".encode()).decode()
        headers: dict[str, HeaderValue] = {
            "Accept": "application/json",
            "Authorization": SecretStr(f"Basic {login}"),
        }
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
            return f"{_SEARCH}?{urlencode({**asked, 'nextPageToken': token})}"

        pages = reader.pages(_SEARCH, asked, following)
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

"""GitHub's REST API (pipelines and pull requests of a repository), Jira's (bugs), and what staging serves."""

from __future__ import annotations

import base64
import hmac
import json
import re
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

from sandbox.core import CHECKOUT
from sandbox.core.layout import RELEASE
from sandbox.core.standins import Facts, Login, State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pydantic import SecretStr
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

PROJECT = "unified-health/platform"
TRACKED = "UH"
TRACKER_USER = "gate@unifiedhealth.example"
REQUIRED = ("CI", "unit tests", "security/scan")
_OWNER = {"login": "unified-health", "id": 1, "type": "Organization"}
_AT = "2026-01-29T15:20:00Z"


_WORKFLOWS: dict[str, str | None] = {"CI": "success"}
_CHECKS: dict[str, str | None] = dict.fromkeys(("unit tests", "build", "lint"), "success")
_STATUSES: dict[str, str | None] = {"security/scan": "success"}
_PLANNED = {41: "merged", 40: "closed"}
_BUGS = {f"{TRACKED}-{number}": "Low" for number in (7, 8, 9)}


class ForgeState(State):
    """A repository on GitHub."""

    commit: str = ""
    """The release's, of which all of these are; without one nothing has run yet."""
    merged: str = ""
    """What pull request 41 became."""
    workflows: dict[str, str | None] = _WORKFLOWS
    """Name → conclusion, None while it runs; so in both that follow."""
    checks: dict[str, str | None] = _CHECKS
    statuses: dict[str, str | None] = _STATUSES
    failed_before: tuple[str, ...] = ()
    """Names of those that failed at first and were run again."""
    waiting: tuple[int, ...] = ()
    """Open pull requests into the release's branch."""
    planned: dict[int, str] | None = _PLANNED
    """Pull request of the release's milestone → merged, closed or open; None: no milestone."""
    may_write: bool = False
    page: int = 2
    """The most entries of one answer: small, so that every reader has to turn pages."""


class _Token(Login):
    """GitHub takes a token by both words."""

    def fits(self, request: Request) -> bool:
        """Tell whether a request carries it."""
        given = (
            request.headers.get("Authorization", "").removeprefix("token ").removeprefix("Bearer ")
        )
        return hmac.compare_digest(given.encode(), self.authorization.encode())


def forge(admin_token: SecretStr, settings: Mapping[str, Any]) -> Starlette:
    """Return GitHub; `settings` hold the gate's token."""
    facts = Facts(ForgeState(), admin_token)
    api = f"/repos/{PROJECT}"

    def of(make: Callable[[ForgeState, Request], Any], key: str = "") -> Any:
        async def answer(request: Request) -> Any:
            made = make(facts.now, request)
            return _page(request, made, facts.now.page, key) if isinstance(made, list) else made

        return answer

    routes = {
        f"GET {api}": of(_repository),
        f"GET {api}/actions/runs": of(_workflow_runs, "workflow_runs"),
        f"GET {api}/commits/{{sha}}/check-runs": of(_check_runs, "check_runs"),
        f"GET {api}/commits/{{sha}}/statuses": of(_statuses),
        f"GET {api}/pulls": of(_waiting),
        f"GET {api}/pulls/{{number:int}}": of(_pull),
        f"GET {api}/milestones": of(_milestones),
        f"GET {api}/issues": of(_planned),
    }
    refusal = {"message": "Bad credentials", "documentation_url": "https://docs.github.com/rest"}
    return facts.app(routes, _Token(settings["token"], refusal))


def _page(request: Request, found: Sequence[Any], most: int, key: str) -> Response:
    number, size = int(request.query_params.get("page", "1")), min(most, 100)
    last = max(1, -(-len(found) // size))
    entries = found[(number - 1) * size : number * size]
    linked = {"next": number + 1, "last": last} if number < last else {"first": 1}
    link = ", ".join(
        f'<{request.url.include_query_params(page=page)}>; rel="{name}"'
        for name, page in linked.items()
    )
    body = {"total_count": len(found), key: entries} if key else entries
    return JSONResponse(body, headers={"Link": link})


def _repository(state: ForgeState, _: Request) -> Any:
    may = {"pull": True, "push": state.may_write, "admin": False}
    name = PROJECT.rpartition("/")[2]
    return {"id": 7, "name": name, "full_name": PROJECT, "owner": _OWNER, "permissions": may}


def _ended(conclusion: str | None) -> dict[str, Any]:
    status = "in_progress" if conclusion is None else "completed"
    return {"status": status, "conclusion": conclusion}


def _of_commit(state: ForgeState, sha: str | None) -> bool:
    return bool(state.commit) and sha == state.commit


def _workflow_runs(state: ForgeState, request: Request) -> Any:
    there = _of_commit(state, request.query_params.get("head_sha"))
    return [
        {
            "id": 9000 + number,
            "name": name,
            "head_branch": f"release/v{RELEASE}",
            "head_sha": state.commit,
            "path": ".github/workflows/ci.yml",
            "run_number": 562,
            "event": "push",
            "workflow_id": 159 + number,
            "created_at": _AT,
            "updated_at": _AT,
            "run_attempt": 1 + (name in state.failed_before),
            **_ended(conclusion),
        }
        for number, (name, conclusion) in enumerate(state.workflows.items() if there else ())
    ]


def _check_runs(state: ForgeState, request: Request) -> Any:
    there = _of_commit(state, request.path_params["sha"])
    runs = [(name, end) for name, end in state.checks.items() if there]
    every = request.query_params.get("filter") == "all"
    before = [(name, "failure") for name, _ in runs if every and name in state.failed_before]
    return [
        {
            "id": number,
            "head_sha": state.commit,
            "name": name,
            "started_at": _AT,
            "completed_at": _AT,
            "check_suite": {"id": 5},
            "app": {"id": 1, "slug": "actions"},
            **_ended(conclusion),
        }
        for number, (name, conclusion) in enumerate([*before, *runs])
    ][::-1]


def _statuses(state: ForgeState, request: Request) -> Any:
    there = _of_commit(state, request.path_params["sha"])
    runs = [(name, end) for name, end in state.statuses.items() if there]
    before = [(name, "failure") for name, _ in runs if name in state.failed_before]
    pending = [(name, "pending") for name, _ in runs]
    ends = [(name, end) for name, end in runs if end is not None]
    return [
        {"id": number, "context": name, "state": end, "created_at": _AT, "updated_at": _AT}
        for number, (name, end) in enumerate([*before, *pending, *ends])
    ][::-1]


def _waiting(state: ForgeState, request: Request) -> Any:
    ours = request.query_params.get("base") == f"release/v{RELEASE}"
    return [_pull_of(state, number, "open") for number in state.waiting if ours]


def _pull(state: ForgeState, request: Request) -> Any:
    number = request.path_params["number"]
    how = (state.planned or {}).get(number)
    return ({"message": "Not Found"}, 404) if how is None else _pull_of(state, number, how)


def _pull_of(state: ForgeState, number: int, how: str) -> dict[str, Any]:
    merged = how == "merged"
    return {
        "id": number,
        "number": number,
        "state": "open" if how == "open" else "closed",
        "title": f"Change {number}",
        "user": _OWNER,
        "merged_at": _AT if merged else None,
        "merge_commit_sha": state.merged if merged else None,
        "base": {"ref": f"release/v{RELEASE}", "sha": state.commit},
    }


def _milestones(state: ForgeState, _: Request) -> Any:
    titles = ["v1.0.0", "v1.1.0", *([f"v{RELEASE}"] if state.planned is not None else [])]
    return [{"id": n, "number": n, "title": title} for n, title in enumerate(titles, start=1)]


def _planned(state: ForgeState, request: Request) -> Any:
    ours = request.query_params.get("milestone") == "3"
    return [
        {**_pull_of(state, number, how), "pull_request": {"merged_at": None}}
        for number, how in (state.planned or {}).items()
        if ours
    ]


class JiraState(State):
    """A project on Jira."""

    bugs: dict[str, str] = _BUGS
    """Key → priority, of those that are open."""
    visible: bool = True
    page: int = 2


_JQL = re.compile(r'project = "(\w+)" AND statusCategory != Done AND \(priority = (\w+)\)')


def jira(admin_token: SecretStr, settings: Mapping[str, Any]) -> Starlette:
    """Return Jira Cloud; `settings` hold the token of the gate's account."""
    facts = Facts(JiraState(), admin_token)

    async def project(request: Request) -> Any:
        if request.path_params["key"] != TRACKED or not facts.now.visible:
            return {
                "errorMessages": ["No project could be found with that key."],
                "errors": {},
            }, 404
        return {"id": "10000", "key": TRACKED, "name": "Unified Health"}

    async def search(request: Request) -> Any:
        asked = request.query_params
        query = _JQL.fullmatch(asked.get("jql", ""))
        if query is None:
            return {"errorMessages": ["Error in the JQL Query."], "errors": {}}, 400
        shown = facts.now.bugs.items() if facts.now.visible and query[1] == TRACKED else ()
        keys = [key for key, priority in shown if priority == query[2]]
        begins = int(asked.get("nextPageToken", "0"))
        ends = begins + facts.now.page
        issues = [{"id": key, "key": key, "fields": {}} for key in keys[begins:ends]]
        more = {"nextPageToken": str(ends)} if ends < len(keys) else {}
        return {"issues": issues, "isLast": not more, **more}

    async def permissions(_: Request) -> Any:
        has = {"BROWSE_PROJECTS": facts.now.visible, "EDIT_ISSUES": False}
        return {
            "permissions": {name: {"key": name, "havePermission": may} for name, may in has.items()}
        }

    login = base64.b64encode(f"{TRACKER_USER}:{settings['token']}".encode()).decode()
    routes = {
        "GET /rest/api/3/project/{key}": project,
        "GET /rest/api/3/search/jql": search,
        "GET /rest/api/3/field": _fields,
        "GET /rest/api/3/serverInfo": _about,
        "GET /rest/api/3/mypermissions": permissions,
    }
    refusal = {"message": "Client must be authenticated to access this resource."}
    return facts.app(routes, Login(f"Basic {login}", refusal))


async def _fields(_: Request) -> Any:
    return [{"id": "issuekey", "key": "issuekey", "name": "Key", "clauseNames": ["key"]}]


async def _about(request: Request) -> Any:
    numbers = {"version": "1001.0.0", "versionNumbers": [1001, 0, 0]}
    return {"baseUrl": str(request.base_url), "deploymentType": "Cloud", **numbers}


class StagingState(State):
    """What staging serves."""

    version: str = RELEASE
    """Whose API document."""
    lacks: str | None = None
    """A path that it does not have."""


def staging(admin_token: SecretStr, _: Mapping[str, Any]) -> Starlette:
    """Return staging, as far as it shows its API's document."""
    facts = Facts(StagingState(), admin_token)

    async def document(_: Request) -> Any:
        file = CHECKOUT / "contract" / "openapi" / f"v{facts.now.version}.json"
        found = json.loads(file.read_bytes())
        found["paths"].pop(facts.now.lacks, None)
        return found | {"servers": [{"url": "https://staging.unifiedhealth.example"}]}

    return facts.app({"GET /openapi.json": document})

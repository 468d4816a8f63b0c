"""Forges by their own recorded examples, and by what no example shows: pages, other servers and commits."""

from __future__ import annotations

import json
import pathlib
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from email.message import Message
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr

from probes.forge import PAGE, End, Pipeline, Request, Rights, Verified
from probes.forge.repositories import GitHub, GitLab
from probes.forge.trackers import Jira
from probes.observation import Deadline, FailureKind
from tests.probes.servers import Behaviour, answer, brought, failed, serving
from tests.steps.json_server import json_server
from tests.tables import cases

EXAMPLES: Mapping[str, Any] = json.loads(
    (pathlib.Path(__file__).parent / "forge_examples.json").read_bytes()
)
COMMIT = "acb5820ced9479c074f688cc328bf03f341a511d"
GITHUB = {
    r"/actions/runs": "runs",
    r"/commits/\w+/check-runs": "check-runs",
    r"/commits/\w+/statuses": "statuses",
    r"/pulls": "pulls",
    r"/pulls/\d+": "pull",
    r"/milestones": "milestones",
    r"/issues": "issues",
    r"/labels/bug": "label",
    r"/git/tags/\w+": "tag",
    r"": "repository",
}


def soon() -> Deadline:
    return Deadline.after(10)


def answer_of(kind: str, known: Mapping[str, str], path: str, base: str) -> tuple[int, object]:
    for pattern, name in known.items():
        if re.fullmatch(re.escape(base) + pattern, urlsplit(path).path):
            return 200, EXAMPLES[kind][name]
    return 404, {"message": "Not Found"}


def by_path(answers: Callable[[str], tuple[int, object]]) -> AbstractContextManager[str]:
    return json_server(lambda _, path, __, ___: answers(path))


@pytest.fixture(scope="module")
def github() -> Iterator[GitHub]:
    def answers(_: str, path: str, headers: Message, __: bytes) -> tuple[int, object]:
        assert headers["Authorization"] == "Bearer sentinel-token"
        assert headers["X-GitHub-Api-Version"] == "2022-11-28"
        status, found = answer_of("github", GITHUB, path, "/repos/octocat/Hello-World")
        # The examples are of different commits.
        return status, json.loads(
            re.sub(r'"head_sha": "\w+"', f'"head_sha": "{COMMIT}"', json.dumps(found))
        )

    with json_server(answers) as url:
        yield GitHub.of(url, "octocat/Hello-World", SecretStr("sentinel-token"), None)


def test_githubs_own_examples_are_read(github: GitHub) -> None:
    found = brought(github.pipelines(COMMIT, deadline=soon())).each
    assert found == (
        Pipeline("Build", "workflow", End.UNFINISHED, "queued"),
        Pipeline("mighty_readme", "check", End.NEUTRAL, "neutral"),
        Pipeline("continuous-integration/jenkins", "status", End.SUCCESS, "success"),
    )
    requests = brought(github.requests("master", "v1.0", deadline=soon()))
    open_one = Request(1347, is_open=True)
    assert (requests.into_branch, requests.planned) == ((open_one,), (open_one,))
    assert brought(github.requests("master", "v9", deadline=soon())).planned is None
    signature = brought(github.tag_signature("940bd336", deadline=soon()))
    assert signature == Verified(is_valid=False, reason="unsigned")
    assert brought(github.rights(deadline=soon())) == Rights(can_read=True, can_write=False)


def test_githubs_own_issue_is_a_pull_request_and_no_bug(github: GitHub) -> None:
    bugs = brought(github.bugs(("bug", "critical"), deadline=soon()))
    assert (bugs.keys, bugs.unknown) == ((), ("critical",))


def test_a_status_is_one_try_from_pending_to_its_end() -> None:
    states = ["success", "pending", "failure", "pending"]

    def answers(path: str) -> tuple[int, object]:
        if path.partition("?")[0].endswith("/statuses"):
            listed = [
                {"id": len(states) - number, "context": "ci", "state": state}
                for number, state in enumerate(states)
            ]
            return 200, listed
        return 200, {"total_count": 0, "workflow_runs": [], "check_runs": []}

    with by_path(answers) as url:
        forge = GitHub.of(url, "a/b", None, None)
        (status,) = brought(forge.pipelines(COMMIT, deadline=soon())).each
    assert status == Pipeline("ci", "status", End.SUCCESS, "success", tries=2)


@cases(
    "body kind",
    {
        "about another commit": (EXAMPLES["github"]["check-runs"], FailureKind.UNUSABLE_ANSWER),
        "fewer than it says": ({"total_count": 2, "check_runs": []}, FailureKind.UNUSABLE_ANSWER),
        "no list": ({"total_count": 0, "check_runs": None}, FailureKind.UNUSABLE_ANSWER),
        "a page in HTML": (b"<html></html>", FailureKind.UNUSABLE_ANSWER),
    },
)
def test_what_is_no_answer_about_the_commit_is_none(body: Any, kind: FailureKind) -> None:
    def answers(path: str) -> tuple[int, object]:
        runs = {"total_count": 0, "workflow_runs": []}
        return 200, body if "check-runs" in path else runs if "actions" in path else []

    with by_path(answers) as url:
        failed(GitHub.of(url, "a/b", None, None).pipelines(COMMIT, deadline=soon()), kind)


def linked(elsewhere: str) -> Behaviour:
    """Give pages without end, the next one at this address or at our own."""

    def behave(connection: socket.socket, over: threading.Event) -> None:
        asked = connection.recv(65536, socket.MSG_PEEK).decode()
        page = re.search(r"[?&]page=(\d+)", asked)
        host = re.search(r"(?i)^host: (.+)\r$", asked, re.MULTILINE)
        base, number = elsewhere or f"http://{host and host[1]}", int(page[1]) if page else 1
        following = f'<{base}/repos/a/b/pulls?page={number + 1}>; rel="next"'
        answer(b"[]", headers={"Link": following})(connection, over)

    return behave


@cases(
    "elsewhere words",
    {
        "the next page is elsewhere": ("http://evil.example", "said to be on another server"),
        "pages never end": ("", "more than 50 pages"),
    },
)
def test_a_token_goes_nowhere_else_and_pages_have_an_end(elsewhere: str, words: str) -> None:
    with serving(linked(elsewhere)) as server:
        forge = GitHub.of(server.url, "a/b", None, None)
        observed = forge.requests("main", "v1", deadline=soon())
    assert words in failed(observed, FailureKind.UNUSABLE_ANSWER).detail


def test_a_full_page_is_not_the_last_one_where_nobody_says_which_is_next() -> None:
    """What stands between gate and forge may leave the header out."""

    def answers(path: str) -> tuple[int, object]:
        page = int(parse_qs(urlsplit(path).query).get("page", ["1"])[0])
        waiting = [{"number": number} for number in range(PAGE + 1)]
        return 200, [] if "milestones" in path else waiting[(page - 1) * PAGE : page * PAGE]

    with by_path(answers) as url:
        found = brought(GitHub.of(url, "a/b", None, None).requests("main", "v1", deadline=soon()))
    assert len(found.into_branch) == PAGE + 1


GITLAB = {
    r"/pipelines": "pipelines",
    r"/pipelines/\d+/jobs": "jobs",
    r"/merge_requests": "merge_requests",
    r"/milestones": "milestones",
}
OF_GITLAB = EXAMPLES["gitlab"]["pipelines"][0]["sha"]


def test_gitlabs_own_examples_are_read() -> None:
    def answers(path: str) -> tuple[int, object]:
        if "source=parent_pipeline" in path or ("milestones" in path and "title=10.0" not in path):
            return 200, []
        return answer_of("gitlab", GITLAB, path, "/projects/a%2Fb")

    with by_path(answers) as url:
        forge = GitLab.of(url, "a/b", None, None)
        assert brought(forge.pipelines(OF_GITLAB, deadline=soon())).each == (
            Pipeline("Build pipeline", "pipeline", End.UNFINISHED, "pending"),
            Pipeline("rspec:other", "job", End.FAILURE, "failed"),
            Pipeline("teaspoon", "job", End.FAILURE, "failed"),
        )
        found = brought(forge.requests("master", "10.0", deadline=soon()))
        assert found.planned == (Request(1, is_open=False, commits=("8" * 40,)),)
        assert brought(forge.requests("master", "11.0", deadline=soon())).planned is None


def test_a_job_that_may_fail_is_not_green_and_one_that_was_retried_tells() -> None:
    jobs = [
        {"id": 3, "name": "unit", "status": "success", "ref": "main"},
        {"id": 2, "name": "lint", "status": "failed", "ref": "main", "allow_failure": True},
        {"id": 1, "name": "unit", "status": "failed", "ref": "main"},
    ]

    def answers(path: str) -> tuple[int, object]:
        return 200, jobs if "/jobs" in path else [] if "parent" in path else EXAMPLES["gitlab"][
            "pipelines"
        ]

    with by_path(answers) as url:
        found = brought(GitLab.of(url, "a/b", None, None).pipelines(OF_GITLAB, deadline=soon()))
    unit, lint = found.each[1:]
    assert (unit.end, unit.tries) == (End.SUCCESS, 2)
    assert lint.end is End.NEUTRAL


def test_a_page_of_jiras_that_is_neither_last_nor_followed_is_not_the_end() -> None:
    def answers(path: str) -> tuple[int, object]:
        return 200, {"issues": []} if "search" in path else {"key": "UH"}

    with by_path(answers) as url:
        tracker = Jira.of(url, "UH", "gate@clinic.example", SecretStr("sentinel-token"), None)
        failed(tracker.bugs(("priority = High",), deadline=soon()), FailureKind.UNUSABLE_ANSWER)

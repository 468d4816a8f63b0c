"""The REST APIs of GitHub (Enterprise Server's too) and GitLab: pipelines, requests to merge, bugs, tags."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import quote

from pydantic import SecretStr

from probes import api
from probes.forge import (
    Bugs,
    End,
    Pipeline,
    Pipelines,
    Reader,
    Request,
    Requests,
    Rights,
    Verified,
    last_tries,
    number,
    of_commit,
    read,
)
from probes.http import HttpTarget, bearer
from probes.observation import Deadline, Observation

Objects = list[Mapping[str, object]]
_GITHUB: Final = "https://api.github.com"
_AT_ONCE: Final = 8
_GITHUB_ENDS: Final = {
    "success": End.SUCCESS,
    "cancelled": End.CANCELLED,
    "skipped": End.SKIPPED,
    "neutral": End.NEUTRAL,
    **dict.fromkeys(("failure", "error", "timed_out", "startup_failure"), End.FAILURE),
    **dict.fromkeys(("action_required", "pending", "stale"), End.UNFINISHED),
}
"""By `conclusion` of check runs and workflow runs, and by `state` of commit statuses."""


@dataclasses.dataclass(frozen=True, slots=True)
class GitHub:
    """A repository on GitHub, with the gate's token."""

    server: HttpTarget
    project: str

    @classmethod
    def of(
        cls, url: str | None, project: str, token: SecretStr | None, ca_file: str | None
    ) -> GitHub:
        """Return the repository `owner/name`."""
        asked = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
        return cls(HttpTarget(url or _GITHUB, ca_file, {**asked, **bearer(token)}), project)

    @property
    def _path(self) -> str:
        return f"/repos/{quote(self.project)}"

    def pipelines(self, commit: str, *, deadline: Deadline) -> Observation[Pipelines]:
        """Read workflow runs, check runs and statuses of a commit, with every earlier try."""

        def parse(reader: Reader) -> Pipelines:
            of, every = f"{self._path}/commits/{commit}", {"filter": "all"}
            runs = reader.counted(f"{self._path}/actions/runs", "workflow_runs", head_sha=commit)
            checks = reader.counted(f"{of}/check-runs", "check_runs", **every)
            statuses = reader.listed(f"{of}/statuses")
            of_commit((*runs, *checks), "head_sha", commit)
            tries = itertools.chain(_workflows(runs), _checks(checks), _statuses(statuses))
            return Pipelines(last_tries(tries))

        return read(self.server, f"pipelines of {commit}", parse, deadline=deadline)

    def requests(self, branch: str, milestone: str, *, deadline: Deadline) -> Observation[Requests]:
        """Read open pull requests into a branch, and all of a milestone with the commits they became."""

        def parse(reader: Reader) -> Requests:
            into = reader.listed(f"{self._path}/pulls", state="open", base=branch)
            known = reader.listed(f"{self._path}/milestones", state="all")
            titled = [one for one in known if one.get("title") == milestone]
            open_ones = tuple(Request(number(one, "number"), is_open=True) for one in into)
            planned = self._planned(reader, number(titled[0], "number")) if titled else None
            return Requests(open_ones, planned)

        return read(self.server, f"pull requests into {branch}", parse, deadline=deadline)

    def _planned(self, reader: Reader, milestone: int) -> tuple[Request, ...]:
        found = reader.listed(f"{self._path}/issues", milestone=milestone, state="all")
        pulls = [number(one, "number") for one in found if "pull_request" in one]

        def one(pull: int) -> Request | None:
            return _request(reader.one(f"{self._path}/pulls/{pull}"))

        with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
            return tuple(request for request in pool.map(one, pulls) if request is not None)

    def bugs(self, labels: Iterable[str], *, deadline: Deadline) -> Observation[Bugs]:
        """Read open issues that have any of the labels, and which labels there are not."""

        def parse(reader: Reader) -> Bugs:
            unknown = [
                one
                for one in labels
                if not reader.there(f"{self._path}/labels/{quote(one, safe='')}")
            ]
            found = [
                issue
                for label in labels
                for issue in reader.listed(f"{self._path}/issues", state="open", labels=label)
            ]
            keys = {number(one, "number") for one in found if "pull_request" not in one}
            return Bugs(tuple(f"#{key}" for key in sorted(keys)), tuple(unknown))

        return read(self.server, "open bugs", parse, deadline=deadline)

    def tag_signature(self, tag_object: str, *, deadline: Deadline) -> Observation[Verified]:
        """Read what GitHub says of the signature of an annotated tag."""

        def parse(reader: Reader) -> Verified:
            answer = reader.one(f"{self._path}/git/tags/{tag_object}")
            said = api.mapping(answer.get("verification"), "verification")
            return Verified(said.get("verified") is True, api.text(said.get("reason"), "reason"))

        return read(self.server, f"signature of {tag_object}", parse, deadline=deadline)

    def rights(self, *, deadline: Deadline) -> Observation[Rights]:
        """Read what the token may do here."""

        def parse(reader: Reader) -> Rights:
            may = reader.one(self._path).get("permissions")
            if not isinstance(may, Mapping):
                return Rights(can_read=True, can_write=None)
            writes = any(may.get(name) is True for name in ("push", "maintain", "admin"))
            return Rights(can_read=may.get("pull") is True, can_write=writes)

        return read(self.server, self.project, parse, deadline=deadline)


def _end(status: object, conclusion: object) -> tuple[End, str]:
    """Return how something that has a status and, once it is completed, a conclusion ended."""
    if status != "completed":
        return End.UNFINISHED, str(status)
    said = str(conclusion)
    return _GITHUB_ENDS.get(said, End.UNKNOWN), said


def _workflows(runs: Objects) -> Iterator[tuple[object, Pipeline]]:
    # A workflow that was started anew for the same commit was tried again, too.
    for one in sorted(runs, key=lambda run: number(run, "run_number")):
        end, said = _end(one.get("status"), one.get("conclusion"))
        tries, name = number(one, "run_attempt"), one.get("name")
        same = ("workflow", one.get("workflow_id"), one.get("event"))
        yield same, Pipeline(str(name or one.get("path")), "workflow", end, said, tries)


def _checks(runs: Objects) -> Iterator[tuple[object, Pipeline]]:
    for one in sorted(runs, key=lambda run: number(run, "id")):
        name = api.text(one.get("name"), "a check's name")
        suite = api.mapping(one.get("check_suite"), "check_suite").get("id")
        end, said = _end(one.get("status"), one.get("conclusion"))
        yield ("check", suite, name), Pipeline(name, "check", end, said)


def _statuses(statuses: Objects) -> Iterator[tuple[object, Pipeline]]:
    for one in sorted(statuses, key=lambda status: number(status, "id")):
        context, said = (api.text(one.get(key), key) for key in ("context", "state"))
        end = _GITHUB_ENDS.get(said, End.UNKNOWN)
        # First pending, then its end: that is one try.
        tries = int(end is not End.UNFINISHED)
        yield ("status", context), Pipeline(context, "status", end, said, tries)


def _request(pull: Mapping[str, object]) -> Request | None:
    """Return a pull request; None for one that was closed and not merged."""
    if pull.get("state") == "open":
        return Request(number(pull, "number"), is_open=True)
    if not pull.get("merged_at"):
        return None
    commit = api.text(pull.get("merge_commit_sha"), "its commit")
    return Request(number(pull, "number"), is_open=False, commits=(commit,))


_GITLAB: Final = "https://gitlab.com/api/v4"
_GITLAB_ENDS: Final = {
    "success": End.SUCCESS,
    "failed": End.FAILURE,
    **dict.fromkeys(("canceled", "canceling"), End.CANCELLED),
    **dict.fromkeys(("skipped", "manual"), End.SKIPPED),
    **dict.fromkeys(
        (
            *("created", "waiting_for_resource", "waiting_for_callback", "preparing", "pending"),
            *("running", "scheduled"),
        ),
        End.UNFINISHED,
    ),
}
_MAY_WRITE: Final = frozenset({"api", "write_repository", "sudo", "admin_mode", "create_runner"})


@dataclasses.dataclass(frozen=True, slots=True)
class GitLab:
    """A project on GitLab, with the gate's token."""

    server: HttpTarget
    project: str

    @classmethod
    def of(
        cls, url: str | None, project: str, token: SecretStr | None, ca_file: str | None
    ) -> GitLab:
        """Return the project `group/name`."""
        return cls(HttpTarget(url or _GITLAB, ca_file, bearer(token)), project)

    @property
    def _path(self) -> str:
        return f"/projects/{quote(self.project, safe='')}"

    def pipelines(self, commit: str, *, deadline: Deadline) -> Observation[Pipelines]:
        """Read pipelines of a commit, child pipelines too, and their jobs, with every earlier try."""

        def parse(reader: Reader) -> Pipelines:
            every = f"{self._path}/pipelines"
            found = [
                *reader.listed(every, sha=commit),
                *reader.listed(every, sha=commit, source="parent_pipeline"),
            ]
            of_commit(found, "sha", commit)
            pipelines = {number(one, "id"): one for one in found}
            jobs = [
                {**job, "pipeline_id": pipeline}
                for pipeline in pipelines
                for job in reader.listed(f"{every}/{pipeline}/jobs", include_retried="true")
            ]
            tries = itertools.chain(_tried(pipelines.values(), "pipeline"), _tried(jobs, "job"))
            return Pipelines(last_tries(tries))

        return read(self.server, f"pipelines of {commit}", parse, deadline=deadline)

    def requests(self, branch: str, milestone: str, *, deadline: Deadline) -> Observation[Requests]:
        """Read open merge requests into a branch, and all of a milestone with the commits they became."""

        def parse(reader: Reader) -> Requests:
            requests = f"{self._path}/merge_requests"
            into = reader.listed(requests, state="opened", target_branch=branch)
            titled = {"title": milestone, "include_ancestors": "true"}
            known = reader.listed(f"{self._path}/milestones", **titled)
            planned = reader.listed(requests, state="all", milestone=milestone) if known else []
            return Requests(tuple(_requests(into)), tuple(_requests(planned)) if known else None)

        return read(self.server, f"merge requests into {branch}", parse, deadline=deadline)

    def bugs(self, labels: Iterable[str], *, deadline: Deadline) -> Observation[Bugs]:
        """Read open issues that have any of the labels, and which labels there are not."""

        def parse(reader: Reader) -> Bugs:
            known = {one.get("name") for one in reader.listed(f"{self._path}/labels")}
            keys = {
                number(issue, "iid")
                for label in labels
                for issue in reader.listed(f"{self._path}/issues", state="opened", labels=label)
            }
            unknown = tuple(one for one in labels if one not in known)
            return Bugs(tuple(f"#{key}" for key in sorted(keys)), unknown)

        return read(self.server, "open bugs", parse, deadline=deadline)

    def tag_signature(self, tag_object: str, *, deadline: Deadline) -> Observation[Verified]:
        """Say that GitLab does not tell: it verifies no signature of a tag but X.509 ones."""
        said = Verified(is_valid=False, reason="GitLab does not verify tags")
        return read(self.server, f"signature of {tag_object}", lambda _: said, deadline=deadline)

    def rights(self, *, deadline: Deadline) -> Observation[Rights]:
        """Read what the token may do."""

        def parse(reader: Reader) -> Rights:
            scopes = reader.one("/personal_access_tokens/self").get("scopes")
            reader.one(self._path)
            found = set(map(str, api.sequence(scopes, "scopes")))
            return Rights(can_read=True, can_write=bool(found & _MAY_WRITE))

        return read(self.server, self.project, parse, deadline=deadline)


def _tried(entries: Iterable[Mapping[str, object]], kind: str) -> Iterator[tuple[object, Pipeline]]:
    for one in sorted(entries, key=lambda entry: number(entry, "id")):
        name, said = (
            str(one.get("name") or one.get("source")),
            api.text(one.get("status"), "status"),
        )
        end = _GITLAB_ENDS.get(said, End.UNKNOWN)
        if end is End.FAILURE and one.get("allow_failure") is True:
            end, said = End.NEUTRAL, f"{said}, which it may"
        same = (kind, name, one.get("ref"), one.get("source"), one.get("pipeline_id"))
        yield same, Pipeline(name, kind, end, said)


def _requests(entries: Iterable[Mapping[str, object]]) -> Iterator[Request]:
    for one in entries:
        found, state = number(one, "iid"), one.get("state")
        # The commit that it became; without one its own: it was merged as it is.
        became = [one.get(key) for key in ("merge_commit_sha", "squash_commit_sha", "sha")]
        commits = next(((commit,) for commit in became if isinstance(commit, str)), ())
        if state in ("opened", "locked"):
            yield Request(found, is_open=True)
        elif state == "merged":
            yield Request(found, is_open=False, commits=commits)

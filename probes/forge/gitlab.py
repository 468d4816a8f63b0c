"""GitLab's REST API: pipelines with their jobs, merge requests, bugs."""

from __future__ import annotations

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

URL: Final = "https://gitlab.com/api/v4"
_ENDS: Final = {
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
        return cls(HttpTarget(url or URL, ca_file, bearer(token)), project)

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
            pipelines = {number(one.get("id"), "id"): one for one in found}
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
                number(issue.get("iid"), "iid")
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
    for one in sorted(entries, key=lambda entry: number(entry.get("id"), "id")):
        name, said = (
            str(one.get("name") or one.get("source")),
            api.text(one.get("status"), "status"),
        )
        end = _ENDS.get(said, End.UNKNOWN)
        if end is End.FAILURE and one.get("allow_failure") is True:
            end, said = End.NEUTRAL, f"{said}, which it may"
        same = (kind, name, one.get("ref"), one.get("source"), one.get("pipeline_id"))
        yield same, Pipeline(name, kind, end, said)


def _requests(entries: Iterable[Mapping[str, object]]) -> Iterator[Request]:
    for one in entries:
        found, state = number(one.get("iid"), "iid"), one.get("state")
        # The commit that it became; without one its own: it was merged as it is.
        became = [one.get(key) for key in ("merge_commit_sha", "squash_commit_sha", "sha")]
        commits = next(((commit,) for commit in became if isinstance(commit, str)), ())
        if state in ("opened", "locked"):
            yield Request(found, is_open=True)
        elif state == "merged":
            yield Request(found, False, commits)  # noqa: FBT003 - a request's second field

"""What a release is, and where it comes from: repository, forge that builds it, tracker of its bugs."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from settings.sections import HttpUrl, Location, SecretReference, Section, Text, doubled

_Glob = Annotated[str, Field(min_length=1)]
_SIGNER = re.compile(r"(sk-)?(ssh|ecdsa)-[\w@.-]+ [A-Za-z0-9+/=]+( .*)?")


class Forge(Section):
    """Where the repository is hosted and its pipelines run, read by its REST API."""

    kind: Literal["github", "gitlab"]
    """Its API: GitHub (Enterprise Server too) or GitLab."""
    url: HttpUrl | None = None
    """Base address of the API; left out: https://api.github.com or https://gitlab.com/api/v4."""
    project: Text
    """Such as owner/name."""
    token: SecretReference | None = None
    """A token that can read code, checks, pull requests and issues, and nothing else."""
    required: tuple[Text, ...] = Field(min_length=1)
    """Names of workflows, checks, statuses, pipelines or jobs that must have been green for the commit."""
    milestone: str | None = "v{release}"
    """Of the requests to merge that a release plans; `{release}` becomes the release, such as 1.2.0."""
    ca_file: str | None = None
    """File of the authority that signs its certificate, where it is not a public one."""

    def _refusals(self) -> Iterator[str]:
        if self.milestone is not None and "{release}" not in self.milestone:
            yield "milestone lacks {release}, so every release would have the same one"


class Tracker(Section):
    """Where bugs are kept."""

    kind: Literal["github", "gitlab", "jira"]
    """Its API; jira is Jira Cloud."""
    url: HttpUrl | None = None
    """Base address; GitHub and GitLab as in `forge`, Jira's such as https://ours.atlassian.net."""
    project: Text
    """Such as owner/name; of Jira the project's key."""
    user: Text | None = None
    """Jira: the e-mail address of the gate's account."""
    token: SecretReference | None = None
    """A token that can read issues, and nothing else."""
    critical: tuple[Text, ...] = Field(min_length=1)
    """What makes a bug critical, any of these: a label; Jira: JQL, such as priority = Highest."""
    ca_file: str | None = None
    """File of the authority that signs its certificate, where it is not a public one."""

    def _refusals(self) -> Iterator[str]:
        if self.kind == "jira" and None in (self.url, self.user, self.token):
            yield "jira needs url, user and token; add them"


class OpenApi(Section):
    """The API's document, as it is written and as it is served."""

    file: Text
    """Path in the repository, JSON or YAML."""
    served_at: HttpUrl
    """Whole address at which the release's document is served before the deployment, such as staging's."""
    token: SecretReference | None = None
    """Sent as a bearer token, where it is not shown to everybody."""
    ca_file: str | None = None
    """File of the authority that signs its certificate, where it is not a public one."""


class Source(Section):
    """Where a release comes from."""

    repository: Location
    """A folder that the gate can read, or an address that git can clone."""
    branch: str = "release/v{release}"
    """The release's branch; `{release}` becomes the release, such as 1.2.0."""
    merged: tuple[_Glob, ...] = ()
    """Branches that must be wholly in the release, such as develop or hotfix/*."""
    packages: tuple[_Glob, ...] = Field(("package.json", "*/package.json"), min_length=1)
    """Where package.json files lie that have the release's version; * crosses folders."""
    not_packages: tuple[_Glob, ...] = ("*node_modules/*",)
    """Of these, those that have another version."""
    changelog: Text = "CHANGELOG.md"
    """Path in the repository."""
    notes: str | None = None
    """Path of the release's notes, with `{release}`, where they are not the changelog's entry."""
    signers: tuple[str, ...] = ()
    """Public SSH keys that may sign a tag, one a line, such as ssh-ed25519 AAAA… name."""
    openapi: OpenApi | None = None
    """Without it the API's document is not compared."""
    forge: Forge | None = None
    """Without it pipelines and requests to merge are not read."""
    tracker: Tracker | None = None
    """Without it bugs are not counted."""

    def _refusals(self) -> Iterator[str]:
        if "{release}" not in self.branch:
            yield "branch lacks {release}, so every release would have the same one"
        for line in self.signers:
            if not _SIGNER.fullmatch(line):
                yield "signers must be public SSH keys, such as ssh-ed25519 AAAA… name"


class ChangedBy(Section):
    """Which paths of the repository change what; * crosses folders."""

    code: tuple[_Glob, ...] = ("*.ts", "*.tsx", "*.js", "*.py", "*.go", "*.java", "*.rb")
    """Code of the services."""
    database_schema: tuple[_Glob, ...] = Field(("*migrations/*.sql",), alias="schema")
    """Tables."""
    flags: tuple[_Glob, ...] = ("*feature-flags*", "*feature_flags*")
    """Feature flags."""
    dns: tuple[_Glob, ...] = ("*dns/*", "*.zone")
    """DNS records."""
    configuration: tuple[_Glob, ...] = ("*configmap*", "*.env", "*values*.yaml")
    """Configuration of the services."""
    assets: tuple[_Glob, ...] = ("web/*", "*.html", "*.css")
    """Pages and assets of the web application."""
    alert_rules: tuple[_Glob, ...] = ("*alert*rules*",)
    """Rules that alert."""


class SourcePolicy(Section):
    """What a release's repository, pipelines and notes must be like."""

    annotated_tag: bool = True
    """Whether the tag must say who made it and when: an annotated one."""
    signed_tag: bool = False
    """Whether the tag must be signed: by a key of `source.signers`, or as the forge verifies."""
    tried_again: bool = False
    """Whether a pipeline that was green only when it was run again counts as green."""
    may_be_skipped: tuple[Text, ...] = ()
    """Names of pipelines that may end skipped or neutral; of all others that is not green."""
    unfinished: tuple[Text, ...] = ("TBD", "TODO", "FIXME", "WIP", "Unreleased")
    """Words that notes have while they are not finished."""
    changed_by: ChangedBy = ChangedBy()
    """How it is seen in the repository what a release changes."""

    def _refusals(self) -> Iterator[str]:
        if twice := doubled(self.may_be_skipped):
            yield f"may_be_skipped lists {twice[0]} twice; keep one"
        if not self.unfinished:
            yield "unfinished is empty, so no notes could be unfinished; name a word"


Tag = Annotated[str, Field(pattern=r"^v[0-9]{1,5}\.[0-9]{1,5}\.[0-9]{1,5}$")]
Commit = Annotated[str, Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class Releases(Section):
    """Where each release is described."""

    folder: Text = "releases"
    """A folder, relative to this file, with `v1.2.0/release.yaml` for each release."""


class Changes(Section):
    """What a release changes, beside the version; what it does not change need not be proved."""

    code: bool
    """The code of the services."""
    database_schema: bool = Field(alias="schema")
    """Tables, by migrations."""
    flags: bool
    """Feature flags."""
    dns: bool
    """DNS records."""
    configuration: bool
    """Configuration of the services, such as a ConfigMap."""
    assets: bool
    """The web application's pages and assets."""
    alert_rules: bool
    """Rules that alert."""


class ReleaseFile(Section):
    """A whole release.yaml."""

    schema_version: Literal[1] = Field(alias="schema")
    """Version of this format."""
    version: Tag
    """The release, such as v1.2.0; its folder is called the same."""
    previous: Tag
    """The release that is replaced, and that a rollback returns to."""
    kind: Literal["standard", "major", "hotfix"]
    """A hotfix has the two first numbers of the previous version; a new first number is a major release."""
    commit: Commit
    """What is released, by its whole id."""
    images: dict[Text, Digest] = Field(default_factory=dict)
    """Repository → digest of the image in it, for every image that is deployed."""
    changes: Changes
    """What it changes."""
    planned_start: dt.datetime
    """When phase 1 begins, with time zone."""
    tickets: tuple[Text, ...] = ()
    """What it delivers, as the tracker calls it."""

    def _refusals(self) -> Iterator[str]:
        if self.planned_start.tzinfo is None:
            yield "planned_start needs a time zone, such as 2026-01-31T22:00:00Z"
        if twice := doubled(self.tickets):
            yield f"tickets lists {twice[0]} twice; keep one"
        new, old = _numbers(self.version), _numbers(self.previous)
        if new <= old:
            yield f"previous {self.previous} is not below version {self.version}"
        if self.kind == "hotfix" and new[:2] != old[:2]:
            yield f"{self.previous} to {self.version} is not a hotfix: only the last number may change"
        if self.kind == "standard" and new[0] != old[0]:
            yield f"{self.previous} to {self.version} is a major release; write kind: major"


def _numbers(tag: str) -> tuple[int, ...]:
    return tuple(map(int, tag.removeprefix("v").split(".")))

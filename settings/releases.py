"""What a release is: release.yaml, to whose digest facts, evidence and signed statements are bound."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from settings.sections import Section, Text, doubled

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

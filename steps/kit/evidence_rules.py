"""Evidence: what another tool says that it did, as one small JSON document, and what it is worth.

{"schema": 1, "kind": "image-build", "release": "v1.2.0", "commit": "0f9a…", "created_at": "2026-…Z",
 "result": "passed", "artefacts": [{"name": "api", "digest": "sha256:…"}]}
"""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from gates.decide.judgement import Judgement, equals
from gates.decide.outcome import Outcome
from gates.decide.release import Release
from settings.sections import Name, Section

CLOCKS_DIFFER_SECONDS = 300.0
"""Evidence may be that much younger than now: two machines' clocks differ."""

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Line = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\n\r]*$")]


class Artefact(Section):
    """One thing that was made."""

    name: Line
    digest: Digest


class Evidence(Section):
    """One document; unknown keys are refused, so that nothing is silently ignored."""

    schema_version: Literal[1] = Field(alias="schema")
    kind: Name
    release: Line
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{7,64}$")]
    created_at: AwareDatetime
    result: Literal["passed", "failed"]
    artefacts: tuple[Artefact, ...] = ()
    facts: dict[Name, bool | int | float | Line] = Field(default_factory=dict)
    """Figures of this kind of evidence, by name."""

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len(self.digests()) < len(self.artefacts):
            raise ValueError("artefacts names one thing twice")
        return self

    def digests(self) -> dict[str, str]:
        """Return the digest of each artefact by its name."""
        return {artefact.name: artefact.digest for artefact in self.artefacts}


def judge_identity(
    subject: str, evidence: Evidence, kind: str, release: Release, *, age: AgeLimit
) -> tuple[Judgement, ...]:
    """Judge that a document is of this kind and release and young enough; not what it says."""
    return (
        equals(f"{subject} kind", evidence.kind, kind),
        of_release(subject, evidence.release, release),
        _young_enough(subject, evidence, age),
    )


def judge_result(subject: str, evidence: Evidence) -> Judgement:
    """Judge that what the document tells of ended well."""
    return equals(f"{subject} result", evidence.result, "passed")


class AgeLimit(Section):
    """Now, and the most seconds that evidence may be old."""

    now: AwareDatetime
    max_seconds: float


def of_release(subject: str, told: str, release: Release) -> Judgement:
    """Judge that what a document tells is this release, by tag or number."""
    with contextlib.suppress(ValueError):
        told = Release.parse(told).tag
    return equals(f"{subject} release", told, release.tag)


def _young_enough(subject: str, evidence: Evidence, age: AgeLimit) -> Judgement:
    seconds = (age.now - evidence.created_at).total_seconds()
    early, late = seconds < -CLOCKS_DIFFER_SECONDS, seconds > age.max_seconds
    limit = _days(age.max_seconds)
    sentence = f"{subject} is {_days(max(0.0, seconds))} old, within {limit}"
    if early:
        sentence = f"{subject} is dated in the future, at {_minute(evidence.created_at)}"
    elif late:
        sentence = f"{subject} is {_days(seconds)} old, wanted at most {limit}: it may be outdated"
    return Judgement(
        outcome=Outcome.INCONCLUSIVE if early or late else Outcome.PASS,
        rule="evidence age",
        subject=f"{subject} age",
        sentence=sentence,
        observed=round(seconds),
        target=age.max_seconds,
        unit="s",
        clears="new evidence of this release" if early or late else "",
    )


def _minute(moment: dt.datetime) -> str:
    return f"{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"


def _days(seconds: float) -> str:
    if seconds >= 2 * 86400:
        return f"{seconds / 86400:.0f} days"
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min"  # noqa: PLR2004 - an hour

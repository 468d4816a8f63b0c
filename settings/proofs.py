"""What proves the items of the countdown that other tools answer for: which documents, and how good."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from settings.sections import CheckId, Name, Seconds, Section, Share, Text, doubled

MAX_EVIDENCE_SECONDS = 92 * 86400.0
EvidenceAge = Annotated[Seconds, Field(gt=0, le=MAX_EVIDENCE_SECONDS)]
FilePattern = Annotated[str, Field(pattern=r"^[A-Za-z0-9*{][A-Za-z0-9._*{}-]{0,120}$")]
Severity = Literal["low", "medium", "high", "critical"]
Engine = Literal["chromium", "firefox", "webkit"]
_PHASE = re.compile(r"[1-7](\.[1-9])?")
_WINDOWS = ("15m", "1h", "24h")
_MOST_P95_SECONDS = 10.0
_MostShare = Annotated[Share, Field(ge=0, le=0.5)]


class _Wanted(Section):
    """What every document of an item has."""

    title: Text
    """As people call it, such as unit tests."""
    files: FilePattern
    """Names of files that files.json lists, such as `unit*.junit.xml`: one at least must be there, and
    each must be good. `{image}` becomes the name of each image of the release, and each has its own."""
    max_age: EvidenceAge | None = None
    """Where it differs from `evidence.max_age`."""


class TestsWanted(_Wanted):
    """JUnit XML of any tool: no test failed, and none is missing."""

    __test__ = False  # pytest would take a class of this name for tests

    format: Literal["junit"]
    """Of these files."""
    at_least: int = Field(default=1, ge=1, le=1_000_000)
    """Tests that must have run in all files together; skipped ones have not."""
    skipped: _MostShare = 0.1
    """The most tests that may be skipped, of all."""
    may_shrink: _MostShare = 0.1
    """The most tests that may be fewer than in the evidence of the release before."""
    retired: tuple[Text, ...] = ()
    """Suites of the release before that are gone on purpose."""


class ScanWanted(_Wanted):
    """SARIF 2.1.0, or a report of vulnerabilities by Trivy, Grype or as CycloneDX."""

    format: Literal["sarif", "vulnerabilities"]
    """Of these files."""
    forbidden: Severity | None = None
    """Findings as grave as this one, or graver, are bad; left out: it is enough that the scan was made."""
    exceptions: FilePattern | None = None
    """Files of VEX statements (OpenVEX or CycloneDX): what they say, with a reason, not to be affected
    is left out, and shown."""


class InventoryWanted(_Wanted):
    """A software bill of materials: CycloneDX or SPDX."""

    format: Literal["inventory"]
    """Of these files."""
    at_least: int = Field(default=1, ge=1, le=1_000_000)
    """Packages that it must list."""


class LoadWanted(_Wanted):
    """The record `load.json` of a load run: PASS, of the release, against an environment."""

    format: Literal["load"]
    """Of these files."""
    environment: Name
    """Which one must have been loaded."""
    requests_per_second: float | None = Field(
        default=None, gt=0, le=10_000_000, allow_inf_nan=False
    )
    """Over all regions together, in each stage that counts; at least."""
    p95: Annotated[Seconds, Field(gt=0, le=_MOST_P95_SECONDS)] | None = None
    """What 95 % of the answers stayed below, proved by an objective of the run; at most."""


class SuiteWanted(_Wanted):
    """Evidence that a gate wrote of its own tests, such as accessibility-test.json: it passed."""

    format: Literal["suite"]
    """Of these files."""
    kind: Name
    """Of the evidence, such as accessibility-test."""
    engines: tuple[Engine, ...] = ()
    """Browsers in which it must have been tested."""


class RunWanted(_Wanted):
    """The verdict.json of a run of this gate: GO, whole, with every check that is due there."""

    format: Literal["verdict"]
    """Of these files."""
    environment: Name
    """Where it was asked."""
    gate: Literal["post-deploy", "phase"]
    """What was asked."""
    asked: Text
    """The window of post-deploy (a longer one will do), or the phase."""
    smoke: bool = False
    """Whether each smoke check must have passed, and none be left out."""
    release: Literal["this", "previous"] = "this"
    """The release that was asked about; the previous one once the release was rolled back."""
    after: FilePattern | None = None
    """The run must have begun after this one of the release had ended."""

    def _refusals(self) -> Iterator[str]:
        known = self.asked in _WINDOWS if self.gate == "post-deploy" else None
        known = bool(_PHASE.fullmatch(self.asked)) if known is None else known
        if not known:
            what = f"a window ({', '.join(_WINDOWS)})" if self.gate == "post-deploy" else "a phase"
            yield f"asked “{self.asked}” is not {what}"
        if (self.release == "previous") != (self.after is not None):
            yield "after belongs to the previous release, rolled back to; name both or neither"


Wanted = Annotated[
    TestsWanted | ScanWanted | InventoryWanted | LoadWanted | SuiteWanted | RunWanted,
    Field(discriminator="format"),
]


class EvidencePolicy(Section):
    """How old evidence of other tools may be, and which of it proves what."""

    max_age: EvidenceAge = 7 * 86400.0
    """Older evidence decides nothing."""
    max_age_of: dict[Name, EvidenceAge] = Field(default_factory=dict)
    """By kind of evidence, where it differs."""
    proofs: dict[CheckId, Annotated[tuple[Wanted, ...], Field(min_length=1)]] = Field(
        default_factory=dict
    )
    """By check: all of these documents."""

    def of(self, kind: str) -> float:
        """Return the most seconds that evidence of a kind may be old."""
        return self.max_age_of.get(kind, self.max_age)

    def _refusals(self) -> Iterator[str]:
        for check, wanted in self.proofs.items():
            if twice := doubled([one.title for one in wanted]):
                yield f"proofs.{check} has two documents called “{twice[0]}”; rename one"

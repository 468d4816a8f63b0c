"""What a suite of tests found: what its check hands over, beside judgements, for the evidence of a release.

The child measures and hands over; the parent says whether it passed (reports/evidence.py, ADR 0006).
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping

from gates.decide.judgement import Scalar
from gates.decide.kept import READ_ON, Kept
from gates.decide.outcome import Outcome

EVENT = "suite_finished"


class Kind(enum.StrEnum):
    """What evidence is of; the name of its file."""

    CONTRACT = "contract-test"
    BROWSER = "browser-test"
    ACCESSIBILITY = "accessibility-test"
    VITALS = "web-vitals"


_KINDS = {
    "CT-READ-": Kind.CONTRACT,
    "CT-FULL-": Kind.CONTRACT,
    "BR-": Kind.BROWSER,
    "A11Y-": Kind.ACCESSIBILITY,
    "WV-": Kind.VITALS,
}
"""By the beginning of a check's id: a check that did not run is evidence of nothing, and is missed."""


def kind_of(check: str) -> Kind | None:
    """Return of which kind a check's evidence is; None where it has none."""
    return next((kind for start, kind in _KINDS.items() if check.startswith(start)), None)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Tested(Kept):
    """One test: an operation of the API, a journey, a page in one state."""

    __test__ = False  # pytest would take a class of this name for tests

    name: str
    outcome: Outcome
    seconds: float | None = None
    sentence: str = ""
    """What it found; words of ours and nothing that a server sent (ADR 0011)."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Finding(Kept):
    """One thing found, once for its cause."""

    rule: str
    where: str
    """An operation, a page, a selector."""
    sentence: str
    outcome: Outcome = Outcome.FAIL
    link: str = ""
    """Where the rule is explained."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Attachment(Kept):
    """A picture or a trace, beside the evidence in the run's folder."""

    name: str
    file: str
    """Seen from the run's folder: evidence/BR-BOOK-1.png."""
    media_type: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Suite(Kept):
    """What one check tested in the regions that share it."""

    __pydantic_config__ = READ_ON

    kind: Kind
    check: str
    regions: tuple[str, ...]
    commit: str | None
    """Of the build that was tested, as the build's own evidence names it; None: nothing names it."""
    artefacts: Mapping[str, str]
    """Digests of the build by name."""
    tools: Mapping[str, str]
    """Versions by name: schemathesis, chromium, axe-core."""
    tests: tuple[Tested, ...]
    counts: Mapping[str, int]
    """What adds up over regions: requests, operations, pages."""
    facts: Mapping[str, Scalar]
    """Figures that do not add up, by name."""
    findings: tuple[Finding, ...]
    attachments: tuple[Attachment, ...]

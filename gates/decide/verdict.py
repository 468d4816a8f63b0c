"""The verdict: everything that was asked, found and decided. Whoever writes it and whoever reads it use this.

Fields are kept in the order in which they stand here. What a default stands for was not kept by older gates.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import Field

from gates.decide.fold import DOUBLED, MISSING, WAIVED, Reason
from gates.decide.judgement import Judgement, outcome_of
from gates.decide.kept import READ_ON, Kept
from gates.decide.outcome import Decision, Meaning, Outcome
from gates.decide.scope import Deferred, NotAsked
from gates.decide.statements import Overridden, Signature, Waiver
from gates.decide.suite import Suite

SCHEMA = 1
STATES = ("complete", "incomplete", "interrupted", "refused", "failed")
GOOD = (Outcome.PASS, Outcome.NOT_APPLICABLE)
FINISHED = "check_finished"
MOST_RUNS = 1000
"""Of one check: a number beyond it is nobody's count, and folding so many would not end."""


@dataclasses.dataclass(frozen=True, slots=True)
class Failed(Kept):
    """Why a probe has no value."""

    kind: str
    detail: str
    phase: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class Observed(Kept):
    """What a probe brought, as evidence may show it."""

    probe: str
    target: str
    started_at: str
    elapsed_seconds: float
    phases: Mapping[str, float | None]
    facts: Mapping[str, Any] | None
    """What the probe's value says may be kept of it."""
    failure: Failed | None
    attempts: int


@dataclasses.dataclass(frozen=True, slots=True)
class Noted(Kept):
    """What one check gathered in one region."""

    judgements: tuple[Judgement, ...]
    observations: tuple[Observed, ...]

    @property
    def outcome(self) -> Outcome | None:
        """Return the worst of the judgements; None where nothing was judged."""
        return outcome_of(self.judgements)


@dataclasses.dataclass(frozen=True, slots=True)
class Step(Kept):
    """A sentence of a check's scenario."""

    text: str
    judges: bool
    """Whether it is a Then."""
    judged: Mapping[str, Annotated[int, Field(ge=0)]] | None
    """How many of each region's judgements are its own, in their order; None: it was not reached."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Finished(Kept):
    """The line of a check that ended."""

    __pydantic_config__ = READ_ON

    check: str
    title: str | None = None
    elapsed_seconds: float | None = None
    at: str | None = None
    regions: Mapping[str, Noted]
    steps: tuple[Step, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Result(Kept):
    """What a check found in a region, in all its runs."""

    outcome: Outcome | None
    """None: the check did not run there."""
    ran: Annotated[int, Field(ge=0, le=MOST_RUNS)] = 1
    """How often; more than once is not a result."""
    judgements: tuple[Judgement, ...]
    observations: tuple[Observed, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult(Kept):
    """One check with its results by region."""

    __pydantic_config__ = READ_ON

    id: str
    title: str | None
    phase: str
    owner: str
    severity: str = ""
    on_fail: Meaning
    not_applicable: str | None = None
    """The rule by which the check is not due, or None."""
    elapsed_seconds: float | None = None
    finished_at: str | None = None
    regions: Mapping[str, Result]
    stage: str | None = None
    """What its failure could mean: the deployment's stage, for this check."""
    scenario: Annotated[str | None, Field(exclude_if=lambda place: place is None)] = None
    """Where its scenario stands: features/post_deploy/performance.feature:6."""
    steps: Annotated[tuple[Step, ...], Field(exclude_if=lambda steps: not steps)] = ()
    """Its sentences; none of a check that did not run, or ran twice."""

    @property
    def name(self) -> str:
        """Its title; of an older run, one that did not run has none."""
        return self.title or self.id


def outcome_in(regions: Mapping[str, Noted] | Mapping[str, Result], region: str) -> str:
    """Return the outcome word of a region; MISSING where the check did not run."""
    found = regions.get(region)
    return MISSING if found is None or found.outcome is None else found.outcome.value


def red_of(found: Noted | Result) -> tuple[Judgement, ...]:
    """Return the judgements that are not good."""
    return tuple(item for item in found.judgements if item.outcome not in GOOD)


@dataclasses.dataclass(frozen=True, slots=True)
class Source(Kept):
    """A run that a verdict was joined from."""

    run: str
    folder: str
    sha256: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Executor(Kept):
    """The CI server that ran the gate; its addresses are of http and hold no login."""

    name: str
    type: str
    url: str
    build: str
    build_url: str
    files: str | None = None
    """Where the folder of the checks is shown as it was for this run; None where it is not."""
    policy: str = ""
    """Where in it the policy is."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Verdict(Kept):
    """What a gate found and decided."""

    __pydantic_config__ = READ_ON

    schema: int
    run: str
    state: str
    decision: Decision | None
    exit_code: int | None
    gate: str
    window: str | None = None
    phase: str | None = None
    """Phase gates: 2, or a part such as 2.1; after a rollback its methods, such as flags,kubernetes."""
    at: str | None = None
    """The countdown, and after a rollback: by which of its times."""
    follows: str | None = None
    """Which gate to ask after a GO, as on the command line."""
    deferred: Annotated[Deferred | None, Field(exclude_if=lambda deferred: deferred is None)] = None
    """What a hotfix does after its deployment; not kept of any other release."""
    only: Annotated[tuple[str, ...], Field(exclude_if=lambda ids: not ids)] = ()
    """The checks that were asked out of all; such a verdict is never GO."""
    asked_regions: Annotated[tuple[str, ...], Field(exclude_if=lambda names: not names)] = ()
    """Those that --region named."""
    environment: str
    """Its own name."""
    asked_as: str | None = None
    """What --env said: its name or the path of its file."""
    release: str | None
    stage: str | None = None
    regions: Mapping[str, Decision] = dataclasses.field(default_factory=dict)
    traffic_switched_at: str | None = None
    switched_at_given: bool = False
    """On the command line; else the environment's file says it."""
    environment_regions: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()
    not_asked: tuple[NotAsked, ...] = ()
    """What the decision says nothing of."""
    time_scale: float = 1.0
    """What the policy's times were divided by."""
    started_at: str
    finished_at: str | None = None
    elapsed_seconds: float | None = None
    counts: Mapping[str, int] = dataclasses.field(default_factory=dict)
    sentences: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()
    advisories: tuple[Reason, ...] = ()
    checks: tuple[CheckResult, ...] = ()
    versions: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    digests: Mapping[str, str] = dataclasses.field(default_factory=dict)
    system_owners: Annotated[Mapping[str, str], Field(exclude_if=lambda owners: not owners)] = (
        dataclasses.field(default_factory=dict)
    )
    """Who keeps what the gate asks, by name, as the policy says."""
    joined: Annotated[tuple[Source, ...], Field(exclude_if=lambda runs: not runs)] = ()
    """The runs of which it was made; not kept of a run itself."""
    suites: Annotated[tuple[Suite, ...], Field(exclude_if=lambda suites: not suites)] = ()
    """What was tested, for the evidence of the release; not kept of a run without any."""
    classification: Annotated[str | None, Field(exclude_if=lambda word: word is None)] = None
    """Who may read it, as the policy says."""
    runbook: Annotated[
        str | None, Field(pattern="^https?://", exclude_if=lambda address: address is None)
    ] = None
    """Where a check is described, with {id} for its id, as the policy says."""
    signed_by: Annotated[str | None, Field(exclude_if=lambda key: key is None)] = None
    """The key that its bundle is signed with; None where the runner has none."""
    executor: Annotated[Executor | None, Field(exclude_if=lambda job: job is None)] = None
    """The job of CI that ran it; not kept of any other."""
    statements: Annotated[tuple[Signature, ...], Field(exclude_if=lambda signed: not signed)] = ()
    """Whose signatures counted."""
    waivers: Annotated[tuple[Waiver, ...], Field(exclude_if=lambda given: not given)] = ()
    """What may pass although it is not good; those in force for what was asked."""
    waived: Annotated[tuple[Reason, ...], Field(exclude_if=lambda reasons: not reasons)] = ()
    """What passed by them."""
    overridden: Annotated[Overridden | None, Field(exclude_if=lambda by: by is None)] = None
    """What people decided instead of a HOLD; it stays one."""

    @property
    def complete(self) -> bool:
        """Whether the run ended with a decision that counts."""
        return self.state == "complete"

    @property
    def is_go(self) -> bool:
        """Whether this verdict lets the release go on."""
        return self.complete and self.decision is Decision.GO

    @property
    def env(self) -> str:
        """What --env has to say to ask again."""
        return self.asked_as or self.environment

    @property
    def other_regions(self) -> tuple[str, ...]:
        """Regions of the environment that the run was not asked about; none before it knew its own."""
        others = (one for one in self.environment_regions if one not in self.regions)
        return tuple(others) if self.regions else ()

    def region_names(self) -> tuple[str, ...]:
        """Return every region that is decided about or measured."""
        measured = [region for check in self.checks for region in check.regions]
        return tuple(dict.fromkeys([*self.regions, *measured]))

    def cell(self, check: CheckResult, region: str) -> str:
        """Return the outcome word of a check in a region, DOUBLED and WAIVED included."""

        def about(reasons: Iterable[Reason]) -> list[Reason]:
            return [one for one in reasons if (one.check, one.region) == (check.id, region)]

        counted = about((*self.reasons, *self.advisories))
        if any(reason.outcome == DOUBLED for reason in counted):
            return DOUBLED
        # What is not waived of a check is what counts of it.
        return WAIVED if about(self.waived) and not counted else outcome_in(check.regions, region)

    def waiver(self, check_id: str | None) -> Waiver | None:
        """Return the waiver of a check."""
        return next((one for one in self.waivers if one.check == check_id), None)

    def check(self, check_id: str | None) -> CheckResult | None:
        """Return a check by its id."""
        return next((check for check in self.checks if check.id == check_id), None)

    def result(self, reason: Reason) -> Result | None:
        """Return the result that a reason is about."""
        check = self.check(reason.check)
        return None if check is None else check.regions.get(reason.region or "")

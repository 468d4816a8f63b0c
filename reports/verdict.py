"""A verdict as it was written, read back: typed, frozen, refused where it contradicts itself.

Every renderer reads through here, so that no report can show GO for a run that did not end in one.
"""

from __future__ import annotations

import collections
import dataclasses
import os
from collections.abc import Iterable, Mapping
from typing import Any

from gates.decide.fold import Reason
from gates.decide.judgement import Judgement
from gates.decide.not_asked import NotAsked
from gates.decide.outcome import Decision, Outcome, worst_decision
from gates.decide.plain_text import cleaned
from reports import refold

SCHEMA = 1
OUT = os.environ.get("GATE_OUT") or "reports/out"
"""Where runs are kept, seen from the checkout."""
MISSING = "MISSING"
DOUBLED = "DOUBLED"
STATES = ("complete", "incomplete", "interrupted", "refused", "failed")
MOST_CONTRADICTIONS = 3
"""A verdict of two hundred checks may hold hundreds; the first ones say what happened."""
GOOD = (Outcome.PASS.value, Outcome.NOT_APPLICABLE.value)


class DamagedVerdictError(ValueError):
    """The record is no verdict of this schema, or it contradicts itself; the text says where."""


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """What one check found in one region."""

    region: str
    outcome: str | None
    """None: the check did not run there."""
    judgements: tuple[Judgement, ...]
    observations: tuple[Mapping[str, Any], ...]
    ran: int = 1
    """How often; more than once is no result."""

    @property
    def red(self) -> tuple[Judgement, ...]:
        """Return the judgements that are not good."""
        return tuple(item for item in self.judgements if item.outcome.value not in GOOD)


@dataclasses.dataclass(frozen=True, slots=True)
class CheckResult:
    """One check with its results by region."""

    id: str
    title: str
    phase: str
    owner: str
    on_fail: str
    not_applicable: str | None
    """The rule by which the check is not due, or None."""
    elapsed_seconds: float | None
    results: Mapping[str, Result]
    severity: str = ""
    finished_at: str | None = None
    stage: str | None = None
    """What its failure could mean: the deployment's stage, for this check."""

    def outcome_in(self, region: str) -> str:
        """Return the outcome word of a region; MISSING where the check did not run."""
        result = self.results.get(region)
        return MISSING if result is None or result.outcome is None else result.outcome


@dataclasses.dataclass(frozen=True, slots=True)
class RedCheck:
    """The reasons that one check (or the run itself) gives against a release."""

    check: str | None
    title: str
    owner: str | None
    decision: Decision
    reasons: tuple[Reason, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """What a gate found and decided."""

    run: str
    state: str
    decision: Decision | None
    exit_code: int | None
    gate: str
    window: str | None
    phase: str | None
    """Phase gates: 2, or a part such as 2.1."""
    at: str | None
    """The countdown: by which of its times."""
    follows: str | None
    """Which gate to ask after a GO, as on the command line."""
    environment: str
    """Its own name."""
    asked_as: str
    """What --env said, for commands: its name or the path of its file."""
    release: str | None
    stage: str | None
    regions: Mapping[str, Decision]
    other_regions: tuple[str, ...]
    """Regions of the environment that the run was not asked about."""
    not_asked: tuple[NotAsked, ...]
    """What the decision says nothing of."""
    time_scale: float
    """What the policy's times were divided by."""
    traffic_switched_at: str | None
    switched_at_given: bool
    """On the command line; else the environment's file says it."""
    started_at: str
    elapsed_seconds: float | None
    counts: Mapping[str, int]
    sentences: tuple[str, ...]
    reasons: tuple[Reason, ...]
    advisories: tuple[Reason, ...]
    checks: tuple[CheckResult, ...]

    @property
    def complete(self) -> bool:
        """Whether the run ended with a decision that counts."""
        return self.state == "complete"

    @property
    def is_go(self) -> bool:
        """Whether this verdict lets the release go on."""
        return self.complete and self.decision is Decision.GO

    @property
    def evidence(self) -> str:
        """The run's folder, seen from the checkout."""
        return f"{OUT}/{self.run}"

    def region_names(self) -> tuple[str, ...]:
        """Return every region that is decided about or measured."""
        measured = [region for check in self.checks for region in check.results]
        return tuple(dict.fromkeys([*self.regions, *measured]))

    def cell(self, check: CheckResult, region: str) -> str:
        """Return the outcome word of a check in a region, DOUBLED included."""
        doubled = any(
            (reason.check, reason.region, reason.outcome) == (check.id, region, DOUBLED)
            for reason in (*self.reasons, *self.advisories)
        )
        return DOUBLED if doubled else check.outcome_in(region)

    def check(self, check_id: str | None) -> CheckResult | None:
        """Return a check by its id."""
        return next((check for check in self.checks if check.id == check_id), None)

    def result(self, reason: Reason) -> Result | None:
        """Return the result that a reason is about."""
        check = self.check(reason.check)
        return None if check is None or reason.region is None else check.results.get(reason.region)

    def red(self) -> tuple[RedCheck, ...]:
        """Return the reasons by check, the worst check first."""
        grouped: dict[str | None, list[Reason]] = collections.defaultdict(list)
        for reason in self.reasons:
            grouped[reason.check].append(reason)
        return tuple(self._red(check, reasons) for check, reasons in grouped.items())

    def _red(self, check_id: str | None, reasons: list[Reason]) -> RedCheck:
        check = self.check(check_id)
        return RedCheck(
            check=check_id,
            title="The run itself" if check is None else check.title,
            owner=next((reason.owner for reason in reasons if reason.owner), None),
            decision=worst_decision(reason.decision for reason in reasons),
            reasons=tuple(reasons),
        )


def read(record: Mapping[str, Any]) -> Verdict:
    """Read a verdict's JSON; raises DamagedVerdictError."""
    try:
        _must_be_known(record["schema"])
        # Whoever could write the file could put anything into it, escape sequences too.
        verdict = _verdict(cleaned(record))
    except DamagedVerdictError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise DamagedVerdictError(f"the verdict is damaged: {type(exc).__name__} at {exc}") from exc
    _must_be_consistent(verdict)
    return verdict


def _other_regions(record: Mapping[str, Any]) -> tuple[str, ...]:
    asked = record.get("regions") or {}
    if not asked:
        return ()  # it ended before it knew what it was asked
    return tuple(
        region for region in record.get("environment_regions") or () if region not in asked
    )


def judgements_of(records: Iterable[Mapping[str, Any]]) -> tuple[Judgement, ...]:
    """Read judgements back; raises KeyError, TypeError or ValueError for a damaged record."""
    return tuple(Judgement.from_record(record) for record in records)


def _must_be_known(schema: object) -> None:
    if schema != SCHEMA:
        raise DamagedVerdictError(
            f"the verdict has schema {schema!r}; this gate reads schema {SCHEMA}"
        )


def _verdict(record: Mapping[str, Any]) -> Verdict:
    return Verdict(
        run=str(record["run"]),
        state=_state(record["state"]),
        decision=None if record["decision"] is None else Decision(record["decision"]),
        exit_code=record["exit_code"],
        gate=record["gate"],
        window=record.get("window"),
        phase=record.get("phase"),
        at=record.get("at"),
        follows=record.get("follows"),
        environment=record["environment"],
        asked_as=str(record.get("asked_as") or record["environment"]),
        release=record.get("release"),
        stage=record.get("stage"),
        regions={region: Decision(said) for region, said in (record.get("regions") or {}).items()},
        other_regions=_other_regions(record),
        not_asked=tuple(
            NotAsked(one["what"], one["why"], tuple(one["checks"]))
            for one in record.get("not_asked") or ()
        ),
        time_scale=float(record.get("time_scale") or 1.0),
        traffic_switched_at=record.get("traffic_switched_at"),
        switched_at_given=bool(record.get("switched_at_given")),
        started_at=record["started_at"],
        elapsed_seconds=record.get("elapsed_seconds"),
        counts=dict(record.get("counts") or {}),
        sentences=tuple(record.get("sentences") or ()),
        reasons=tuple(_reason(reason) for reason in record.get("reasons") or ()),
        advisories=tuple(_reason(reason) for reason in record.get("advisories") or ()),
        checks=tuple(_check(check) for check in record.get("checks") or ()),
    )


def _state(word: str) -> str:
    if word not in STATES:
        raise DamagedVerdictError(f"the verdict has the unknown state {word!r}")
    return word


def _reason(record: Mapping[str, Any]) -> Reason:
    judgement = record["judgement"]
    return Reason(
        check=record["check"],
        region=record["region"],
        outcome=record["outcome"],
        decision=Decision(record["decision"]),
        sentence=record["sentence"],
        owner=record["owner"],
        judgement=None if judgement is None else Judgement.from_record(judgement),
    )


def _check(record: Mapping[str, Any]) -> CheckResult:
    return CheckResult(
        id=record["id"],
        title=record["title"] or record["id"],
        phase=record["phase"],
        owner=record["owner"],
        on_fail=record["on_fail"],
        not_applicable=record.get("not_applicable"),
        elapsed_seconds=record.get("elapsed_seconds"),
        results={region: _result(region, found) for region, found in record["regions"].items()},
        severity=str(record.get("severity") or ""),
        finished_at=record.get("finished_at"),
        stage=record.get("stage"),
    )


def _result(region: str, record: Mapping[str, Any]) -> Result:
    outcome = record["outcome"]
    return Result(
        region=region,
        outcome=None if outcome is None else Outcome(outcome).value,
        judgements=judgements_of(record["judgements"]),
        observations=tuple(record["observations"]),
        ran=int(record.get("ran", 1)),
    )


def _must_be_consistent(verdict: Verdict) -> None:
    decision = verdict.decision
    if verdict.complete and decision is None:
        raise DamagedVerdictError("the verdict contradicts itself: complete, and no decision")
    if decision is None:
        return
    if verdict.complete and verdict.exit_code != decision.exit_code:
        raise DamagedVerdictError(
            f"the verdict contradicts itself: {decision.value} with exit code {verdict.exit_code}"
        )
    found = tuple(refold.contradictions(verdict))
    if found:
        shown = "; ".join(found[:MOST_CONTRADICTIONS])
        raise DamagedVerdictError(f"the verdict contradicts itself: {shown}")

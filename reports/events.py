"""The events of a run, read back: what was measured so far, also when the run was killed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from typing import Any

from gates.decide.judgement import outcome_of
from gates.decide.plain_text import cleaned
from reports.verdict import CheckResult, DamagedVerdictError, Result, judgements_of


@dataclasses.dataclass(frozen=True, slots=True)
class Measured:
    """What the events of a run tell."""

    checks: tuple[CheckResult, ...]
    """The checks that ended, in order."""
    running: str | None
    """The check that had begun and not ended."""
    problems: tuple[str, ...]
    last_at: str | None
    unreadable_lines: int
    """A killed run leaves at most one, the last."""


def read_lines(lines: Iterable[str]) -> Measured:
    """Read the lines of events.jsonl; what cannot be read is counted and never guessed."""
    checks: list[CheckResult] = []
    problems: list[str] = []
    running: str | None = None
    last_at: str | None = None
    unreadable = 0
    for line in filter(None, map(str.strip, lines)):
        try:
            event = _event(line)
            ended = finished(event)
        except DamagedVerdictError:
            unreadable += 1
            continue
        last_at = str(event.get("at"))
        running = _running(event, running)
        if ended is not None:
            checks.append(ended)
        elif event["event"] == "problem":
            problems.append(str(event.get("sentence")))
    return Measured(tuple(checks), running, tuple(problems), last_at, unreadable)


def finished(event: Mapping[str, Any]) -> CheckResult | None:
    """Return the check that an event ends, or None; raises DamagedVerdictError."""
    if event.get("event") != "check_finished":
        return None
    try:
        check_id = str(event["check"])
        return CheckResult(
            id=check_id,
            title=str(event.get("title") or check_id),
            phase="",
            owner="",
            on_fail="",
            not_applicable=None,
            elapsed_seconds=event.get("elapsed_seconds"),
            results={region: _result(region, found) for region, found in event["regions"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise DamagedVerdictError(f"an event is damaged: {type(exc).__name__} at {exc}") from exc


def _event(line: str) -> Mapping[str, Any]:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError) as exc:
        raise DamagedVerdictError("a line of the events is no JSON") from exc
    if not isinstance(event, dict) or "event" not in event:
        raise DamagedVerdictError("a line of the events is no event")
    return dict(cleaned(event))


def _running(event: Mapping[str, Any], running: str | None) -> str | None:
    if event["event"] == "check_started":
        return str(event.get("check"))
    return None if event["event"] == "check_finished" else running


def _result(region: str, found: Mapping[str, Any]) -> Result:
    judgements = judgements_of(found["judgements"])
    outcome = outcome_of(judgements)
    observations = tuple(found.get("observations") or ())
    return Result(region, None if outcome is None else outcome.value, judgements, observations)

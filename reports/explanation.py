"""Why a run ended as it did: what failed, by how much, since when, where, and what would clear it."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import Any

from gates.decide.fold import Reason
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from gates.decide.verdict import GOOD, CheckResult, Finished, Verdict, outcome_in, red_of
from reports import causes, figures, words
from reports.events import Measured
from reports.figures import Fact
from reports.texts import drawn

WIDTH = 80
_NOTHING = Measured()

_UNIT = re.compile(r"(?<=\d) (?=(?:%|ms|s|min|h)(?!\w))")
_TIED = "\u00a0"
"""Stands between a number and its unit while lines are broken."""


def render(verdict: Verdict, measured: Measured | None = None) -> str:
    """Return the explanation as text; `measured` is what an unfinished run had found until then."""
    return drawn(
        "explanation.txt.j2",
        str,
        verdict=verdict,
        measured=None if measured == _NOTHING else measured,
        words=words,
        figures=figures,
        line=words.one_line,
        wrapped=_wrapped,
        causes=causes,
        asked=_asked,
        slowest=_slowest,
        so_far=_so_far,
        reds=_reds,
        passed_in=_passed_in,
        steps=_steps,
    )


def as_json(verdict: Verdict, measured: Measured | None = None) -> dict[str, Any]:
    """Return the explanation as JSON values."""
    record = verdict.record()
    said: dict[str, Any] = {
        "schema": 1,
        "run": verdict.run,
        "state": verdict.state,
        "decision": words.decision_word(verdict),
        "exit_code": verdict.exit_code,
        "meaning": words.meaning(verdict),
        **{key: record[key] for key in ("release", "environment", "regions")},
        **{key: record[key] for key in ("not_asked", "sentences")},
        "reasons": [_reason_json(verdict, reason) for reason in verdict.reasons],
        "advisories": [_reason_json(verdict, reason) for reason in verdict.advisories],
        "waived": [_reason_json(verdict, reason) for reason in verdict.waived],
        "by_people": list(words.by_people(verdict)),
        "passed": [
            check.id for check in verdict.checks if _is_good(check) and any(_passed_in(check))
        ],
        "next": list(words.next_steps(verdict)),
        "evidence": words.evidence(verdict),
    }
    if measured is not None:
        said["measured_until_then"] = {
            "last_at": measured.last_at,
            "running": measured.running,
            "problems": list(measured.problems),
            "unreadable_lines": measured.unreadable_lines,
            "checks": [_check_json(check) for check in measured.checks],
        }
    return said


def _asked(reason: Reason) -> bool:
    return bool(figures.queries(reason.judgement))


def _slowest(verdict: Verdict, reason: Reason) -> Iterator[Fact]:
    """Yield what took longest; how long a call took explains nothing where events were counted."""
    result = None if _asked(reason) else verdict.result(reason)
    fact = None if result is None else figures.slowest(result)
    if fact is not None:
        yield fact


def _so_far(verdict: Verdict, check: Finished) -> str:
    planned = verdict.check(check.check)
    owner = f" (owner: {planned.owner})" if planned is not None and not _is_good(check) else ""
    outcomes = ", ".join(f"{one} {outcome_in(check.regions, one)}" for one in check.regions)
    return f"{check.check} {outcomes}: {check.title or check.check}{owner}"


def _reds(check: Finished) -> list[tuple[str, Judgement]]:
    return [(region, one) for region, noted in check.regions.items() for one in red_of(noted)]


def _passed_in(check: CheckResult) -> list[str]:
    return [region for region, found in check.regions.items() if found.outcome is Outcome.PASS]


def _steps(verdict: Verdict) -> Iterator[tuple[str, str]]:
    """Yield what to do next, each with the command at its end; this is what explaining says itself."""
    for step in words.next_steps(verdict):
        if words.explain_command(verdict) not in step:
            before, found, command = words.one_line(step).partition(words.GATE)
            yield before, found + command


def _wrapped(text: str, indent: str = "", deeper: str = "") -> str:
    """Break a text into lines; a number stays beside its unit."""
    wrapped = textwrap.wrap(
        _UNIT.sub(_TIED, words.one_line(text)),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=deeper,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(wrapped).replace(_TIED, " ")


def _is_good(check: CheckResult | Finished) -> bool:
    found = check.regions.values()
    return bool(found) and all(one.outcome in GOOD for one in found)


def _reason_json(verdict: Verdict, reason: Reason) -> dict[str, Any]:
    check, result = verdict.check(reason.check), verdict.result(reason)
    slowest = None if result is None else figures.slowest(result)
    return {
        **reason.record(),
        "title": None if check is None else check.name,
        "slowest": None if slowest is None else slowest.text,
    }


def _check_json(check: Finished) -> dict[str, Any]:
    return {
        "id": check.check,
        "title": check.title or check.check,
        "regions": {
            region: {
                "outcome": outcome_in(check.regions, region),
                "findings": [judgement.sentence for judgement in red_of(noted)],
            }
            for region, noted in check.regions.items()
        },
    }

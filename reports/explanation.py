"""Why a run ended as it did: what failed, by how much, since when, where, and what would clear it."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

from gates.decide.fold import Reason
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from gates.decide.verdict import (
    GOOD,
    CheckResult,
    Finished,
    RedCheck,
    Result,
    Verdict,
    outcome_in,
    red_of,
)
from reports import figures, words
from reports.events import Measured
from reports.figures import Fact

WIDTH = 80
LABEL_WIDTH = 10
_NOTHING = Measured()

_UNIT = re.compile(r"(?<=\d) (?=(?:%|ms|s|min|h)(?!\w))")
_TIED = "\u00a0"
"""Stands between a number and its unit while lines are broken."""


def render(verdict: Verdict, measured: Measured | None = None) -> str:
    """Return the explanation as text; `measured` is what an unfinished run had found until then."""
    parts = [list(_head(verdict))]
    if verdict.reasons:
        parts.append(list(_why(verdict)))
    if verdict.advisories:
        parts.append(list(_advisories(verdict)))
    if not verdict.complete and not verdict.checks:
        parts.append(list(_until_then(verdict, measured or _NOTHING)))
    parts.append(list(_figures(verdict)))
    parts += [list(_passed(verdict.checks)), list(_not_due(verdict.checks)), list(_next(verdict))]
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def as_json(verdict: Verdict, measured: Measured | None = None) -> dict[str, Any]:
    """Return the explanation as JSON values."""
    said: dict[str, Any] = {
        "schema": 1,
        "run": verdict.run,
        "state": verdict.state,
        "decision": words.decision_word(verdict),
        "exit_code": verdict.exit_code,
        "meaning": words.meaning(verdict),
        "release": verdict.release,
        "environment": verdict.environment,
        "regions": {region: decision.value for region, decision in verdict.regions.items()},
        "not_asked": [one.record() for one in verdict.not_asked],
        "sentences": list(verdict.sentences),
        "reasons": [_reason_json(verdict, reason) for reason in verdict.reasons],
        "advisories": [_reason_json(verdict, reason) for reason in verdict.advisories],
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


def _head(verdict: Verdict) -> Iterator[str]:
    yield f"{words.decision_word(verdict)}  {words.about(verdict)}  ({words.scope(verdict)})"
    took = f", took {words.duration(verdict.elapsed_seconds)}" if verdict.elapsed_seconds else ""
    yield f"Run {verdict.run}, {words.moment(verdict.started_at)}{took}"
    yield from _wrapped(words.meaning(verdict))
    for line in words.not_asked(verdict):
        yield from _wrapped(f"Not asked: {line}", indent="  ", deeper="    ")
    for sentence in verdict.sentences:
        yield from _wrapped(sentence, indent="  ")
    for region, decision in verdict.regions.items():
        said = f"{region} {decision.value}{words.red_of(verdict, region)}"
        yield from _wrapped(said, indent="  ")


def _why(verdict: Verdict) -> Iterator[str]:
    yield "WHY"
    for red in verdict.red():
        yield ""
        yield from _red(verdict, red)


def _red(verdict: Verdict, red: RedCheck) -> Iterator[str]:
    owner = f" (owner: {red.owner})" if red.owner else ""
    yield words.one_line(f"{red.check or 'Run'} {red.title}{owner}")
    for reason, regions in _same(red.reasons):
        yield from _reason(reason, regions)
        result = verdict.result(reason)
        # How long a call took explains nothing where events were counted.
        if result is not None and not _asked(reason):
            yield from _slowest(result)


def _same(reasons: Iterable[Reason]) -> list[tuple[Reason, list[str]]]:
    """Put regions that found the same together; each region's own queries stay apart."""
    return words.together(
        reasons,
        lambda one: (one.outcome, one.sentence, one.region if _asked(one) else None),
    )


def _asked(reason: Reason) -> bool:
    return reason.judgement is not None and bool(figures.queries(reason.judgement))


def _reason(reason: Reason, regions: list[str]) -> Iterator[str]:
    where = f"{', '.join(regions)} " if regions else ""
    means = f"{where}{reason.outcome} -> {reason.decision.value}"
    yield from _wrapped(f"{means}: {reason.sentence}", indent="  ", deeper="    ")
    if reason.judgement is not None:
        yield from _facts(reason.judgement)


def _facts(judgement: Judgement) -> Iterator[str]:
    for fact in figures.facts(judgement):
        yield from _labelled(fact)
    for query in figures.queries(judgement):
        yield f"    {query.label}:"
        # Never wrapped: it is there to be pasted.
        yield f"      {words.one_line(query.text)}"


def _slowest(result: Result) -> Iterator[str]:
    fact = figures.slowest(result)
    if fact is not None:
        yield from _labelled(fact)


def _advisories(verdict: Verdict) -> Iterator[str]:
    yield "ADVISORY, NOT COUNTED"
    for reason in verdict.advisories:
        said = f"{reason.check} {reason.region} {reason.outcome}: {reason.sentence}"
        yield from _wrapped(said, indent="  ", deeper="    ")


def _until_then(verdict: Verdict, measured: Measured) -> Iterator[str]:
    if measured == _NOTHING:
        yield "Nothing was measured."
        return
    at = f", last at {words.moment(measured.last_at)}" if measured.last_at else ""
    yield f"MEASURED UNTIL THEN ({len(measured.checks)} checks{at})"
    for check in measured.checks:
        yield from _check_so_far(verdict, check)
    if measured.running:
        yield f"  {measured.running} had begun and not ended"
    for problem in measured.problems:
        yield from _wrapped(f"problem: {problem}", indent="  ", deeper="    ")
    if measured.unreadable_lines:
        yield f"  unreadable lines in events.jsonl: {measured.unreadable_lines}"


def _check_so_far(verdict: Verdict, check: Finished) -> Iterator[str]:
    planned = verdict.check(check.check)
    owner = f" (owner: {planned.owner})" if planned is not None and not _is_good(check) else ""
    outcomes = ", ".join(f"{one} {outcome_in(check.regions, one)}" for one in check.regions)
    said = f"{check.check} {outcomes}: {check.title or check.check}{owner}"
    yield from _wrapped(said, indent="  ", deeper="    ")
    for region, noted in check.regions.items():
        for judgement in red_of(noted):
            said = f"{region} {judgement.outcome.value}: {judgement.sentence}"
            yield from _wrapped(said, indent="    ", deeper="      ")


def _figures(verdict: Verdict) -> Iterator[str]:
    found = figures.key_figures(verdict)
    if found:
        yield "KEY FIGURES"
    for figure in found:
        said = f"{figure.check} {figure.region}: {figure.text}"
        yield from _wrapped(said, indent="  ", deeper="    ")


def _passed(checks: Iterable[CheckResult]) -> Iterator[str]:
    found = [check for check in checks if any(_passed_in(check))]
    if found:
        yield "PASSED"
    for check in found:
        took = f", {words.duration(check.elapsed_seconds)}" if check.elapsed_seconds else ""
        said = f"{check.id} {', '.join(_passed_in(check))}: {check.name}{took}"
        yield from _wrapped(said, indent="  ", deeper="    ")


def _passed_in(check: CheckResult) -> list[str]:
    return [region for region, found in check.regions.items() if found.outcome is Outcome.PASS]


def _not_due(checks: Iterable[CheckResult]) -> Iterator[str]:
    found = [check for check in checks if check.not_applicable is not None]
    if found:
        yield "NOT APPLICABLE"
    for check in found:
        said = f"{check.id} {check.name}: {check.not_applicable}"
        yield from _wrapped(said, indent="  ", deeper="    ")


def _next(verdict: Verdict) -> Iterator[str]:
    yield "NEXT"
    for step in words.next_steps(verdict):
        if words.explain_command(verdict) in step:
            continue  # this is its output
        before, found, command = words.one_line(step).partition(words.GATE)
        yield from _wrapped(before, indent="  ")
        if found:
            yield f"    {found}{command}"
    yield f"  Evidence: {words.evidence(verdict)}"


def _labelled(fact: Fact) -> Iterator[str]:
    label = f"    {fact.label:<{LABEL_WIDTH}}"
    return _wrapped(fact.text, indent=label, deeper=" " * len(label))


def _wrapped(text: str, indent: str = "", deeper: str | None = None) -> Iterator[str]:
    wrapped = textwrap.wrap(
        _UNIT.sub(_TIED, words.one_line(text)),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent if deeper is None else deeper,
        break_long_words=False,
        break_on_hyphens=False,
    )
    yield from (line.replace(_TIED, " ") for line in wrapped)


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

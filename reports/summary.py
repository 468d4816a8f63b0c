"""The Markdown summary, for a job's page and a phone at night: the decision first, evidence last."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gates.decide.fold import Reason
from gates.decide.verdict import GOOD, Verdict
from reports import figures, words

_SIGNS = {"GO": "🟢", "HOLD": "🟡", words.NO_VERDICT: "⚪"}
_SPECIAL = re.compile(r"([\\`*_\[\]<>|~&])")
_RED_SIGN = "🔴"


def render(verdict: Verdict) -> str:
    """Return a verdict as Markdown."""
    sections = [
        _headline(verdict),
        _sentences(verdict),
        _next(verdict),
        _why(verdict),
        _figures(verdict),
        _regions(verdict),
        _run(verdict),
    ]
    return "\n\n".join("\n".join(lines) for lines in map(list, sections) if lines) + "\n"


def _headline(verdict: Verdict) -> Iterator[str]:
    word = words.decision_word(verdict)
    sign = _SIGNS.get(word, _RED_SIGN)
    yield f"# {sign} {_safe(word)}: {_safe(words.about(verdict))}"
    yield ""
    yield _safe(words.meaning(verdict))
    yield ""
    for region, decision in verdict.regions.items():
        yield f"- **{_safe(region)}** {_safe(decision.value)}{_safe(words.red_of(verdict, region))}"


def _sentences(verdict: Verdict) -> Iterator[str]:
    for line in words.not_asked(verdict):
        yield f"> Not asked: {_safe(line)}"
    for sentence in verdict.sentences:
        yield f"> {_safe(sentence)}"


def _next(verdict: Verdict) -> Iterator[str]:
    yield "## What to do next"
    yield ""
    for number, step in enumerate(words.next_steps(verdict), start=1):
        yield f"{number}. {_with_command(step)}"


def _with_command(step: str) -> str:
    """Set the command at the end of a step as code, so that it can be copied."""
    before, found, command = step.partition(words.GATE)
    if not found:
        return _safe(step)
    lead = f"{_safe(before)} " if before else ""
    return f"{lead}`{words.one_line(found + command).replace('`', '')}`"


def _why(verdict: Verdict) -> Iterator[str]:
    if verdict.reasons:
        yield "## Why"
    for red in verdict.red():
        yield ""
        owner = f" (owner: {_safe(red.owner)})" if red.owner else ""
        yield f"### {_safe(red.check or 'Run')} {_safe(red.title)}{owner}"
        yield ""
        for reason in red.reasons:
            yield from _reason(reason)
    if verdict.advisories:
        yield ""
        yield "## Advisory, not counted"
        yield ""
        for reason in verdict.advisories:
            yield f"- {_safe(f'{reason.check} {reason.region} {reason.outcome}')}: " + _safe(
                reason.sentence
            )


def _reason(reason: Reason) -> Iterator[str]:
    where = f"**{_safe(reason.region)}** " if reason.region else ""
    means = f"{reason.outcome} → {reason.decision.value}"
    yield f"- {where}{_safe(means)}: {_safe(reason.sentence)}"
    if reason.judgement is None:
        return
    for fact in figures.facts(reason.judgement):
        yield f"  - {fact.label}: {_safe(fact.text)}"


def _figures(verdict: Verdict) -> Iterator[str]:
    found = figures.key_figures(verdict)
    if found:
        yield "## Key figures"
        yield ""
        yield "| objective | region | quantile | measured | proved | budget | samples |"
        yield "|---|---|---|---|---|---|---|"
    for item in found:
        yield f"| {' | '.join(map(_safe, item.cells))} |"


def _regions(verdict: Verdict) -> Iterator[str]:
    if not verdict.checks:
        return
    regions = verdict.region_names()
    yield "## Every check"
    yield ""
    yield "| check | " + "".join(f"{_safe(region)} | " for region in regions) + "what |"
    yield "|---|" + "---|" * len(regions) + "---|"
    for check in verdict.checks:
        cells = [verdict.cell(check, region) for region in regions]
        shown = "".join(f" {_outcome(cell)} |" for cell in cells)
        rule = f" ({check.not_applicable})" if check.not_applicable else ""
        yield f"| {_safe(check.id)} |{shown} {_safe(check.name + rule)} |"


def _outcome(word: str) -> str:
    """Set what is not good in bold: the eye finds it on a small screen."""
    return _safe(word) if word in GOOD else f"**{_safe(word)}**"


def _run(verdict: Verdict) -> Iterator[str]:
    took = f", {words.duration(verdict.elapsed_seconds)}" if verdict.elapsed_seconds else ""
    yield f"{_safe(words.tally(verdict))}{took}. {_safe(words.scope(verdict))}."
    yield f"Started {_safe(words.moment(verdict.started_at))}."
    yield f"Run `{verdict.run}`, evidence in `{words.evidence(verdict)}`."


def _safe(text: str) -> str:
    """Escape what Markdown or a table cell would take as its own."""
    return _SPECIAL.sub(r"\\\1", words.one_line(text))

"""The verdict as plain lines for logs: ASCII, one fact a line, the same from run to run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gates.decide.fold import Reason
from reports import figures, words
from reports.verdict import Verdict, read


def render(record: Mapping[str, Any]) -> str:
    """Return a verdict as plain lines; raises DamagedVerdictError."""
    verdict = read(record)
    return "".join(f"{line}\n" for line in _lines(verdict))


def _lines(verdict: Verdict) -> Iterator[str]:
    code = f" (exit code {verdict.exit_code})" if verdict.exit_code is not None else ""
    yield f"decision: {words.decision_word(verdict)}{code}"
    yield _line("meaning", words.meaning(verdict))
    yield _line("release", words.about(verdict))
    yield _line("gate", words.scope(verdict))
    for line in words.not_asked(verdict):
        yield _line("not asked", line)
    for sentence in verdict.sentences:
        yield _line("said", sentence)
    for region, decision in verdict.regions.items():
        yield _line(f"region {region}", decision.value)
    for reason in verdict.reasons:
        yield from _reason("reason", reason)
    for reason in verdict.advisories:
        yield from _reason("advisory", reason)
    if verdict.is_go:
        yield from _figures(verdict)
    for step in words.next_steps(verdict):
        yield _line("next", step)
    took = f" in {words.duration(verdict.elapsed_seconds)}" if verdict.elapsed_seconds else ""
    yield _line("results", f"{words.tally(verdict)}{took}")
    yield _line("why", words.explain_command(verdict))
    yield _line("evidence", verdict.evidence)


def _reason(kind: str, reason: Reason) -> Iterator[str]:
    about = " ".join(part for part in (reason.check or "run", reason.region) if part)
    owner = f" (owner: {reason.owner})" if reason.owner else ""
    means = f"{reason.outcome} -> {reason.decision.value}"
    yield _line(f"{kind} {about}", f"{means}: {reason.sentence}{owner}")
    if reason.judgement is not None:
        for fact in figures.facts(reason.judgement):
            yield f"  {_line(fact.label, fact.text)}"


def _figures(verdict: Verdict) -> Iterator[str]:
    for figure in figures.key_figures(verdict):
        yield _line(f"figure {figure.check} {figure.region}", figure.text)
    slowest = figures.slowest_check(verdict)
    if slowest is not None and slowest.elapsed_seconds is not None:
        yield _line("slowest", f"{slowest.id}, {words.duration(slowest.elapsed_seconds)}")


def _line(label: str, text: str) -> str:
    return words.ascii_line(f"{label}: {text}")

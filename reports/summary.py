"""The Markdown summary, for a job's page and a phone at night: the decision first, evidence last."""

from __future__ import annotations

import re

from gates.decide.verdict import GOOD, Verdict
from reports import figures, words
from reports.texts import drawn

_SIGNS = {"GO": "🟢", "HOLD": "🟡", words.NO_VERDICT: "⚪"}
_SPECIAL = re.compile(r"([\\`*_\[\]<>|~&])")
_RED_SIGN = "🔴"


class _Safe(str):
    """Text that is Markdown already."""

    __slots__ = ()


def render(verdict: Verdict) -> str:
    """Return a verdict as Markdown."""
    return drawn(
        "summary.md.j2",
        _safe,
        verdict=verdict,
        sign=_SIGNS.get(words.decision_word(verdict), _RED_SIGN),
        words=words,
        figures=figures,
        with_command=_with_command,
        outcome=_outcome,
        as_it_is=_Safe,
    )


def _with_command(step: str) -> _Safe:
    """Set the command at the end of a step as code, so that it can be copied."""
    before, found, command = step.partition(words.GATE)
    if not found:
        return _safe(step)
    lead = f"{_safe(before)} " if before else ""
    return _Safe(f"{lead}`{words.one_line(found + command).replace('`', '')}`")


def _outcome(word: str) -> _Safe:
    """Set what is not good in bold: the eye finds it on a small screen."""
    return _safe(word) if word in GOOD else _Safe(f"**{_safe(word)}**")


def _safe(value: object) -> _Safe:
    """Escape what Markdown or a table cell would take as its own."""
    if isinstance(value, _Safe):
        return value
    return _Safe(_SPECIAL.sub(r"\\\1", words.one_line(str(value))))

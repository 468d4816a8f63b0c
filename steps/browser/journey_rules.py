"""What is said of a walk through pages, and of what happened meanwhile."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import probes
from gates.decide.judgement import Judgement
from gates.decide.outcome import Meaning
from settings.browser import AllowedEvent, BrowserPolicy
from steps.kit.expect import expect, measured

_MOST_NAMED = 5
_LONG_TASK, _LAYOUT_SHIFT, _FAILED = "long task", "layout shift", "failed request"
_MILLISECONDS = 1000.0


def walked(
    walk: str, engine: str, visited: probes.browser.Visited[None], *, must_hold: bool
) -> Judgement:
    """Judge whether a patient came to the end of a walk."""
    subject = f"a patient who {walk}"
    sentence = f"{subject} comes to the end ({engine})"
    if visited.wrong:
        sentence = f"{subject} can't go on ({engine}): {visited.wrong}"
    return expect(
        not visited.wrong,
        subject,
        sentence,
        "a release whose pages work",
        means=None if must_hold else Meaning.ADVISORY,
        **measured("walked through", "stopped" if visited.wrong else "done", "done"),
    )


def not_run(walk: str, engine: str) -> Judgement:
    """Return that an engine is not there in which the policy wants to see a walk."""
    subject = f"a patient who {walk}"
    why = f"not run in {engine}, because Playwright's own build of it is not installed here"
    clears = (
        f"`playwright install {engine}`, or a policy (browser.engines) that does not ask for it"
    )
    return expect(None, subject, f"{subject}: {why}", clears, rule="engine")


def happened(
    walk: str,
    policy: BrowserPolicy,
    events: Sequence[probes.browser.Event],
    expected: Sequence[str],
) -> Iterator[Judgement]:
    """Judge what happened on the way, kind by kind; good where nothing did that is a finding."""
    subject = f"a patient who {walk}"
    found = [one for one in events if not _belongs(one, expected)]
    allowed = {one: rule for one in found if (rule := _allowing(policy, one)) is not None}
    for rule in dict.fromkeys(allowed.values()):
        named = _named(one for one in allowed if allowed[one] is rule)
        yield expect(True, subject, f"{subject}: {named}; allowed: {rule.reason}", rule="events")
    left = [one for one in found if one not in allowed]
    kinds = dict.fromkeys(one.kind for one in left)
    said = {kind: _said(policy, kind, [one for one in left if one.kind == kind]) for kind in kinds}
    bad = {kind: sentence for kind, sentence in said.items() if sentence}
    for kind, sentence in bad.items():
        advisory = policy.meaning(kind) == "advisory"
        yield expect(
            advisory,
            subject,
            f"{subject}: {sentence}{' (advisory)' if advisory else ''}",
            "pages on which this does not happen, or an exception in the policy (browser.allowed)",
            rule=kind,
        )
    if not bad:
        yield expect(True, subject, f"{subject}: nothing else happened", rule="events")


def _belongs(event: probes.browser.Event, expected: Sequence[str]) -> bool:
    """Return whether a walk is about this answer."""
    return event.kind == _FAILED and event.what.rpartition(" ")[2] in expected


def _allowing(policy: BrowserPolicy, event: probes.browser.Event) -> AllowedEvent | None:
    return next((one for one in policy.allowed if _allows(one, event)), None)


def _allows(rule: AllowedEvent, event: probes.browser.Event) -> bool:
    said = rule.text is None or re.search(rule.text, event.text) is not None
    return rule.kind == event.kind and said and re.fullmatch(rule.where, event.where) is not None


def _said(policy: BrowserPolicy, kind: str, events: Sequence[probes.browser.Event]) -> str:
    """Return what events of one kind are, empty where they are within the policy."""
    if kind == _LONG_TASK:
        limit = policy.long_task * _MILLISECONDS
        long = [one.value for one in events if one.value > limit]
        return (
            f"{_counted(len(long), kind)} over {limit:.0f} ms, up to {max(long):.0f}"
            if long
            else ""
        )
    if kind == _LAYOUT_SHIFT:
        total, limit = sum(one.value for one in events), policy.layout_shift
        return f"layout shifts of {total:.2f} together, over {limit:g}" if total > limit else ""
    return _named(events)


def _named(events: Iterable[probes.browser.Event]) -> str:
    """Return events of one kind with their places, each once."""
    found = list(events)
    places = Counter(f"{one.what} at {one.where}".removeprefix(" at ") for one in found)
    shown = [place + (f" ({count} times)" if count > 1 else "") for place, count in places.items()]
    more = len(shown) - _MOST_NAMED
    named = ", ".join([*shown[:_MOST_NAMED], *([f"and {more} more"] if more > 0 else [])])
    return f"{_counted(len(found), found[0].kind)}: {named}"


def _counted(number: int, kind: str) -> str:
    plural = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"
    return f"{number} {kind if number == 1 or kind == 'mixed content' else plural}"

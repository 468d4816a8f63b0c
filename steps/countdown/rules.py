"""What is said of the countdown as a whole, by what this run found of its items; and of posted notices."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence

from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome, worst_outcome
from gates.decide.windows import moment
from steps.kit.expect import expect

RULE = "computed"
_GOOD = (Outcome.PASS, Outcome.NOT_APPLICABLE)
_MOST_NAMED = 10


def completed(
    subject: str, found: Mapping[str, Outcome | None], waived: Mapping[str, tuple[Outcome, str]]
) -> Judgement:
    """Judge a list of items by what was found of each; None: nothing, so it counts as not done.

    `waived` says what was found of an item when it was waived, and how; what is worse now is not waived.
    """
    excused = {
        item: waived[item][1]
        for item, outcome in found.items()
        if item in waived and _excuses(waived[item][0], outcome)
    }
    open_ = {item: one for item, one in found.items() if one not in _GOOD and item not in excused}
    if not found:
        sentence = f"{subject}: this run asked none of them, so nothing says whether they are"
        return expect(None, subject, sentence, "a run of the whole countdown", rule=RULE)
    done = f"{len(found) - len(open_)} of {len(found)}"
    also = (
        f"; waived: {_listed([f'{item} {how}' for item, how in excused.items()])}"
        if excused
        else ""
    )
    lacking = (
        f"; not {_listed([f'{item} ({_word(one)})' for item, one in open_.items()])}"
        if open_
        else ""
    )
    return expect(
        None if open_ and Outcome.FAIL not in open_.values() else not open_,
        subject,
        f"{subject}: {done}{lacking}{also}",
        "each of these items done, or waived by two people",
        rule=RULE,
        observed=len(found) - len(open_),
        target=len(found),
        data={"open": list(open_), "waived": list(excused)},
    )


def _excuses(when_waived: Outcome, now: Outcome | None) -> bool:
    waivable = now in (Outcome.FAIL, Outcome.INCONCLUSIVE)
    return waivable and now is not None and worst_outcome((when_waived, now)) is when_waived


def _word(outcome: Outcome | None) -> str:
    return "not asked" if outcome is None else outcome.value


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def says(text: str, words: Sequence[str]) -> bool:
    """Tell whether all words stand in a text, in any case; v1.2.0 is not in one of v1.2.0-rc1 or v1.2.01."""
    bounds = (rf"(?<![\w.-]){re.escape(word)}(?![\w-]|[.]\w)" for word in words)
    return all(re.search(one, text, re.IGNORECASE) for one in bounds)


def noticed(
    place: str, words: Sequence[str], at: dt.datetime | None, since: dt.datetime
) -> Judgement:
    """Judge that a notice stands in a place; one that is not there is not done, and not bad."""
    said = " and ".join(f"“{one}”" for one in words)
    if at is None:
        sentence = f"no message in {place} since {moment(since)} UTC says {said}"
    else:
        sentence = f"a message in {place} of {moment(at)} UTC says {said}"
    clears = f"a message in {place} that says {said}"
    good = True if at is not None else None
    return expect(good, f"the notice in {place}", sentence, clears, rule="notice")

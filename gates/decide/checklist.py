"""The countdown as a list: what the newest run that asked an item found, who owes it, and by when."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from gates.decide.catalogue import Row
from gates.decide.fold import DOUBLED, MISSING, WAIVED
from gates.decide.outcome import Outcome
from gates.decide.verdict import CheckResult, Verdict, red_of

FAILED, OPEN, LET_PASS, DONE, NOT_HERE = "failed", "missing", "waived", "done", "does not apply"
STATES = (FAILED, OPEN, LET_PASS, DONE, NOT_HERE)
"""The worst first."""
_BEFORE = {
    "T-7d": dt.timedelta(days=7),
    "T-3d": dt.timedelta(days=3),
    "T-1d": dt.timedelta(days=1),
    "T-2h": dt.timedelta(hours=2),
}
_STATE_OF = {
    Outcome.FAIL: FAILED,
    **dict.fromkeys((Outcome.INCONCLUSIVE, Outcome.ERROR, MISSING, DOUBLED), OPEN),
    WAIVED: LET_PASS,
    Outcome.PASS: DONE,
    Outcome.NOT_APPLICABLE: NOT_HERE,
}


@dataclasses.dataclass(frozen=True, slots=True)
class Item:
    """One item of the countdown."""

    check: str
    title: str
    owner: str
    due: str
    """T-7d, …"""
    by: dt.datetime | None
    """That as a time; None where nobody planned the start."""
    state: str
    said: str = ""
    """Why it is not done."""
    clears: str = ""
    """What would make it done, such as a command."""
    asked_at: str | None = None
    """When the run began that found this; None: no run has asked it."""

    @property
    def is_open(self) -> bool:
        """Whether somebody owes it."""
        return self.state in (FAILED, OPEN)


@dataclasses.dataclass(frozen=True, slots=True)
class Checklist:
    """The items of one release's countdown in one environment."""

    environment: str
    release: str | None
    start: dt.datetime | None
    """When phase 1 is planned to begin; None where that is not known."""
    items: tuple[Item, ...]

    @property
    def owners(self) -> dict[str, list[Item]]:
        """Return the items of each owner, first whoever owes most; of each, what is open first, by time."""
        owners: dict[str, list[Item]] = {}
        order = list(_BEFORE)
        for one in sorted(
            self.items, key=lambda one: (STATES.index(one.state), order.index(one.due))
        ):
            owners.setdefault(one.owner, []).append(one)
        open_ = {name: sum(one.is_open for one in mine) for name, mine in owners.items()}
        return dict(sorted(owners.items(), key=lambda owner: (-open_[owner[0]], owner[0])))

    @property
    def counts(self) -> dict[str, int]:
        """Return how many items are in each state that any is in."""
        states = [one.state for one in self.items]
        return {state: states.count(state) for state in STATES if state in states}

    def record(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "schema": 1,
            "environment": self.environment,
            "release": self.release,
            "planned_start": self.start and self.start.isoformat(),
            "counts": self.counts,
            "items": [
                {**dataclasses.asdict(one), "by": one.by and one.by.isoformat()}
                for one in self.items
            ],
        }


def all_items(
    rows: Iterable[Row],
    sections: Collection[str] | None,
    titles: Mapping[str, str],
    verdicts: Sequence[Verdict],
    start: dt.datetime | None,
) -> tuple[Item, ...]:
    """Return every item of the countdown in the catalogue's order; of `verdicts` the newest comes first.

    `sections` of the environment are None where they are not known; then every item applies until a run
    says otherwise.
    """
    return tuple(
        _item(row, titles.get(row.id, row.id), _newest(row.id, verdicts), sections, start)
        for row in rows
        if row.phase == "pre-deploy"
    )


def _newest(check: str, verdicts: Iterable[Verdict]) -> tuple[Verdict, CheckResult] | None:
    found = ((one, result) for one in verdicts if (result := one.check(check)) is not None)
    return next(found, None)


def of_verdict(verdict: Verdict) -> Checklist:
    """Return what one run of the countdown says of the items that it asked; of another gate, nothing.

    The windows are asked in every phase too: there they are no items of the countdown.
    """
    at = verdict.at
    items = tuple(
        _found(Item(one.id, one.name, one.owner, at, None, OPEN), verdict, one)
        for one in verdict.checks
        if at is not None and one.phase == "pre-deploy"
    )
    return Checklist(verdict.environment, verdict.release, None, items)


def _item(
    row: Row,
    title: str,
    found: tuple[Verdict, CheckResult] | None,
    sections: Collection[str] | None,
    start: dt.datetime | None,
) -> Item:
    by = None if start is None else start - _BEFORE[row.due]
    item = Item(row.id, title, row.owner, row.due, by, OPEN, "no run has asked it yet")
    if found is not None:
        return _found(item, *found)
    here = sections is None or row.applies(sections)
    return item if here else dataclasses.replace(item, state=NOT_HERE, said="")


def _found(item: Item, verdict: Verdict, check: CheckResult) -> Item:
    """Return an item with what a run found of it: the worst region's."""
    item = dataclasses.replace(item, asked_at=verdict.started_at, said="")
    if check.not_applicable is not None:
        return dataclasses.replace(item, state=NOT_HERE, said=check.not_applicable)
    states = {one: _STATE_OF[verdict.cell(check, one)] for one in verdict.region_names()}
    region = min(states, key=lambda one: STATES.index(states[one]), default="")
    state = states.get(region, OPEN)
    if state == LET_PASS:
        return dataclasses.replace(item, state=state, said=str(verdict.waiver(check.id)))
    if state == DONE:
        return dataclasses.replace(item, state=state)
    result = check.regions.get(region)
    red = red_of(result) if result is not None else ()
    said = red[0].sentence if red else "the run ended before it was asked"
    return dataclasses.replace(item, state=state, said=said, clears=red[0].clears if red else "")

"""What a gradual rollout builds on: the windows and days before, as the environment's state has their runs.

Source: the runbook's "Gradual Feature Rollout" (ROLLOUT-1): each step only if no issues.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence

from gates.decide.outcome import Decision
from gates.decide.scope import PostDeploy, Rollout, Watch
from gates.decide.statements import Kind, Overridden
from gates.decide.times import ROLLOUT_DAYS, WINDOWS
from gates.run.bundle import bad_in
from settings.flags import Flags, Redis, RolloutPolicy
from steps.kit.chain import Record

_WINDOWS = tuple(WINDOWS)


def missing(
    day: int,
    records: Iterable[Record],
    switched_at: str | None,
    regions: Sequence[str],
    decisions: Iterable[Overridden],
    day_seconds: float = 86_400.0,
) -> Iterator[str]:
    """Yield, in sentences, what before a day of the rollout is not GO in a region; nothing when all is.

    `records` are those of the release's runs, oldest first: of each window and day the last one counts in
    each region, if it began after the traffic switch; of the first day's window, once that day was over
    (`day_seconds`, in the environment's scale). A HOLD that people decided to go on from counts as GO.
    """
    if switched_at is None:
        yield "since when the release carries traffic is not known; say --switched-at"
        return
    proceed = {one.run for one in decisions if one.decision is Kind.PROCEED}
    switched = dt.datetime.fromisoformat(switched_at)
    over = switched + dt.timedelta(seconds=day_seconds)
    last = _last_asked(records)
    for gate, asked, command in _before(day):
        for region in regions:
            found = last.get((gate, asked, region))
            why = _not_good(found, region, switched, proceed) if found else "was never asked"
            if found and not why and asked == _WINDOWS[-1] and _began(found) < over:
                why = f"was asked before its day was over (run {found['run']})"
            if why:
                yield f"{command} {why} in {region}; day {day} builds on it"


def _last_asked(records: Iterable[Record]) -> dict[tuple[str, str, str], Record]:
    """Return the last run that asked each window and day in each region, by gate, window or day, and region.

    Who asked a longer window asked the shorter ones too. A run of a part of the checks (`--only`) counts
    where one of them was not good, and a watch, of every window, where it found a reason to roll back. What
    shows a HOLD as people decided it asked nothing itself.
    """
    last: dict[tuple[str, str, str], Record] = {}
    for one in (record for record in records if not record.get("overridden")):
        asked: tuple[str, ...] = (str(one["at"]),)
        gate, counts = one["gate"], bad_in(one) if one.get("only") else one["regions"]
        if gate == PostDeploy.name:
            asked = _WINDOWS[: _WINDOWS.index(one["window"]) + 1]
        elif gate == Watch.name:
            gate, asked = PostDeploy.name, _WINDOWS
            counts = [where for where in counts if one["regions"][where] == Decision.ROLLBACK]
        last.update({(gate, each, where): one for each in asked for where in counts})
    return last


def _before(day: int) -> Iterator[tuple[str, str, str]]:
    """Yield gate, what it was asked and its command, for each window and day that has to be GO."""
    for window in _WINDOWS if day > 1 else _WINDOWS[:2]:
        yield PostDeploy.name, window, f"post-deploy --window {window}"
    for one in ROLLOUT_DAYS:
        if one < day:
            yield Rollout.name, str(one), f"rollout --day {one}"


def _began(found: Record) -> dt.datetime:
    return dt.datetime.fromisoformat(found["started_at"])


def _not_good(found: Record, region: str, switched: dt.datetime, proceed: set[str]) -> str:
    if _began(found) < switched:
        return f"was asked before the traffic switch (run {found['run']})"
    said = found["regions"][region]
    went_on = said == Decision.HOLD and found["run"] in proceed
    good = found["state"] == "complete" and (said == Decision.GO or went_on)
    return "" if good else f"was {said}, {found['state']} (run {found['run']})"


def next_step(
    day: int, policy: RolloutPolicy, flags: Flags | None, redis: Redis | None
) -> tuple[str, ...]:
    """Return the exact commands of the next percentage; nothing is executed."""
    later = [one for one in ROLLOUT_DAYS if one > day]
    if not later or flags is None or redis is None:
        return ()
    share, following = policy.of(later[0]), f"gate rollout --day {later[0]}"
    keys = [flags.keys(name)[1] for name in flags.rolled_out]
    orders = "; ".join(f"{redis.cli} SET {key} {share}" for key in keys)
    before = "post-deploy --window 24h is GO too" if day == 1 else "all is GO still"
    return (f"On day {later[0]}, once {before}: {orders}. Then {following}.",)

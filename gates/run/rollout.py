"""What a gradual rollout builds on: the windows and days before, as the verdicts of their runs say.

Source: the runbook's "Gradual Feature Rollout" (ROLLOUT-1): each step only if no issues.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence

from gates.decide.outcome import Decision
from gates.decide.scope import PostDeploy, Rollout
from gates.decide.statements import Overridden
from gates.decide.times import ROLLOUT_DAYS
from gates.decide.verdict import Verdict
from gates.run.runs import Run, UnreadableRunError
from settings.flags import Flags, Redis, RolloutPolicy
from steps.flags.reading import redis_cli

_FIRST_DAY = ("15m", "1h")


def verdicts(runs: Iterable[Run]) -> Iterator[Verdict | str]:
    """Yield what runs of windows and days decided, newest first; in words where that is no verdict."""
    for run in runs:
        record = _record(run)
        if record.get("gate") in (PostDeploy.name, Rollout.name) and not record.get("only"):
            try:
                yield run.verdict()
            except UnreadableRunError as exc:
                yield str(exc)


def _record(run: Run) -> Mapping[str, object]:
    try:
        return run.record()
    except UnreadableRunError:
        return {"gate": PostDeploy.name}


def missing(
    day: int,
    found: Iterable[Verdict | str],
    asked: Verdict,
    regions: Sequence[str],
    decisions: Mapping[str, Overridden],
) -> tuple[str, ...]:
    """Return why what comes before a day is not GO in every region; nothing when it is.

    The last run of each window and day counts, of the same environment, release and traffic switch. A HOLD
    that people decided to go on from is as good as a GO.
    """
    switched_at = asked.traffic_switched_at
    if switched_at is None:
        return ("since when the release carries traffic is not known; say --switched-at",)
    windows = {one: f"post-deploy --window {one}" for one in (*_FIRST_DAY, *["24h"] * (day > 1))}
    days = {str(one): f"rollout --day {one}" for one in ROLLOUT_DAYS if one < day}
    last: dict[str, Verdict] = {}
    problems = []
    for one in found:
        if isinstance(one, str):
            problems.append(one)
        elif (one.environment, one.release) == (asked.environment, asked.release):
            name = one.window if one.gate == PostDeploy.name else one.at
            last.setdefault(name or "", one)
    for name, command in {**windows, **days}.items():
        # What asks a longer time asks the shorter one too.
        longer = [*windows][[*windows].index(name) :] if name in windows else [name]
        verdict = next((last[each] for each in longer if each in last), None)
        if verdict is None:
            problems.append(f"{command} was never asked here")
        elif why := _not_good(verdict, dt.datetime.fromisoformat(switched_at), regions, decisions):
            problems.append(f"{command} {why} (run {verdict.run})")
    return tuple(f"{one}; day {day} builds on it" for one in problems)


def _not_good(
    verdict: Verdict,
    switched_at: dt.datetime,
    regions: Sequence[str],
    decisions: Mapping[str, Overridden],
) -> str:
    if dt.datetime.fromisoformat(verdict.started_at) < switched_at:
        return "was asked before the traffic switch"
    if set(regions) - set(verdict.regions):
        return "was not asked in every region"
    decided = decisions.get(verdict.run)
    on = verdict.decision is Decision.HOLD and decided is not None and decided.decision == "proceed"
    return (
        ""
        if verdict.is_go or (verdict.complete and on)
        else f"was {verdict.decision or 'not decided'}"
    )


def next_step(
    day: int, policy: RolloutPolicy, flags: Flags | None, redis: Redis | None
) -> tuple[str, ...]:
    """Return the exact commands of the next percentage; nothing is executed."""
    later = [one for one in ROLLOUT_DAYS if one > day]
    if not later or flags is None or redis is None:
        return ()
    share = policy.of(later[0])
    keys = [flags.keys(name)[1] for name in flags.rolled_out]
    orders = "; ".join(f"{redis_cli(redis)} SET {key} {share}" for key in keys)
    before = "post-deploy --window 24h is GO too" if day == 1 else "all is GO still"
    return (f"On day {later[0]}, once {before}: {orders}. Then gate rollout --day {later[0]}.",)

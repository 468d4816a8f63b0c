"""Sessions that run for long, and standbys that follow. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from steps.kit.expect import age, expect, measured

if TYPE_CHECKING:
    import probes
    from gates.decide.judgement import Judgement

_SUBJECT, _LAG = "long-running queries", "replication lag"
_UNTOLD = "disabled"


def none_long(found: probes.sessions.Running, limit_seconds: float) -> Judgement:
    """Judge that nothing runs for longer than the limit, idle transactions and prepared ones included."""
    told = [one.seconds for one in found.busy if one.seconds is not None]
    longest = max(told, default=0.0)
    untold = sum(one.seconds is None or one.state == _UNTOLD for one in found.busy)
    long = [one for one in found.busy if (one.seconds or 0.0) > limit_seconds]
    good = False if long else None if found.in_recovery or untold else True
    words = f"{len(found.busy)} sessions run something, the longest for {age(longest)}"
    if long:
        worst = max(long, key=lambda one: one.seconds or 0.0)
        words = (
            f"{len(long)} run for longer, one of {worst.user} ({worst.state}) for {age(longest)}"
        )
    if good is None:
        words = (
            "the database answers as a standby"
            if found.in_recovery
            else (f"of {untold} sessions Postgres does not tell what they do (track_activities)")
        )
    return expect(
        good,
        _SUBJECT,
        f"{_SUBJECT}: {words}; wanted at most {age(limit_seconds)}",
        "what runs for long ended, or a primary that tells what its sessions do",
        **measured("longest", round(longest, 1), limit_seconds, "s"),
        data={"long": len(long), "busy": len(found.busy)},
    )


def close(found: probes.sessions.Followed, wanted: int, most_seconds: float) -> Judgement:
    """Judge that all standbys are there and replay in time; a look that took too long is undecided."""
    if not wanted and not found.standbys:
        return expect(True, _LAG, f"{_LAG}: this database has no standby", rule="lag")
    late = found.caught_up < found.standbys or found.behind_seconds >= most_seconds
    good = (
        False
        if late or found.standbys < wanted
        else True
        if found.seconds <= most_seconds
        else None
    )
    words = f"all of them have replayed it within {found.seconds:.2f} s"
    if found.caught_up < found.standbys:
        words = (
            f"{found.standbys - found.caught_up} have not replayed it after {found.seconds:.2f} s"
        )
    elif good is None:
        words = f"all have replayed it, and the look itself took {found.seconds:.2f} s"
    return expect(
        good,
        _LAG,
        f"{_LAG}: {found.standbys} standbys stream, wanted {wanted}; of what the primary had written "
        f"{words}, wanted at most {age(most_seconds)}",
        "every standby streaming and caught up",
        **measured("lag", round(found.seconds, 3), most_seconds, "s"),
        data={"standbys": found.standbys, "caught_up": found.caught_up},
    )

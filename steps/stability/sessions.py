"""The primary's sessions in the first hour: what runs for long, and how its standbys follow it."""

from __future__ import annotations

import probes
from gates.decide.judgement import Judgement
from steps.data.reads import Data
from steps.kit.asked import Asked, Unread
from steps.kit.expect import age, expect, measured, unable
from steps.kit.sentence import then, when

FLOOR_SECONDS = 2.0
"""No statement of that length is long, however fast an environment's clock runs."""
_SUBJECT, _LAG = "long-running queries", "replication lag"
_UNTOLD = "disabled"


@when("the primary's sessions are read", target_fixture="primary")
def look_at_sessions(asked: Asked) -> Data:
    return Data.of(asked.platform)


@then("no session has run a statement or a transaction for long")
def nothing_long(asked: Asked, primary: Data) -> None:
    """Judge the longest of what runs now in the login's database."""
    platform, deadline = asked.platform, asked.platform.call_deadline()
    found = asked.read(
        "the sessions of the primary",
        lambda: probes.sessions.running(primary.login, deadline=deadline),
    )
    _sees_others(asked, may_look=found.may_look)
    asked.judge(
        none_long(found, platform.scaled(platform.policy.stability.longest_query, FLOOR_SECONDS))
    )


@then("what was written is on every standby within the policy's lag")
def standbys_close(asked: Asked, primary: Data) -> None:
    """Judge that each standby replays within that time what the primary had written when it was asked."""
    policy = asked.platform.policy
    most = policy.stability.max_lag
    deadline = asked.platform.deadline.sooner(policy.deadlines.call + most)
    found = asked.read(
        "the standbys of the primary",
        lambda: probes.sessions.followed(primary.login, most, deadline=deadline),
    )
    _sees_others(asked, may_look=found.may_look)
    asked.judge(close(found, primary.section.standbys, most))


def _sees_others(asked: Asked, *, may_look: bool) -> None:
    """Judge a login that is shown its own sessions only, as ERROR; raises Unread then."""
    if may_look:
        return
    sentence = (
        "the gate's login sees neither the sessions of others nor the standbys; "
        "GRANT pg_read_all_stats to it"
    )
    asked.judge(unable("sessions", sentence, "that grant; deploy/postgres/gate_role.sql has it"))
    raise Unread("sessions")


def none_long(found: probes.sessions.Running, limit_seconds: float) -> Judgement:
    """Judge that nothing runs for longer than the limit, idle transactions and prepared ones included."""
    untold = sum(one.seconds is None or one.state == _UNTOLD for one in found.busy)
    long = [one for one in found.busy if (one.seconds or 0.0) > limit_seconds]
    worst = max(found.busy, key=lambda one: one.seconds or 0.0, default=None)
    longest = worst.seconds or 0.0 if worst else 0.0
    good: bool | None = True
    words = f"{len(found.busy)} sessions run something, the longest for {age(longest)}"
    if long and worst:
        good = False
        words = (
            f"{len(long)} run for longer, one of {worst.user} ({worst.state}) for {age(longest)}"
        )
    elif found.in_recovery:
        good, words = None, "the database answers as a standby"
    elif untold:
        good = None
        words = f"of {untold} sessions Postgres does not tell what they do (track_activities)"
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
    behind = found.standbys - found.caught_up
    late = behind > 0 or found.behind_seconds >= most_seconds or found.standbys < wanted
    good = False if late else found.seconds <= most_seconds or None
    words = f"all of them have replayed it within {found.seconds:.2f} s"
    if behind > 0:
        words = f"{behind} have not replayed it after {found.seconds:.2f} s"
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

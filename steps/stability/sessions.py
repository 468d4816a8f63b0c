"""The primary's sessions in the first hour: what runs for long, and how its standbys follow it."""

from __future__ import annotations

import probes
from steps.data.reads import Data
from steps.kit.asked import Asked, Unread
from steps.kit.expect import unable
from steps.kit.sentence import then, when
from steps.stability import session_rules as rules

FLOOR_SECONDS = 2.0
"""No statement of that length is long, however fast an environment's clock runs."""


@when("the primary's sessions are read", target_fixture="primary")
def look_at_sessions(asked: Asked) -> Data:
    """Return the data of the platform; raises NotDescribedError."""
    return Data.of(asked.platform)


@then("no session has run a statement or a transaction for long")
def nothing_long(asked: Asked, primary: Data) -> None:
    """Judge the longest of what runs now in the login's database."""
    platform = asked.platform
    deadline = platform.call_deadline()
    found = asked.read(
        "the sessions of the primary",
        lambda: probes.sessions.running(primary.login, deadline=deadline),
    )
    _sees_others(asked, may_look=found.may_look)
    limit = platform.scaled(platform.policy.stability.longest_query, FLOOR_SECONDS)
    asked.judge(rules.none_long(found, limit))


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
    asked.judge(rules.close(found, primary.section.standbys, most))


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

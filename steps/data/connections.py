"""The database's connections before a deployment: room for the doubled replicas, standbys in step."""

from __future__ import annotations

import probes
from steps.data import rules
from steps.data.reads import Data
from steps.kit.asked import Asked
from steps.kit.expect import unable
from steps.kit.sentence import then


@then("the primary answers, has connections to spare, and its standbys keep up")
def connections(asked: Asked) -> None:
    data, deadline = Data.of(asked.platform), asked.platform.call_deadline()
    policy = data.policy.connections
    found = asked.read(
        "the database, asked by the gate",
        lambda: probes.sessions.sessions(data.login, deadline=deadline),
    )
    asked.judge(rules.is_primary(found))
    if not found.may_look:
        # Without that right only the gate's own sessions are seen: no finding about the platform.
        sentence = (
            "the gate's login sees neither the connections of others nor the standbys; "
            "GRANT pg_read_all_stats to it"
        )
        clears = "that grant; deploy/postgres/gate_role.sql has it"
        asked.judge(unable("connections", sentence, clears))
        return
    asked.judge(rules.room_to_spare(found, policy))
    if not found.in_recovery:
        asked.judge(*rules.standbys_keep_up(found, data.section.standbys, policy))

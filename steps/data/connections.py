"""The database's connections before a deployment: room for the doubled replicas, standbys in step."""

from __future__ import annotations

import probes
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from settings.data import ConnectionPolicy
from steps.data.reads import DataSystem
from steps.kit.check import Check
from steps.kit.expect import expect
from steps.kit.platform import Platform
from steps.kit.units import age

_MEGABYTE = 1024 * 1024


def judge_connections(platform: Platform, check: Check) -> None:
    """Judge that the primary answers, has connections left, and that its standbys stream and keep up."""
    system = DataSystem(platform, check)
    policy = system.policy.connections
    observed = probes.sessions.sessions(system.login, deadline=platform.call_deadline())
    system.keep(observed)
    found = observed.value
    if found is None:
        system.judge(system.unreadable("the database, asked by the gate", observed))
        return
    system.judge(_primary(found))
    if not found.may_look:
        # Without that right only the gate's own sessions are seen: no finding about the platform.
        system.judge(_may_not_look())
        return
    system.judge(_room(found, policy))
    if not found.in_recovery:
        system.judge(*_standbys(found, system.section.standbys, policy))


def _primary(found: probes.sessions.Sessions) -> Judgement:
    return expect(
        good=not found.in_recovery,
        rule="primary",
        subject="the database",
        sentence="the database answers as a standby, wanted the primary"
        if found.in_recovery
        else "the primary answers the gate",
        clears="the primary behind that address",
        observed="standby" if found.in_recovery else "primary",
        target="primary",
    )


def _room(found: probes.sessions.Sessions, policy: ConnectionPolicy) -> Judgement:
    allowed = int(found.available * policy.max_used)
    return expect(
        good=found.used <= allowed,
        rule="connections",
        subject="connections",
        sentence=f"{found.used} of {found.available} connections are in use, the gate's own left out; "
        f"wanted at most {allowed} ({policy.max_used:.0%}), so that the new version's pools fit beside",
        clears=f"{max(0, found.used - allowed)} connections fewer, or a higher max_connections",
        observed=found.used,
        target=allowed,
        unit="connections",
    )


def _standbys(
    found: probes.sessions.Sessions, wanted: int, policy: ConnectionPolicy
) -> list[Judgement]:
    if not wanted and not found.standbys:
        return []
    # What never says how far it replayed is no standby: it archives the log (pg_receivewal, Barman).
    streaming = [
        one for one in found.standbys if one.state == "streaming" and one.behind_bytes is not None
    ]
    counted = expect(
        good=len(streaming) >= wanted,
        rule="standbys",
        subject="standbys",
        sentence=f"{len(streaming)} standbys stream from the primary, wanted {wanted}",
        clears=f"{max(0, wanted - len(streaming))} more standbys streaming",
        observed=len(streaming),
        target=wanted,
    )
    return [counted, *(_lag(number, one, policy) for number, one in enumerate(streaming, start=1))]


def _lag(number: int, standby: probes.sessions.Standby, policy: ConnectionPolicy) -> Judgement:
    seconds = standby.behind_seconds or 0.0
    megabytes = (standby.behind_bytes or 0) / _MEGABYTE
    return expect(
        good=seconds <= policy.max_lag and megabytes <= policy.max_lag_mb,
        rule="replication lag",
        subject=f"standby {number}",
        sentence=f"standby {number} is {age(seconds)} and {megabytes:.1f} MB behind, wanted at most "
        f"{age(policy.max_lag)} and {policy.max_lag_mb:g} MB",
        clears="the standby caught up",
        observed=round(seconds, 3),
        target=policy.max_lag,
        unit="s",
        data={"behind_megabytes": round(megabytes, 3)},
    )


def _may_not_look() -> Judgement:
    return Judgement(
        outcome=Outcome.ERROR,
        rule="our side",
        subject="connections",
        sentence="the gate's login sees neither the connections of others nor the standbys; "
        "GRANT pg_read_all_stats to it",
        clears="that grant; deploy/postgres/gate_role.sql has it",
    )

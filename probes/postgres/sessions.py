"""How full a primary's connections are, and how far its standbys are behind."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Final

from probes import postgres
from probes.observation import Deadline, Observation
from probes.postgres import PostgresTarget, Reader

# What the gate itself holds is not counted; sessions of the server's own workers are no connections.
_CONNECTIONS: Final = """
SELECT pg_is_in_recovery(),
       current_setting('max_connections')::int
         - current_setting('superuser_reserved_connections')::int
         - coalesce(current_setting('reserved_connections', true), '0')::int,
       (SELECT count(*) FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid())
"""
# Who copies changes to another system (logical decoding: Debezium, DMS) streams too, and is no standby.
_STANDBYS: Final = """
SELECT r.state, pg_wal_lsn_diff(pg_current_wal_lsn(), r.replay_lsn)::bigint,
       extract(epoch FROM r.replay_lag)::float8
FROM pg_stat_replication r
WHERE NOT EXISTS (SELECT FROM pg_replication_slots s
                  WHERE s.active_pid = r.pid AND s.slot_type = 'logical')
ORDER BY r.pid
"""
_MAY_LOOK: Final = "SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')"


@dataclasses.dataclass(frozen=True, slots=True)
class Standby:
    """One standby as the primary sees it."""

    state: str
    behind_bytes: int | None
    """None while it has not said what it replayed; what only archives the log never does."""
    behind_seconds: float | None
    """None while it is idle and has caught up."""


@dataclasses.dataclass(frozen=True, slots=True)
class Sessions:
    """The primary's connections and standbys."""

    in_recovery: bool
    """True on a standby."""
    available: int
    """How many connections ordinary logins can have."""
    used: int
    """How many are in use, the gate's own left out."""
    may_look: bool
    """Whether the login is shown other sessions and standbys; without that right it sees only its own."""
    standbys: tuple[Standby, ...]

    def facts(self) -> Mapping[str, object]:
        """Return all of it."""
        return dataclasses.asdict(self)


def sessions(target: PostgresTarget, *, deadline: Deadline) -> Observation[Sessions]:
    """Return connections and standbys of the primary."""

    def ask(reader: Reader) -> Sessions:
        ((in_recovery, available, used),) = reader.rows(_CONNECTIONS)
        ((may_look,),) = reader.rows(_MAY_LOOK)
        standbys = () if in_recovery else reader.rows(_STANDBYS)
        return Sessions(
            in_recovery=in_recovery is True,
            available=int(str(available)),
            used=int(str(used)),
            may_look=may_look is True,
            standbys=tuple(map(_standby, standbys)),
        )

    return postgres.asked(target, ask, deadline=deadline)


def _standby(row: tuple[object, ...]) -> Standby:
    state, behind_bytes, behind_seconds = row
    return Standby(
        state=str(state),
        behind_bytes=behind_bytes if isinstance(behind_bytes, int) else None,
        behind_seconds=behind_seconds if isinstance(behind_seconds, float) else None,
    )

"""Faults of feature flags, of the log of their changes, and of the gate's own sight of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.faults.actions import Action, LinksChanged
from sandbox.systems.data.redis_server import GATE
from sandbox.systems.flags import feature_flags

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.faults.holds import Holds


@dataclass(frozen=True, slots=True)
class FlagChanged:
    """A flag that somebody changes the platform's own way: it is logged, and wrong all the same."""

    flag: str
    enabled: bool
    percentage: int

    async def apply(self, holds: Holds, fault: str) -> None:  # noqa: ARG002 - the protocol's
        """Change it."""
        await feature_flags.change(holds.platform, self.flag, (self.enabled, self.percentage))

    async def revert(self, holds: Holds, fault: str) -> None:  # noqa: ARG002 - the protocol's
        """Change it back to what it is meant to be at this phase."""
        meant = feature_flags.meant(holds.platform)[self.flag]
        await feature_flags.change(holds.platform, self.flag, meant)


@dataclass(frozen=True, slots=True)
class KeySet:
    """A key that somebody sets with redis-cli, past the platform and its log."""

    key: str
    value: str

    async def apply(self, holds: Holds, fault: str) -> None:  # noqa: ARG002 - the protocol's
        """Set it."""
        await feature_flags.order(holds.platform.layout, "SET", self.key, self.value)

    async def revert(self, holds: Holds, fault: str) -> None:  # noqa: ARG002 - the protocol's
        """Put back what it is meant to hold."""
        await feature_flags.put_back(holds.platform, self.key)


@dataclass(frozen=True, slots=True)
class GateRight:
    """A right on Redis that the gate's user loses."""

    command: str

    async def apply(self, holds: Holds, fault: str) -> None:  # noqa: ARG002 - the protocol's
        """Take it away."""
        layout = holds.platform.layout
        await feature_flags.order(layout, "ACL", "SETUSER", GATE, f"-{self.command}")

    async def revert(self, holds: Holds, fault: str) -> None:  # noqa: ARG002 - the protocol's
        """Give it back."""
        layout = holds.platform.layout
        await feature_flags.order(layout, "ACL", "SETUSER", GATE, f"+{self.command}")


@dataclass(frozen=True, slots=True)
class AuditBroken:
    """An audit log that the owner of its table tampers with."""

    broken: bytes
    mended: bytes

    async def apply(self, holds: Holds, fault: str) -> None:
        """Tamper; once more would tamper with what is tampered with already."""
        await self.revert(holds, fault)
        await holds.platform.postgres.as_owner(self.broken)

    async def revert(self, holds: Holds, fault: str) -> None:  # noqa: ARG002 - the protocol's
        """Undo it; may be repeated."""
        await holds.platform.postgres.as_owner(self.mended)


def _lost(key: str) -> AuditBroken:
    """Return the fault that the entries about a key are gone."""
    aside = b"CREATE TABLE IF NOT EXISTS audit.lost (LIKE audit.entries);"
    return AuditBroken(
        aside
        + b"ALTER TABLE audit.entries DISABLE TRIGGER USER;"
        + b"WITH gone AS (DELETE FROM audit.entries WHERE target = '%b' RETURNING *)" % key.encode()
        + b" INSERT INTO audit.lost SELECT * FROM gone;"
        + b"ALTER TABLE audit.entries ENABLE TRIGGER USER;",
        aside
        + b"INSERT INTO audit.entries OVERRIDING SYSTEM VALUE SELECT * FROM audit.lost"
        + b" ON CONFLICT DO NOTHING; DROP TABLE audit.lost;",
    )


def _falsified(key: str, value: str) -> AuditBroken:
    """Return the fault that the newest entry about a key tells another value."""
    aside = b"CREATE TABLE IF NOT EXISTS audit.true (id bigint, new text);"
    return AuditBroken(
        aside + b"INSERT INTO audit.true SELECT id, new FROM audit.entries WHERE target = '%b'"
        b" ORDER BY id DESC LIMIT 1;"
        % key.encode()
        + b"ALTER TABLE audit.entries DISABLE TRIGGER USER;"
        + b"UPDATE audit.entries SET new = '%b' WHERE id IN (SELECT id FROM audit.true);"
        % value.encode()
        + b"ALTER TABLE audit.entries ENABLE TRIGGER USER;",
        aside
        + b"ALTER TABLE audit.entries DISABLE TRIGGER USER;"
        + b"UPDATE audit.entries SET new = audit.true.new FROM audit.true"
        + b" WHERE audit.entries.id = audit.true.id;"
        + b"ALTER TABLE audit.entries ENABLE TRIGGER USER; DROP TABLE audit.true;",
    )


# No rule: a statement that was prepared under DO INSTEAD NOTHING stays nothing after the rule is gone.
_OFF = AuditBroken(
    b"""CREATE FUNCTION audit.dropped() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RETURN NULL;
END
$$;
CREATE TRIGGER off BEFORE INSERT ON audit.entries FOR EACH ROW EXECUTE FUNCTION audit.dropped()""",
    b"DROP FUNCTION IF EXISTS audit.dropped() CASCADE",
)
_TWICE = AuditBroken(
    b"""CREATE FUNCTION audit.again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() = 1 THEN
        INSERT INTO audit.entries (region, actor, action, target, old, new, request_id)
        VALUES (NEW.region, NEW.actor, NEW.action, NEW.target, NEW.old, NEW.new, NEW.request_id);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER twice AFTER INSERT ON audit.entries FOR EACH ROW EXECUTE FUNCTION audit.again()""",
    b"DROP FUNCTION IF EXISTS audit.again() CASCADE",
)
_REFUSED = LinksChanged(("gate-audit",), {"mode": "refuse"})
_UI, _ANALYTICS = "new_appointment_ui", "enhanced_analytics"

FAULTS: Mapping[str, Action] = {
    "flag-on-that-is-always-off": FlagChanged("ai_triage_v2", enabled=True, percentage=0),
    "flag-not-safe": FlagChanged(_UI, enabled=True, percentage=0),
    "flag-percentage-left-over": FlagChanged(_ANALYTICS, enabled=False, percentage=5),
    "flag-set-past-the-platform": KeySet(f"feature:{_UI}:percentage", "100"),
    "flag-value-with-a-blank": KeySet(f"feature:{_UI}", "False "),
    "flag-nobody-described": KeySet("feature:beta_billing", "true"),
    "flag-change-not-logged": _lost(f"feature:{_UI}"),
    "flag-change-logged-otherwise": _falsified(f"feature:{_UI}", "true"),
    "flags-unreadable": GateRight("get"),
    "flag-log-refuses-the-gate": _REFUSED,
    "flag-for-everybody": FlagChanged(_UI, enabled=False, percentage=100),
    "flag-percentage-with-a-sign": KeySet(f"feature:{_ANALYTICS}:percentage", "10 %"),
    "percentage-change-not-logged": _lost(f"feature:{_UI}:percentage"),
    "percentages-unreadable": GateRight("get"),
    "percentage-log-refuses-the-gate": _REFUSED,
    "flag-mistyped-in-the-countdown": KeySet(f"feature:{_ANALYTICS}", "no"),
    "flag-other-than-agreed": FlagChanged(_ANALYTICS, enabled=False, percentage=50),
    "flags-unreadable-in-the-countdown": GateRight("get"),
    "temporary-flag-left": KeySet(f"feature:{feature_flags.TEMPORARY[0]}", "true"),
    "audit-log-off": _OFF,
    "audit-log-twice": _TWICE,
    "audit-log-refuses-the-gate": _REFUSED,
}

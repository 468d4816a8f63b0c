"""The section `data`: tables, migrations and backups of the platform's database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.systems.data.backups import RESTORE_TEST
from sandbox.systems.data.migrations import LOG
from sandbox.systems.data.release_repository import MIGRATIONS

if TYPE_CHECKING:
    from sandbox.core.layout import Layout

_SYNTHETIC = {"synthetic_column": "synthetic_tag"}
# What v1.2.0 reads and writes; the last column of two tables and the last table are new with it.
_TABLES: dict[str, dict[str, Any]] = {
    "users": {
        "columns": ["id", "email", "password_hash", "role", "synthetic_tag", "created_at"],
        "counted": "grows",
        **_SYNTHETIC,
    },
    "patients": {
        "columns": ["id", "user_id", "name", "birth_date", "region", "synthetic_tag", "created_at"],
        "counted": "grows",
        "nulls": ["user_id"],
        **_SYNTHETIC,
    },
    "providers": {
        "columns": ["id", "name", "specialty", "region", "created_at", "languages"],
        "counted": "steady",
    },
    "appointments": {
        "columns": [
            *("id", "patient_id", "provider_id", "starts_at", "status", "synthetic_tag"),
            *("created_at", "source"),
        ],
        "counted": "grows",
        **_SYNTHETIC,
    },
    "payments": {
        "columns": ["id", "appointment_id", "amount_cents", "currency", "mode", "status"],
        "counted": "grows",
        **_SYNTHETIC,
    },
    "video_calls": {
        "columns": ["id", "appointment_id", "status", "created_at", "ended_at"],
        "counted": "grows",
        **_SYNTHETIC,
    },
    "appointment_reminders": {
        "columns": ["id", "appointment_id", "channel", "send_at", "sent_at", "created_at"]
    },
}
_REFERENCES = (
    ("patients", "user_id", "users"),
    ("appointments", "patient_id", "patients"),
    ("appointments", "provider_id", "providers"),
    ("payments", "appointment_id", "appointments"),
    ("video_calls", "appointment_id", "appointments"),
)


def part(layout: Layout) -> dict[str, Any]:
    """Return the section."""
    return {
        "data": {
            "tables": _TABLES,
            "references": [
                {"table": table, "column": column, "to_table": to_table}
                for table, column, to_table in _REFERENCES
            ],
            "migrations": {
                "table": "release_gate.migrations",
                "has_logs_column": "has_logs",
                "repository": str(layout.release_repository),
                "folder": MIGRATIONS,
                "log": str(layout.evidence / LOG),
            },
            "backups": {
                "location": str(layout.backups),
                "kept_apart": str(layout.backups_apart),
                "restore_test": str(layout.evidence / RESTORE_TEST),
                "pg_restore": str(layout.pg_restore),
            },
            "standbys": 1,
        }
    }

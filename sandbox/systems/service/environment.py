"""Regions, API, metrics, external services, databases and load of the local environment file."""

from __future__ import annotations

import datetime as dt
import sys
from typing import TYPE_CHECKING, Any

from sandbox.app.config import REPLICA_HEADER
from sandbox.core.layout import (
    DATABASE,
    HOST,
    JOB,
    REGIONS,
    RELEASE,
    SYNTHETIC_DOMAIN,
    edge_name,
)
from sandbox.systems.data.postgres import GATE
from sandbox.systems.data.redis_server import GATE as REDIS_GATE
from sandbox.systems.monitoring.prometheus_server import SCRAPE_INTERVAL
from sandbox.systems.service.reference_api import SYNTHETIC_PROVIDER

if TYPE_CHECKING:
    from sandbox.core.layout import Layout

LEASE_REQUESTS_PER_SECOND = 180
LOAD_REQUESTS_PER_SECOND = 100_000
"""More than one machine can do; the platform itself is overloaded far below."""
_RELEASED = {"job": JOB, "version": "{release}"}


def part(layout: Layout, switched_at: dt.datetime | None) -> dict[str, Any]:
    """Return what the other areas add to; a fault is a release that went live at `switched_at`."""
    return {
        "schema": 1,
        "name": "local",
        "release": RELEASE,
        "time_scale": 60,
        "owner": "release manager (local platform)",
        "traffic": {
            "switched_at": switched_at and switched_at.astimezone(dt.UTC).isoformat(),
            "lease": {
                "command": _lease_command(layout),
                "requests_per_second": LEASE_REQUESTS_PER_SECOND,
            },
        },
        "regions": {region: _region(layout, region) for region in REGIONS},
        "services": {"api": {"replica_header": REPLICA_HEADER, "health": _health()}},
        "prometheus": {"job": JOB, "scrape_interval": SCRAPE_INTERVAL},
        "metrics": _metrics(),
        "external": _external(layout),
        "postgres": _postgres(layout),
        "redis": _redis(layout),
        "synthetic": _synthetic(layout),
        "load": {"allowed": True, "service": "api", "max_rps": LOAD_REQUESTS_PER_SECOND},
        "vantage_controls": [f"{layout.url('gate-outside')}/aws/status"],
    }


def _lease_command(layout: Layout) -> list[str]:
    state = str(layout.state.path)
    rate = str(LEASE_REQUESTS_PER_SECOND)
    return [
        *(sys.executable, "-m", "sandbox.cli", "--state", state),
        *("traffic", "--rps", rate, "--for", "{seconds}"),
    ]


def _region(layout: Layout, region: str) -> dict[str, Any]:
    return {
        "services": {"api": layout.url(edge_name(region))},
        "prometheus": layout.url("gate-prometheus"),
        "labels": {"region": region},
    }


def _health() -> dict[str, Any]:
    measured = {"status_field": "status", "latency_field": "latency_ms"}
    return {
        "liveness": {"path": "/health", "status_field": "status", "version_field": "version"},
        "database": {"path": "/health/db", **measured},
        "cache": {"path": "/health/redis", **measured},
        "external": {
            "path": "/health/external",
            "status_field": "status",
            "services_field": "services",
        },
    }


def _metrics() -> dict[str, Any]:
    return {
        "request_duration": {"name": "http_request_duration_seconds", "labels": _RELEASED.copy()},
        "requests_total": {
            "name": "http_requests_total",
            "labels": _RELEASED.copy(),
            "status_label": "status",
            "match": ['route!~"/metrics|/health.*"'],
        },
        "query_duration": {"name": "db_query_duration_seconds", "labels": _RELEASED.copy()},
    }


def _external(layout: Layout) -> dict[str, Any]:
    vendors: tuple[tuple[str, str, str, int, list[str]], ...] = (
        ("AWS", "aws", "1-800-AWS-SUPPORT", 15, []),
        ("Azure", "azure", "1-800-AZURE-SUPPORT", 15, []),
        ("Auth0", "auth0", "support@auth0.com", 60, []),
        ("Stripe", "stripe", "support@stripe.com", 30, ["payment"]),
    )
    return {
        "service": "api",
        "endpoint": "external",
        "expected": ["aws", "azure", "auth0", "stripe", "twilio", "sendgrid"],
        "vendors": [
            {
                "name": name,
                "services": [service],
                "support_contact": contact,
                "sla_minutes": minutes,
                "needed_by": steps,
                "address": f"{layout.url('gate-outside')}/{service}/status",
            }
            for name, service, contact, minutes, steps in vendors
        ],
    }


def _postgres(layout: Layout) -> dict[str, Any]:
    return {
        "host": HOST,
        "port": layout.ports["gate-postgres"],
        "database": DATABASE,
        "user": GATE,
        "password": f"file:{layout.secret_file('postgres-gate')}",
        "sslmode": "disable",
        "created_record": {"table": "appointments", "id_column": "id"},
    }


def _redis(layout: Layout) -> dict[str, Any]:
    return {
        "host": HOST,
        "port": layout.ports["gate-redis"],
        "user": REDIS_GATE,
        "password": f"file:{layout.secret_file('redis-gate')}",
        "tls": False,
    }


def _synthetic(layout: Layout) -> dict[str, Any]:
    return {
        "service": "api",
        "email_domain": SYNTHETIC_DOMAIN,
        "token": f"file:{layout.secret_file('synthetic')}",
        "provider_id": SYNTHETIC_PROVIDER,
    }

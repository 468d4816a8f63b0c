"""Faults of the first fifteen minutes: of the API, its databases, its metrics and the gate's own sight."""

from __future__ import annotations

from psycopg import sql

from sandbox.core.layout import (
    LINKS,
    PREVIOUS,
    REGIONS,
    RELEASED_APIS,
    api_name,
    edge_name,
    replica_host,
)
from sandbox.faults.actions import (
    Action,
    AlsoScraped,
    LinksChanged,
    Ordered,
    PressedAgain,
    RedisOrdered,
    Restarted,
    Scripted,
    Stopped,
    Switches,
    TrafficCapped,
    TrafficEnds,
    VendorDown,
)
from sandbox.systems.data.postgres import GATE

_GATE_ROLE = sql.Identifier(GATE)
_GATES_OWN = tuple(name for name in LINKS if name not in ("redis-api", "postgres-api"))
"""Every way by which the gate reaches anything; the two others are the platform's own."""
_ONE_REPLICA = replica_host(1)

FAULTS: dict[str, Action] = {
    "api-down-eu": Stopped((RELEASED_APIS[0],)),
    "api-down-everywhere": Stopped(RELEASED_APIS),
    "errors-0.3-percent": Switches({"error_every": 333}),
    "errors-3-percent": Switches({"error_every": 33}),
    "latency-over-target": Switches({"slow_every": 10, "slow_seconds": 0.3}),
    "latency-over-rollback-limit": Switches({"slow_every": 10, "slow_seconds": 0.7}),
    "latency-p99-only": Switches({"slow_every": 50, "slow_seconds": 0.7}),
    "postgres-down": Stopped(("postgres-primary",)),
    "standby-down": Stopped(("postgres-standby",)),
    "slow-query": Scripted("slow_overview.sql", "normal_overview.sql"),
    "redis-down": Stopped(("redis",)),
    "redis-slow": LinksChanged(("redis-api",), {"latency_seconds": 0.025}),
    "redis-stale-replica": RedisOrdered(
        ("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")
    ),
    "redis-out-of-memory": RedisOrdered(
        ("CONFIG", "SET", "maxmemory", "512kb"), ("CONFIG", "SET", "maxmemory", "64mb")
    ),
    "health-throttled": Switches({"health_status": 429}),
    "health-unknown-asker": Switches({"health_status": 401}),
    "health-404-once": Switches(
        {"health_status": 404, "health_status_first": 1, "health_status_path": "/health "}
    ),
    "health-404": Switches({"health_status": 404, "health_status_path": "/health "}),
    "health-cached": Switches({"health_cached": True}),
    "health-claims-to-be-fast": Switches(
        {"health_db_extra_ms": 400.0, "health_db_claims_ms": 0.003}
    ),
    "one-old-replica": Switches({"reported_version": "1.1.0", "reported_version_at": _ONE_REPLICA}),
    "one-bad-replica": Switches(
        {
            "health_status": 503,
            "health_status_path": "/health ",
            "health_status_at": _ONE_REPLICA,
            "health_status_every": 2,
        }
    ),
    "sticky-balancing": LinksChanged(tuple(map(edge_name, REGIONS)), {"sticky": True}),
    "wrong-version": Switches({"reported_version": "1.1.9"}),
    "old-version-in-one-region": LinksChanged(
        (edge_name(REGIONS[0]),), {"target": api_name(REGIONS[0], PREVIOUS)}
    ),
    "registration-broken": Switches({"registration_broken": True}),
    "login-broken": Switches({"login_broken": True}),
    "booking-writes-nothing": Switches({"booking_writes_nothing": True}),
    "payment-declined": Switches({"payment_declined": True}),
    "video-refused": Switches({"video_refused": True}),
    "vendor-down": VendorDown("stripe"),
    "html-instead-of-json": Switches({"html_health": True}),
    "response-too-large": Switches({"large_health_megabytes": 64}),
    "health-slow": Switches({"health_db_extra_ms": 60.0}),
    "external-endpoint-incomplete": Switches({"external_missing": "twilio"}),
    "expired-credential": Ordered(
        sql.SQL("ALTER ROLE {} VALID UNTIL '2020-01-01'").format(_GATE_ROLE),
        sql.SQL("ALTER ROLE {} VALID UNTIL 'infinity'").format(_GATE_ROLE),
    ),
    "gate-can-write": Ordered(
        sql.SQL("GRANT UPDATE ON appointments TO {}").format(_GATE_ROLE),
        sql.SQL("REVOKE UPDATE ON appointments FROM {}").format(_GATE_ROLE),
    ),
    "gate-without-network": LinksChanged(_GATES_OWN, {"mode": "refuse"}),
    "prometheus-down": Stopped(("prometheus",)),
    "prometheus-slow": LinksChanged(("gate-prometheus",), {"latency_seconds": 60.0}),
    "prometheus-restarted": Restarted(("prometheus",)),
    "scrape-broken": Switches({"metrics_broken": True}),
    "metric-renamed": Switches({"metric_renamed": True}),
    "empty-histogram": Switches({"histogram_empty": True}),
    "other-bucket-bounds": Switches({"other_bucket_bounds": True}),
    "too-little-traffic": TrafficCapped(1.0),
    "errors-in-new-series": Switches({"error_every": 333, "errors_in_new_series": True}),
    "status-in-words": Switches({"error_every": 33, "status_in_words": True}),
    "workers-in-turn": Switches({"workers_in_turn": True}),
    "api-scraped-twice": AlsoScraped(RELEASED_APIS[0], REGIONS[0], {"service": "api-canary"}),
    "pod-without-metrics": AlsoScraped("prometheus", REGIONS[0]),
    "traffic-ends": TrafficEnds(14.0),
    "counter-reset": PressedAgain(7.0, {"reset_counters": True}),
}

"""A fault turns exactly the checks it lists; here against its own, in `./harness faults` against all."""

from __future__ import annotations

import pathlib

import pytest

from gates.decide.catalogue import in_window
from gates.load import load_catalogue
from sandbox.assembly import LEASE_REQUESTS_PER_SECOND as MANY
from sandbox.faults import catalogue
from sandbox.faults.catalogue import Fault, expected
from tests.faults.runs import AT_LENGTH, FEW, applied, folded, found, run_checks, said, together
from tests.sandbox.platforms import Sandbox

FAULTS = {fault.name: fault for fault in catalogue.load() if fault.gate == "post-deploy"}
CHECKS = {row.id for row in in_window(load_catalogue(), "15m")}
PERFORMANCE = {check for check in CHECKS if check.startswith("IV-PERF")}
# A journey costs no more whole than in part, and its steps depend on each other.
JOURNEY = {check for check in CHECKS if check.startswith("IV-FLOW")}


# Faults whose checks do not meet are applied together: a process and a full look-back serve several.
# Each fault by itself, against all checks, is `./harness faults`.
BATCHES = (
    (
        "errors-0.3-percent",
        "latency-over-target",
        "slow-query",
        "wrong-version",
        "redis-slow",
        "health-slow",
        "external-endpoint-incomplete",
        "video-refused",
    ),
    ("errors-3-percent", "latency-p99-only", "standby-down", "payment-declined"),
    ("latency-over-rollback-limit", "errors-in-new-series"),
    ("empty-histogram", "expired-credential"),
    ("too-little-traffic", "registration-broken"),
    ("counter-reset", "prometheus-restarted", "sticky-balancing"),
    ("prometheus-slow", "health-throttled"),
    ("metric-renamed", "status-in-words", "gate-can-write"),
    ("workers-in-turn", "health-cached"),
    ("api-scraped-twice", "health-unknown-asker"),
    ("pod-without-metrics", "health-404"),
    ("traffic-ends", "one-bad-replica", "vendor-down"),
    ("other-bucket-bounds", "booking-writes-nothing"),
    ("scrape-broken", "login-broken"),
    ("prometheus-down", "html-instead-of-json"),
    ("api-down-eu",),
    ("api-down-everywhere",),
    ("postgres-down",),
    ("redis-down",),
    ("old-version-in-one-region",),
    ("gate-without-network",),
    ("health-404-once",),
    ("response-too-large",),
    ("one-old-replica", "redis-stale-replica"),
    ("health-claims-to-be-fast", "redis-out-of-memory"),
)


def own_checks(fault: Fault) -> set[str]:
    """Return the checks that a fault lists, or for one that must stay unnoticed those it tempts."""
    listed = set(fault.listed) or PERFORMANCE
    if len(fault.fail) > len(JOURNEY):
        # What takes the API down leaves the objectives without samples: see the matrix.
        listed -= PERFORMANCE
    return listed | JOURNEY if listed & JOURNEY else listed


def traffic(fault: Fault) -> int:
    """Return the requests a second with which its checks would turn green if nobody saw the fault."""
    if own_checks(fault) & PERFORMANCE <= set(fault.error):
        return 0  # what can't be read can't have samples
    return FEW if {"IV-PERF-1", "IV-PERF-2"} <= set(fault.inconclusive) else MANY


AT_LENGTH_TOO = {
    *("latency-over-rollback-limit", "empty-histogram", "too-little-traffic", "prometheus-slow"),
    *("api-scraped-twice", "pod-without-metrics", "traffic-ends", "other-bucket-bounds"),
    *("counter-reset", "scrape-broken", "old-version-in-one-region", "health-claims-to-be-fast"),
}
"""First of their batches: how samples and scrapes deceive is tried on a scripted Prometheus as well."""


@pytest.mark.parametrize(
    "batch",
    [pytest.param(one, marks=AT_LENGTH if one[0] in AT_LENGTH_TOO else ()) for one in BATCHES],
    ids=" and ".join,
)
def test_a_fault_turns_its_checks_and_decides_what_it_says(
    batch: tuple[str, ...], platform: Sandbox, tmp_path: pathlib.Path
) -> None:
    faults = [FAULTS[name] for name in batch]
    checks = set[str]().union(*map(own_checks, faults))
    faulty = together(faults)
    with applied(platform, batch):
        read = run_checks(platform, tmp_path / "run", checks, max(map(traffic, faults)))
    assert found(read, checks) == {check: expected(faulty, check) for check in checks}, said(read)
    assert folded(read, checks).decision.value == faulty.decision


def test_every_fault_is_in_one_batch() -> None:
    mine = [name for name, fault in FAULTS.items() if fault.gate == "post-deploy"]
    assert sorted(name for batch in BATCHES for name in batch) == sorted(mine)


def test_what_is_tried_at_length_begins_a_batch() -> None:
    assert {batch[0] for batch in BATCHES} >= AT_LENGTH_TOO


def test_every_instrument_has_an_outage() -> None:
    unread = {check for fault in FAULTS.values() for check in (*fault.error, *fault.inconclusive)}
    assert unread >= PERFORMANCE | JOURNEY | {"IV-HEALTH-2", "IV-HEALTH-3"}

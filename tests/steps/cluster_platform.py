"""A platform whose clusters are the stand-in's, and every check of them by its id."""

from __future__ import annotations

import pathlib
import tempfile
from collections.abc import Mapping
from typing import Any

from sandbox.systems.cluster import state as cluster
from sandbox.systems.cluster.shown import digest_of
from steps.kit.check import Check
from steps.kit.platform import Platform
from tests.probes.cluster_server import TOKEN
from tests.probes.servers import closed_port
from tests.steps import platforms, scenarios
from tests.steps.platforms import HEALTH, NOWHERE, a_platform
from tests.steps.scenarios import a_run

NOW = "2026-11-01T12:00:00Z"
LIVE: dict[str, Any] = {
    "replicas": {"1.1.0": 3},
    "restarted_at": {},
    "selector": "1.1.0",
    "config": cluster.CONFIG_BEFORE,
    "config_changed_at": "2026-01-01T00:00:00Z",
}
SCALED = {**LIVE, "replicas": {"1.1.0": 6}}
SWITCHED = {**LIVE, "replicas": {"1.1.0": 6, "1.2.0": 6}, "selector": "1.2.0"}
CONFIGURED = {
    **SWITCHED,
    "config": cluster.CONFIG_WANTED,
    "config_changed_at": NOW,
    "restarted_at": {"1.2.0": NOW},
}
NORMAL = {**CONFIGURED, "replicas": {"1.1.0": 0, "1.2.0": 3}}
STAGES: Mapping[str, Mapping[str, Any]] = {
    "pre-deploy": LIVE,
    "phase-1": SCALED,
    "phase-3": SWITCHED,
    "phase-5": CONFIGURED,
    "post-deploy-1h": NORMAL,
}
"""What the deployment has told the clusters when a gate is asked."""


CHECKS: Mapping[str, tuple[str, ...]] = {
    "phase-1": ("D1.3-1", "D1.3-2"),
    "phase-3": ("D3.2-1", "D3.2-2", "D3.2-3", "D3.2-4", "D3.3-1"),
    "phase-5": ("D5.1-1", "D5.1-2", "D5.1-3"),
    "pre-deploy": ("T7-INFRA-1", "T7-INFRA-4"),
    "post-deploy-1h": ("NORMAL-1",),
}
"""The checks of clusters by gate."""


def write_evidence(folder: pathlib.Path, **changes: Any) -> pathlib.Path:
    """Write the image build's evidence of the release and return its file."""
    digests = {cluster.APP: digest_of("1.2.0")}
    return platforms.write_evidence(folder, "image-build", digests, **changes)


def section(**changes: Any) -> dict[str, Any]:
    """Return the section `kubernetes`."""
    return {
        "namespace": cluster.NAMESPACE,
        "app_labels": {"app": cluster.APP},
        "service": cluster.SERVICE,
        "container": cluster.CONTAINER,
        "image": cluster.APP,
        "replicas": {"normal": 3, "temporary": 6},
        "most_pods": 12,
        "config_map": cluster.CONFIG_MAP,
        "config": cluster.CONFIG_WANTED,
        "candidate_health": {"service": "api", "endpoint": "liveness"},
        **changes,
    }


def a_cluster_platform(
    folder: pathlib.Path,
    server: str,
    candidate: str | None = None,
    *,
    prometheus: str | None = None,
    sections: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Platform:
    """Return a platform with one region whose cluster is at `server`; `changes` are to its section."""
    (folder / "token").write_text(TOKEN)
    write_evidence(folder)
    nowhere = NOWHERE.format(closed_port())
    region: dict[str, Any] = {"services": {"api": nowhere}, "prometheus": prometheus or nowhere}
    region["kubernetes"] = {"server": server, "token": "file:token", "candidate": candidate}
    more = {
        "time_scale": 60,
        "regions": {"eu": region},
        "services": {"api": {"health": {"liveness": HEALTH}}},
        "kubernetes": section(**changes),
        "evidence": {"folder": "."},
        **(sections or {}),
    }
    there = {name: section for name, section in more.items() if section is not None}
    return a_platform(folder, {"eu": nowhere}, run_seconds=60, **there)


def judged(platform: Platform, gate: str) -> dict[str, Check]:
    """Run every check of a gate, as one run does."""
    with tempfile.TemporaryDirectory() as folder, a_run(platform, pathlib.Path(folder)) as run:
        return {name: scenarios.judged(name, platform, run=run) for name in CHECKS[gate]}


def outcomes(checks: Mapping[str, Check]) -> dict[str, str]:
    """Return each check's outcome."""
    return {name: str(check.outcome("eu")) for name, check in checks.items()}


def sentences(check: Check) -> str:
    """Return what a check says."""
    return "\n".join(one.sentence for one in check.noted()["eu"].judgements)

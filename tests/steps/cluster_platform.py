"""A platform whose clusters are the stand-in's, and every check of them by its id."""

from __future__ import annotations

import datetime as dt
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from environments.loader import load_file
from gates.decide.release import Release
from probes.observation import Deadline
from sandbox.systems.cluster import state as cluster
from sandbox.systems.cluster.shown import digest_of
from steps.cluster import release_logs, room_rules
from steps.cluster.clusters import Clusters
from steps.cluster.configuration import Configured
from steps.cluster.rollout import Deployed
from steps.cluster.traffic_rules import TrafficWay
from steps.kit.availability import Availability
from steps.kit.check import Check
from steps.kit.platform import Platform
from tests.probes.cluster_server import TOKEN
from tests.probes.servers import closed_port
from tests.steps.platforms import HEALTH, NOWHERE, a_policy

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


def _healthy(clusters: Clusters, availability: Availability, check: Check) -> None:
    Deployed(clusters).release_ready(check)
    TrafficWay(clusters, availability).candidate_healthy(check)
    TrafficWay(clusters, availability).live_keeps_endpoints(check)


Judge = Callable[[Clusters, Availability, Check], None]
CHECKS: dict[str, dict[str, Judge]] = {
    "phase-1": {
        "D1.3-1": lambda clusters, _, check: Deployed(clusters).scaled_up(check),
        "D1.3-2": lambda clusters, _, check: Deployed(clusters).live_pods_running(check),
    },
    "phase-3": {
        "D3.2-1": lambda clusters, _, check: Deployed(clusters).release_applied(check),
        "D3.2-2": lambda clusters, _, check: Deployed(clusters).release_pods_running(check),
        "D3.2-3": lambda clusters, _, check: release_logs.judge(clusters, check),
        "D3.2-4": _healthy,
        "D3.3-1": lambda clusters, asks, check: TrafficWay(clusters, asks).leads_to_release(check),
    },
    "phase-5": {
        "D5.1-1": lambda clusters, _, check: Configured(clusters).holds_what_is_wanted(check),
        "D5.1-2": lambda clusters, _, check: Configured(clusters).pods_restarted(check),
        "D5.1-3": lambda clusters, _, check: Configured(clusters).in_force(check),
    },
    "pre-deploy": {
        "T7-INFRA-1": lambda clusters, _, check: room_rules.judge_well(clusters, check),
        "T7-INFRA-4": lambda clusters, _, check: room_rules.judge_room(clusters, check),
    },
    "post-deploy-1h": {
        "NORMAL-1": lambda clusters, _, check: Deployed(clusters).normal_capacity(check),
    },
}
"""By gate and id, as steps/cluster/sentences.py calls them."""


def write_evidence(folder: pathlib.Path, **changes: Any) -> pathlib.Path:
    """Write the image build's evidence of the release and return its file."""
    document = {
        "schema": 1,
        "kind": "image-build",
        "release": "v1.2.0",
        "commit": "0f9a0f9",
        "created_at": dt.datetime.now(dt.UTC).isoformat(),
        "producer": "ci",
        "result": "passed",
        "artefacts": [{"name": cluster.APP, "digest": digest_of("1.2.0")}],
        **changes,
    }
    file = folder / "v1.2.0" / "image-build.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(document))
    return file


def section(folder: pathlib.Path, **changes: Any) -> dict[str, Any]:
    """Return the section `kubernetes`, with the build's evidence beside it."""
    write_evidence(folder)
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
    nowhere = NOWHERE.format(closed_port())
    region: dict[str, Any] = {"services": {"api": nowhere}, "prometheus": prometheus or nowhere}
    region["kubernetes"] = {"server": server, "token": "file:token", "candidate": candidate}
    environment = {
        "schema": 1,
        "name": "clinic",
        "owner": "team",
        "time_scale": 60,
        "regions": {"eu": region},
        "services": {"api": {"health": {"liveness": HEALTH}}},
        "kubernetes": section(folder, **changes),
        "evidence": {"folder": "."},
        **(sections or {}),
    }
    path = folder / "environment.yaml"
    there = {name: section for name, section in environment.items() if section is not None}
    path.write_text(json.dumps(there))
    return Platform(
        environment=load_file(path),
        policy=a_policy(),
        release=Release.parse("v1.2.0"),
        regions=("eu",),
        switched_at=dt.datetime(2026, 1, 31, 22, 0, tzinfo=dt.UTC),
        deadline=Deadline.after(60),
        run_id="20260131T220000Z-test-abc123",
    )


def judged(platform: Platform, gate: str) -> dict[str, Check]:
    """Run every check of a gate, as one run does."""
    clusters, availability = Clusters(platform), Availability(platform)
    found = {}
    for check_id, judge in CHECKS[gate].items():
        found[check_id] = Check(check_id, platform.regions)
        judge(clusters, availability, found[check_id])
    return found


def outcomes(checks: Mapping[str, Check]) -> dict[str, str]:
    """Return each check's outcome."""
    return {name: str(check.outcome("eu")) for name, check in checks.items()}


def sentences(check: Check) -> str:
    """Return what a check says."""
    return "\n".join(one.sentence for one in check.noted()["eu"].judgements)

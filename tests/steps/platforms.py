"""Platforms to check: a small environment file around addresses that a test serves."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from environments.loader import load_file
from gates.decide.release import Release
from gates.load import load_policy
from probes.observation import Deadline
from settings.policy import Policy
from steps.kit import baseline
from steps.kit.platform import Platform
from tests.probes.servers import closed_port

NOWHERE = "http://127.0.0.1:{}"
HEALTH = {
    "path": "/health",
    "status_field": "status",
    "healthy": "healthy",
    "version_field": "version",
    "latency_field": "latency",
    "services_field": "services",
}


def keep_baseline(platform: Platform, facts: Mapping[str, Any], **changed: Any) -> str:
    """Keep facts as the baseline of a platform's release, taken just now in one region; return where."""
    record = {
        "schema": 1,
        "run": "before",
        "environment": "clinic",
        "release": platform.release.tag,
        "taken_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "regions": ["eu"],
        "facts": facts,
        **changed,
    }
    return baseline.keep(record, baseline.history_of(platform))


@functools.cache
def a_policy(
    confirm: str = "300ms", poll: str = "50ms", on_recovery: str = "hold", call: str = "2s"
) -> Policy:
    """Return this repository's policy with other times, so that confirming takes no minutes."""
    availability = {"confirm_for": confirm, "poll_every": poll, "on_recovery": on_recovery}
    kept = load_policy()
    changed = Policy.model_validate(
        {
            "schema": 1,
            "availability": availability,
            "deadlines": {"call": call, "run": "1m"},
            "objectives": [
                {
                    "check": "IV-X-1",
                    "title": "Errors",
                    "kind": "errors",
                    "metric": "requests_total",
                    "bad_status": "5..",
                    "target": {"budget": "5%"},
                    "look_back": "5m",
                    "wait_for_samples": "15m",
                }
            ],
        }
    )
    return kept.model_copy(
        update={"availability": changed.availability, "deadlines": changed.deadlines}
    )


def a_platform(
    folder: pathlib.Path,
    regions: Mapping[str, str],
    /,
    *,
    policy: Policy | None = None,
    run_seconds: float = 30,
    prometheus_at: str | None = None,
    **sections: Any,
) -> Platform:
    """Return a platform whose api has these addresses by region; sections are added to the file."""
    watched_by = prometheus_at or NOWHERE.format(closed_port())
    environment = {
        "schema": 1,
        "name": "clinic",
        "owner": "team",
        "regions": {
            name: {"services": {"api": url}, "prometheus": watched_by, "labels": {"region": name}}
            for name, url in regions.items()
        },
        "services": {"api": {"health": {"liveness": HEALTH}, "replicas": 1}},
        **sections,
    }
    path = folder / "environment.yaml"
    path.write_text(json.dumps(environment))
    return Platform(
        environment=load_file(path),
        policy=policy or a_policy(),
        release=Release.parse("v1.2.0"),
        regions=tuple(regions),
        switched_at=dt.datetime(2026, 1, 31, 22, 0, tzinfo=dt.UTC),
        deadline=Deadline.after(run_seconds),
        run_id="20260131T220000Z-test-abc123",
    )


def write_evidence(
    folder: pathlib.Path, kind: str, digests: Mapping[str, str], **changes: Any
) -> pathlib.Path:
    """Write evidence of a kind as a build of the release would, but for the changes; return its file."""
    document = {
        "schema": 1,
        "kind": kind,
        "release": "v1.2.0",
        "commit": "0f9a0f9",
        "created_at": dt.datetime.now(dt.UTC).isoformat(),
        "result": "passed",
        "artefacts": [{"name": name, "digest": digest} for name, digest in digests.items()],
        **changes,
    }
    file = folder / "v1.2.0" / f"{kind}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(document))
    return file


def described(platform: Platform, path: str, **changes: Any) -> Platform:
    """Return a platform with changes of its settings, such as those of `data.backups`."""
    settings = _updated(platform.environment.settings, path.split("."), changes)
    environment = dataclasses.replace(platform.environment, settings=settings)
    return dataclasses.replace(platform, environment=environment)


def ruled(platform: Platform, path: str, **changes: Any) -> Platform:
    """Return a platform with changes of its policy, such as those of `data.counts`."""
    policy = _updated(platform.policy, path.split("."), changes)
    return dataclasses.replace(platform, policy=policy)


def _updated(model: Any, path: Sequence[str], changes: Mapping[str, Any]) -> Any:
    if path:
        first, *rest = path
        changes = {first: _updated(getattr(model, first), rest, changes)}
    return model.model_copy(update=changes)

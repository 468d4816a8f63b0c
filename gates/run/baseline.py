"""Takes the baseline of an environment: collected whole, then kept with its digest."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from checks import baseline
from checks.baseline_collectors import COLLECTORS, collect
from checks.platform import Platform
from checks.request import Request, new_run_id
from environments.loader import checks_of
from environments.provider import environment
from environments.store import store_of
from gates.load import Checks, load_policy
from gates.run.verdict import VERSION
from probes.observation import utc_now


@dataclasses.dataclass(frozen=True, slots=True)
class Taken:
    """A baseline that was taken."""

    address: str
    record: Mapping[str, Any]
    not_described: Sequence[str]
    """Collectors that the environment gives nothing to collect."""


def take(request: Request, tell: Callable[[str], None]) -> Taken:
    """Collect and keep a baseline.

    Raises BaselineRefusedError, StoreError, ConfigurationError, RequestError and ProviderError.
    """
    checks = Checks.of(checks_of(request.env))
    policy = load_policy(checks.policy)
    run = new_run_id("baseline")
    with environment(request.env, request.environment_file, tell) as loaded:
        platform = Platform.of(loaded, policy, request, run)
        record = _record(platform, collect(platform))
        folder = baseline.folder(loaded.settings.name, platform.release.tag)
        address = store_of(loaded).add(f"{folder}/{run}.json", record)
    known = [one.name for one in COLLECTORS]
    return Taken(address, record, [name for name in known if name not in record["facts"]])


def _record(platform: Platform, facts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    switched_at = platform.switched_at
    return {
        "schema": baseline.SCHEMA,
        "run": platform.run_id,
        "taken_at": utc_now().isoformat(timespec="seconds"),
        "environment": platform.environment.settings.name,
        "release": platform.release.tag,
        "regions": list(platform.regions),
        "traffic_switched_at": switched_at and switched_at.isoformat(),
        "versions": {"gate": VERSION},
        "facts": facts,
    }

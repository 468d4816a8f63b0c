"""Takes the baseline of an environment: collected whole, then kept with its digest."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from environments.loader import checks_of
from environments.provider import environment
from environments.store import StoreError
from gates.decide.history import done_lately
from gates.decide.plain_text import cleaned
from gates.load import Checks, load_policy
from gates.run.verdict import VERSION
from probes.observation import utc_now
from steps.collectors import COLLECTORS, collect
from steps.kit import baseline
from steps.kit.history import History
from steps.kit.platform import Platform
from steps.kit.request import Request, new_run_id, refuse_malformed

NOT_BEFORE = (
    "this is no picture of before. Checks compare with the latest baseline, which is now this one; what was "
    "lost since the deployment began is no longer noticed. It begins a new attempt: every phase has to be "
    "asked again."
)


@dataclasses.dataclass(frozen=True, slots=True)
class Taken:
    """A baseline that was taken."""

    address: str
    record: Mapping[str, Any]
    not_described: Sequence[str]
    """Collectors that the environment gives nothing to collect."""
    late: str | None
    """Why it is no picture of before the deployment, or None."""


def take(request: Request, tell: Callable[[str], None]) -> Taken:
    """Collect and keep a baseline.

    Raises BaselineRefusedError, StoreError, ConfigurationError, RequestError and ProviderError.
    """
    refuse_malformed(request.release, request.switched_at)
    checks = Checks.of(checks_of(request.env))
    policy = load_policy(checks.policy)
    run = new_run_id("baseline")
    with environment(request.env, request.environment_file, tell) as loaded:
        platform = Platform.of(loaded, policy, request, run)
        record = cleaned(_record(platform, collect(platform)))
        history = baseline.history_of(platform)
        late = late_remark(record, history)
        address = baseline.keep(record, history)
    known = [one.name for one in COLLECTORS]
    return Taken(address, record, [name for name in known if name not in record["facts"]], late)


def late_remark(record: Mapping[str, Any], history: History) -> str | None:
    """Return why a baseline is no picture of before: traffic is switched, or a phase was GO; else None."""
    if record["traffic_switched_at"]:
        return f"Traffic is switched to the release already: {NOT_BEFORE}"
    try:
        begun = done_lately(history.entries(), utc_now())
    except StoreError as exc:
        return f"Whether the deployment has begun can't be told: {exc}"
    if begun is None:
        return None
    return (
        f"Phase {begun.phase} was GO already, at {begun.started_at:%H:%M UTC on %d %B} "
        f"(run {begun.run}): {NOT_BEFORE}"
    )


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

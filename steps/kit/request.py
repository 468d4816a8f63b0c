"""What a caller asks of a run, made sense of: release, regions, traffic switch, run id.

Light to import: the gate's own process needs these and no client library.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import pathlib
import secrets

from environments.loader import Loaded, find
from environments.yaml_file import ConfigurationError, RequestError
from gates.decide.history import CLOCKS_DIFFER
from gates.decide.release import Release
from probes.observation import utc_now
from settings.environment import LocalFile

EVENTS = "events.jsonl"
OLDEST_SWITCH = dt.timedelta(days=31)
"""The runbook looks at a release for a week; what was switched earlier was another one."""
_TOO_OLD = (
    "more than 31 days ago, so samples of earlier releases would count; write when this release's traffic "
    "was switched."
)


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """What the caller asks for on the command line; everything else is found."""

    env: str
    release: str | None
    regions: tuple[str, ...]
    switched_at: str | None
    environment_file: pathlib.Path | None
    run_dir: pathlib.Path | None
    phase: int | None = None
    """The phase of the deployment that is asked about."""
    checks: pathlib.Path | None = None
    """The platform's own folder of checks; without it those of the gate."""
    dry: bool = False
    """Whether nothing is to be asked."""
    watch_seconds: float | None = None
    """How long the release is watched."""
    restored: str | None = None
    """After a rollback: the version that has to serve."""
    resumed: pathlib.Path | None = None
    """The events of a watch that this one goes on with."""


def new_run_id(kind: str) -> str:
    """Return a new run id: time first, so that names sort, then a few random digits."""
    return f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}-{kind}-{secrets.token_hex(3)}"


def refuse_malformed(release: str | None, switched_at: str | None) -> None:
    """Raise RequestError for arguments that are wrong whatever the environment says.

    Asked before an environment is brought up, which may take a minute.
    """
    if release is not None:
        _release(release)
    if switched_at is not None:
        _switched_at(switched_at)


def refuse_unknown(env: str, regions: tuple[str, ...]) -> None:
    """Raise RequestError for a region that an environment will not have, before it is brought up.

    Raises ConfigurationError for a file that cannot be read.
    """
    described = find(env)
    if isinstance(described, LocalFile) and described.regions:
        _known_regions(regions, described.regions)


def release_of(asked: str | None, env: str, loaded: Loaded) -> Release:
    """Return the release under test; raises RequestError when nobody names it."""
    text = loaded.settings.release if asked is None else asked
    if text is None:
        raise RequestError(f"--release is missing: which release does {env} run?")
    return _release(text)


def _release(text: str) -> Release:
    try:
        return Release.parse(text)
    except ValueError as exc:
        raise RequestError(f"--release: {exc}.") from exc


def regions_of(asked: tuple[str, ...], loaded: Loaded) -> tuple[str, ...]:
    """Return the regions to measure, all unless some are asked; raises RequestError."""
    return _known_regions(asked, tuple(loaded.settings.regions))


def _known_regions(asked: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    for region in asked:
        if region not in known:
            raise RequestError(
                f"--region {region}: there is no such region; choose {', '.join(known)}."
            )
    return tuple(dict.fromkeys(asked)) or known


def switched_at_of(
    asked: str | None, loaded: Loaded, key: str = "switched_at"
) -> dt.datetime | None:
    """Return when traffic went to the release; raises RequestError or ConfigurationError.

    A time that is still to come would call a phase live that carries no traffic, and its failure a rollback.
    """
    if asked is not None:
        return _switched_at(asked)
    told: dt.datetime | None = getattr(loaded.settings.traffic, key)
    wrong = None if told is None else _wrong(told, "leave it out until traffic is switched")
    if told is not None and wrong is not None:
        where = f"{loaded.path.name}: traffic.{key}"
        raise ConfigurationError(f"{where}: {told.isoformat()} is {wrong}")
    return told


def rolled_back_at_of(asked: str | None, loaded: Loaded) -> dt.datetime | None:
    """Return when the rollback was carried out; raises RequestError or ConfigurationError.

    Until then the release's own samples, which the rollback is for, would count as those of what it restored.
    """
    at = switched_at_of(asked, loaded, "rolled_back_at")
    released = loaded.settings.traffic.switched_at
    if at is not None and released is not None and at <= released:
        named = "--switched-at" if asked else f"{loaded.path.name}: traffic.rolled_back_at"
        raise (RequestError if asked else ConfigurationError)(
            f"{named}: {at.isoformat()} is not after the switch to the release, {released.isoformat()}; "
            "write when the rollback was carried out."
        )
    return at


def _switched_at(asked: str) -> dt.datetime:
    try:
        at = dt.datetime.fromisoformat(asked)
    except ValueError as exc:
        raise RequestError("--switched-at: write it like 2026-01-31T22:00:00Z.") from exc
    if at.tzinfo is None:
        raise RequestError("--switched-at: needs a time zone, such as the Z in 22:00:00Z.")
    wrong = _wrong(at, "write when traffic was switched")
    if wrong is not None:
        raise RequestError(f"--switched-at: {asked} is {wrong}")
    return at


def _wrong(at: dt.datetime, instead: str) -> str | None:
    """Return why this is not when traffic went to the release that is asked about; None where it may be."""
    if at - utc_now() > CLOCKS_DIFFER:
        return f"still to come; {instead}."
    return _TOO_OLD if utc_now() - at > OLDEST_SWITCH else None

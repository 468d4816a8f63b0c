"""What a release does once it is live instead of before: by its file, and by what the countdown left out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from environments.loader import Loaded
from environments.release_file import path_of, read_release
from environments.store import StoreError
from environments.yaml_file import ConfigurationError
from gates.decide.catalogue import Row
from gates.decide.kept import MalformedError
from gates.decide.outcome import Decision, Meaning
from gates.decide.release import Release
from gates.decide.scope import LAST_WINDOW, Deferred, Gate, PostDeploy, PreDeploy
from gates.decide.times import COUNTDOWN
from gates.decide.windows import DAY, moment
from gates.run.bundle import chain_of
from settings.policy import Policy
from steps.kit.chain import Record


def for_release(
    gate: Gate, loaded: Loaded, policy: Policy, release: Release
) -> tuple[Gate, tuple[str, ...]]:
    """Return a gate with what this release defers, and why that can't be told, as problems of the run.

    A hotfix defers what policy allows, any other nothing. The last window asks it, and whatever the countdown
    left out besides: what release.yaml says by now, or that it is gone, takes nothing of that back.
    """
    if not isinstance(gate, PreDeploy | PostDeploy):
        return gate, ()
    late = isinstance(gate, PostDeploy) and gate.window == LAST_WINDOW
    found, unknown = [], []
    try:
        found = owed(chain_of(loaded, release.tag).records()) if late else []
    except (StoreError, MalformedError) as exc:
        unknown.append(f"what the countdown deferred is unknown: {exc}")
    try:
        found += _by_file(loaded, policy, release)
    except ConfigurationError as exc:
        # Before the deployment all is asked then, and the checks of the release say what is wrong with it.
        if late and path_of(loaded, release).exists():
            unknown.append(f"whether this release defers anything is unknown: {exc}")
    if not found:
        return gate, tuple(unknown)
    checks = tuple(dict.fromkeys(check for one in found for check in one.checks))
    return dataclasses.replace(gate, deferred=Deferred(checks, found[-1].until)), tuple(unknown)


def refuse_undeferrable(policy: Policy, rows: Iterable[Row]) -> None:
    """Raise ConfigurationError for what policy lets a hotfix defer, and nobody may."""
    hotfix = () if policy.deployment is None else policy.deployment.hotfix
    wrong = [
        f"deployment.hotfix names {row.id} ({row.phase}, {row.on_fail}); a hotfix defers only what "
        "holds the countdown. Remove it."
        for row in rows
        if row.id in hotfix
        and (row.phase != "pre-deploy" or row.on_fail in (Meaning.STOP, Meaning.ROLLBACK))
    ]
    if wrong:
        raise ConfigurationError(*wrong)


def owed(records: Iterable[Record]) -> list[Deferred]:
    """Return what the countdown left out, by the records of a release's runs; raises MalformedError.

    A countdown that left nothing out and was GO to its end owes nothing of what was left out there before.
    """
    found: list[tuple[Deferred, set[str]]] = []
    for one in records:
        where = set(one["regions"])
        if one.get("deferred") and one["gate"] == PreDeploy.name:
            found.append((Deferred.from_record(one["deferred"]), where))
        elif (one["gate"], one["at"], one["decision"]) == (
            PreDeploy.name,
            COUNTDOWN[-1],
            Decision.GO,
        ):
            found = [(left, there) for left, there in found if not there <= where]
    return [left for left, _ in found]


def _by_file(loaded: Loaded, policy: Policy, release: Release) -> list[Deferred]:
    hotfix = () if policy.deployment is None else policy.deployment.hotfix
    if not hotfix:
        return []
    file = read_release(loaded, release).file
    until = f"{moment(file.planned_start + DAY)} UTC"
    return [Deferred(hotfix, until)] if file.kind == "hotfix" else []

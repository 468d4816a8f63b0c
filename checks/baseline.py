"""The baseline: facts of a platform before its deployment, for later checks to compare with.

An area contributes a collector (`checks/baseline_collectors.py`) and reads what it collected through
`before`, which judges for itself where there is no baseline to believe.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import shlex
from collections.abc import Callable, Mapping
from typing import Any

from checks.check import Check
from checks.platform import Platform
from environments.store import DamagedRecordError, Store, StoreError, store_of
from gates.decide.history import CLOCKS_DIFFER
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes.observation import utc_now

SHARED = "shared"
"""Key of facts that all regions share; other facts stand under their region's name."""
SCHEMA = 1
FOLDER = "baseline"


class CannotCollectError(Exception):
    """A fact could not be collected; the text says why, without secrets or patients' data."""


class NoBaselineError(LookupError):
    """Nobody took a baseline for this release and these regions; the text names the command."""


@dataclasses.dataclass(frozen=True, slots=True)
class Collector:
    """One kind of facts of a baseline."""

    name: str
    """As in the record and in sentences: row counts, image digests."""
    collect: Callable[[Platform], Mapping[str, Any]]
    """Returns JSON values by region, or under SHARED. Raises CannotCollectError."""
    section: str = ""
    """The section of the environment without which there is nothing to collect."""


@dataclasses.dataclass(frozen=True, slots=True)
class Baseline:
    """A snapshot as it was taken."""

    run: str
    taken_at: str
    regions: tuple[str, ...]
    facts: Mapping[str, Mapping[str, Any]]
    """By collector, then by region or SHARED."""

    @property
    def named(self) -> str:
        """Return what a sentence calls it."""
        return f"the baseline of {self.taken_at}"

    def of(self, name: str, region: str) -> Any:
        """Return what a collector found, in a region or shared; raises NoBaselineError for nothing."""
        found = self.facts.get(name, {})
        if region in found:
            return found[region]
        if SHARED in found:
            return found[SHARED]
        raise NoBaselineError(f"{self.named} holds no {name} of {region}; take a new one")


@dataclasses.dataclass(frozen=True, slots=True)
class Before:
    """What a collector had found, with the words for where it is from."""

    facts: Any
    baseline: str
    """Such as: the baseline of 2026-01-31T21:40:00Z."""
    taken_at: str


def folder(environment: str, release: str) -> str:
    """Return the folder of a release's baselines in an environment's state."""
    return f"{environment}/{release}/{FOLDER}"


def load_baseline(platform: Platform) -> Baseline:
    """Return the latest baseline that covers the run's regions; its digest is proved.

    Raises NoBaselineError, DamagedRecordError, and StoreError where the state can't be read.
    """
    store = store_of(platform.environment)
    environment = platform.environment.settings.name
    whose = {"environment": environment, "release": platform.release.tag}
    for key in store.newest_first(folder(environment, platform.release.tag)):
        baseline = _read(store, key, whose)
        if set(platform.regions) <= set(baseline.regions):
            return baseline
    raise NoBaselineError(
        f"there is no baseline of {environment} before {platform.release.tag}; "
        f"it is taken before phase 1: {command(platform)}"
    )


def command(platform: Platform) -> str:
    """Return the command that takes a baseline."""
    environment = shlex.quote(platform.asked_as or platform.environment.settings.name)
    return f"./harness gate baseline --env {environment} --release {platform.release.tag}"


def before(platform: Platform, check: Check, name: str) -> Mapping[str, Before]:
    """Return what the collector `name` had found, by region of the run.

    A region without such facts is missing from the answer and judged already: INCONCLUSIVE where
    nobody took a baseline, ERROR where it is damaged or can't be read.
    """
    try:
        baseline = load_baseline(platform)
    except NoBaselineError as exc:
        check.judge_everywhere(_none(str(exc), command(platform)))
        return {}
    except DamagedRecordError as exc:
        check.judge_everywhere(_unreadable(str(exc), command(platform)))
        return {}
    except StoreError as exc:
        check.judge_everywhere(_unreadable(str(exc), "a state that can be read"))
        return {}
    found: dict[str, Before] = {}
    for region in platform.regions:
        try:
            found[region] = Before(baseline.of(name, region), baseline.named, baseline.taken_at)
        except NoBaselineError as exc:
            check.judge(region, _none(str(exc), command(platform)))
    return found


def _none(sentence: str, clears: str) -> Judgement:
    return Judgement(Outcome.INCONCLUSIVE, "baseline", "the baseline", sentence, clears=clears)


def _unreadable(sentence: str, clears: str) -> Judgement:
    return Judgement(Outcome.ERROR, "baseline", "the baseline", sentence, clears=clears)


def _read(store: Store, key: str, whose: Mapping[str, str]) -> Baseline:
    record = store.read(key)
    if record.get("schema") != SCHEMA:
        raise DamagedRecordError(
            f"{store.url}/{key} has another schema than this gate reads, {SCHEMA}; take a new one."
        )
    for what, wanted in whose.items():
        if record.get(what) != wanted:
            raise DamagedRecordError(
                f"{store.url}/{key} is of the {what} {record.get(what)}, wanted {wanted}: somebody copied "
                "it there; take a new one."
            )
    try:
        taken_at = dt.datetime.fromisoformat(record["taken_at"])
        if taken_at - utc_now() > CLOCKS_DIFFER:
            raise DamagedRecordError(
                f"{store.url}/{key} was taken at {record['taken_at']}, which is still to come: a clock was "
                "wrong; move it away and take a new one."
            )
        return Baseline(
            run=record["run"],
            taken_at=record["taken_at"],
            regions=tuple(record["regions"]),
            facts={name: dict(facts) for name, facts in record["facts"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise DamagedRecordError(
            f"{store.url}/{key} is no baseline: {type(exc).__name__} at {exc}; take a new one."
        ) from exc

"""The baseline: facts of a platform before its deployment, for later checks to compare with.

An area contributes a collector (`steps/collectors.py`) and reads what it collected through
`before`, which judges for itself where there is no baseline to believe.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import shlex
from collections.abc import Callable, Mapping
from typing import Any

from environments.store import DamagedRecordError, StoreError, digest_of, store_of
from gates.decide.history import CLOCKS_DIFFER, Entry, Kind
from gates.decide.judgement import Judgement
from probes.observation import utc_now
from reports.words import GATE
from steps.kit.chain import History
from steps.kit.check import Check
from steps.kit.expect import expect, unable
from steps.kit.platform import Platform

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


def history_of(platform: Platform) -> History:
    """Return the history of the platform's deployment."""
    loaded = platform.environment
    return History(store_of(loaded), loaded.settings.name, platform.release.tag)


def keep(record: Mapping[str, Any], history: History) -> str:
    """Keep a baseline and begin a new attempt with it; return its address. Raises StoreError."""
    key, run = _key(history, record["run"]), record["run"]
    address = history.store.add(key, record)
    digests = {"facts": digest_of(history.store.read(key))}
    regions = tuple(record["regions"])
    history.append(lambda _: Entry(Kind.BASELINE, run, utc_now(), regions, digests=digests))
    return address


def load_baseline(platform: Platform) -> Baseline:
    """Return the latest baseline of the history that covers the run's regions, proved by its digest.

    Raises NoBaselineError, DamagedRecordError, and StoreError where the state can't be read.
    """
    history = history_of(platform)
    for entry in reversed(history.entries()):
        if entry.kind is Kind.BASELINE and set(platform.regions) <= set(entry.regions):
            return _read(history, entry)
    raise NoBaselineError(
        f"there is no baseline of {history.environment} before {history.release}; "
        f"it is taken before phase 1: {command(platform)}"
    )


def _key(history: History, run: str) -> str:
    return f"{history.environment}/{history.release}/{FOLDER}/{run}.json"


def command(platform: Platform) -> str:
    """Return the command that takes a baseline."""
    environment = shlex.quote(platform.asked_as or platform.environment.settings.name)
    return f"{GATE} baseline --env {environment} --release {platform.release.tag}"


def before(platform: Platform, check: Check, name: str) -> Mapping[str, Before]:
    """Return what the collector `name` had found, by region of the run.

    A region without such facts is missing from the answer and judged already: INCONCLUSIVE where
    nobody took a baseline, ERROR where it is damaged or can't be read.
    """
    baseline = baseline_of(platform, check)
    if baseline is None:
        return {}
    found: dict[str, Before] = {}
    for region in platform.regions:
        try:
            found[region] = Before(baseline.of(name, region), baseline.named, baseline.taken_at)
        except NoBaselineError as exc:
            check.judge(region, _none(exc, platform))
    return found


def baseline_of(platform: Platform, check: Check) -> Baseline | None:
    """Return the baseline; None where there is none to believe, which is judged."""
    try:
        return load_baseline(platform)
    except NoBaselineError as exc:
        check.judge_everywhere(_none(exc, platform))
    except StoreError as exc:
        damaged = isinstance(exc, DamagedRecordError)
        clears = command(platform) if damaged else "a state that can be read"
        check.judge_everywhere(unable("the baseline", str(exc), clears, rule="baseline"))
    return None


def before_if_any(platform: Platform, name: str, region: str) -> Any:
    """Return what a collector had found, for a check that can do without; None where nobody did."""
    try:
        return load_baseline(platform).of(name, region)
    except (NoBaselineError, StoreError):
        return None


def _none(why: NoBaselineError, platform: Platform) -> Judgement:
    return expect(None, "the baseline", str(why), command(platform), rule="baseline")


def _read(history: History, entry: Entry) -> Baseline:
    key = _key(history, entry.run)
    at, record = f"{history.store.url}/{key}", history.store.read(key)
    if record.get("schema") != SCHEMA:
        raise DamagedRecordError(
            f"{at} has another schema than this gate reads, {SCHEMA}; take a new one."
        )
    if digest_of(record) != entry.digests.get("facts"):
        raise DamagedRecordError(
            f"{at} is not the baseline that was taken: the history has another digest of it; "
            "take a new one."
        )
    try:
        if dt.datetime.fromisoformat(record["taken_at"]) - utc_now() > CLOCKS_DIFFER:
            raise DamagedRecordError(
                f"{at} was taken at {record['taken_at']}, which is still to come: a clock was "
                "wrong; move it elsewhere and take a new one."
            )
        return Baseline(
            run=record["run"],
            taken_at=record["taken_at"],
            regions=tuple(record["regions"]),
            facts={name: dict(facts) for name, facts in record["facts"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise DamagedRecordError(
            f"{at} is not a baseline: {type(exc).__name__} at {exc}; take a new one."
        ) from exc

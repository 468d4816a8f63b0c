"""One verdict of the regions' runs: each region was gated where it is, the release is decided as one."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from checks.request import OUT, new_run_id
from environments.loader import checks_of
from environments.yaml_file import ConfigurationError
from gates.decide.fold import Folded, RegionResult, fold
from gates.decide.judgement import Judgement
from gates.decide.scope import Gate, gate_of
from gates.load import Checks, load_catalogue
from gates.run import verdict
from gates.run.evidence import read_back, write_json
from probes.observation import utc_now
from reports import writers

SAME = ("gate", "window", "phase", "at", "environment", "release", "environment_regions")
DIGESTS = ("policy", "catalogue", "environment")
OLDEST_SECONDS = 3600.0
"""A run that began longer ago says how its region was, not how it is."""


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """A run that is joined: its verdict as it lies on disk, read and found consistent."""

    folder: pathlib.Path
    record: Mapping[str, Any]

    @property
    def run(self) -> str:
        """Its id."""
        return str(self.record["run"])

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions that it decided about."""
        return tuple(self.record["regions"])

    def evidence(self) -> dict[str, str]:
        """Return where it lies, with the digest of its verdict."""
        data = (self.folder / "verdict.json").read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        return {"run": self.run, "folder": str(self.folder), "sha256": digest}


def join(sources: Sequence[Source], out: pathlib.Path = OUT) -> dict[str, Any]:
    """Fold runs of the same question into one verdict, on disk when this returns.

    Whatever keeps them from being one (another release, a region twice or not at all, a run that did
    not end) holds the release. Raises OSError, KeyError, TypeError or ValueError for what is no run.
    """
    first = sources[0].record
    gate = gate_of(first)
    regions = _regions(sources)
    folded = _folded(gate, sources, regions)
    run = new_run_id(f"join-{gate.kind}")
    header = verdict.Header(run, gate, first["environment"], first["release"], utc_now())
    opened = verdict.opening(header) | {
        "stage": first["stage"],
        "follows": first["follows"],
        "traffic_switched_at": first["traffic_switched_at"],
        "switched_at_given": bool(first.get("switched_at_given")),
        "environment_regions": first["environment_regions"],
        "digests": first["digests"],
        "joined": [source.evidence() for source in sources],
    }
    checks = _checks(sources, regions)
    decided = opened | verdict.decision(folded, checks)
    named = ", ".join(f"{source.run} ({', '.join(source.regions)})" for source in sources)
    closed = verdict.closed(
        decided,
        state="complete",
        exit_code=folded.decision.exit_code,
        now=utc_now(),
        sentences=[f"Joined from {named}."],
    )
    _write(out / run, closed)
    return closed


def problems(sources: Sequence[Source]) -> Iterator[str]:
    """Yield what keeps runs from being one, in words; nothing where they are."""
    yield from _not_ended(sources)
    yield from _too_old(sources, utc_now())
    yield from _differing(sources)
    wanted = [str(region) for region in sources[0].record["environment_regions"]]
    had = [region for source in sources for region in source.regions]
    for region in dict.fromkeys([*wanted, *had]):
        if region not in had:
            yield f"no run of {region} was given; run the gate there and join again"
        elif had.count(region) > 1:
            runs = [source.run for source in sources if region in source.regions]
            yield f"{region} is in {len(runs)} runs: {', '.join(runs)}; name one of them"


def _not_ended(sources: Sequence[Source]) -> Iterator[str]:
    for source in sources:
        if source.record["state"] != "complete":
            yield f"run {source.run} did not end by itself: {source.record['state']}; run it again"
        for reason in source.record["reasons"]:
            if reason["check"] is None:
                yield f"run {source.run}: {reason['sentence']}"


def _too_old(sources: Sequence[Source], now: dt.datetime) -> Iterator[str]:
    for source in sources:
        began = dt.datetime.fromisoformat(str(source.record["started_at"]))
        minutes = (now - began).total_seconds() / 60
        if not -5 <= minutes <= OLDEST_SECONDS / 60:  # noqa: PLR2004 - machines' clocks differ
            yield (
                f"run {source.run} began at {began:%Y-%m-%d %H:%M} UTC, not within the last hour: it says "
                f"nothing of {', '.join(source.regions)} today; run it again"
            )


def _differing(sources: Sequence[Source]) -> Iterator[str]:
    first, *others = sources
    for other in others:
        for key in SAME:
            if other.record[key] != first.record[key]:
                yield (
                    f"{other.run} is of {key} {other.record[key]}, {first.run} of {first.record[key]}; "
                    "only runs of the same question make one verdict"
                )
        for name in DIGESTS:
            if other.record["digests"].get(name) != first.record["digests"].get(name):
                yield f"{other.run} was made with another {name} than {first.run}; run one again"
    if first.record["digests"]["catalogue"] != verdict.catalogue_digest(_asked_by(sources[0])):
        yield "the runs were made with another catalogue than this checkout's; run them again"


def _asked_by(source: Source) -> Checks:
    """Return the checks of the environment that a run asked; of the gate itself if it is gone."""
    try:
        return Checks.of(checks_of(str(source.record["environment"])))
    except ConfigurationError:
        return Checks()


def _regions(sources: Sequence[Source]) -> tuple[str, ...]:
    wanted = sources[0].record["environment_regions"]
    return tuple(dict.fromkeys([*wanted, *(one for source in sources for one in source.regions)]))


def _folded(gate: Gate, sources: Sequence[Source], regions: Sequence[str]) -> Folded:
    switched = any(source.record["traffic_switched_at"] for source in sources)
    catalogue = load_catalogue(_asked_by(sources[0]).features)
    scope = gate.scope(catalogue, switched=switched)
    results = [result for source in sources for result in _results(source)]
    return fold(scope.rows, regions, results, scope.stages, tuple(problems(sources)))


def _results(source: Source) -> Iterator[RegionResult]:
    for check in source.record["checks"]:
        for region, found in check["regions"].items():
            judgements = tuple(Judgement.from_record(one) for one in found["judgements"])
            yield RegionResult(check["id"], region, judgements)


def _checks(sources: Sequence[Source], regions: Sequence[str]) -> list[dict[str, Any]]:
    """Put the regions of each check together, in the order of the first run."""
    merged: dict[str, dict[str, Any]] = {}
    for source in sources:
        for check in source.record["checks"]:
            kept = merged.setdefault(check["id"], {**check, "regions": {}})
            kept["regions"] |= check["regions"]
            both = [one["elapsed_seconds"] for one in (kept, check) if one["elapsed_seconds"]]
            kept["elapsed_seconds"] = max(both, default=None)
    nothing: dict[str, Any] = {"outcome": None, "judgements": [], "observations": []}
    for check in merged.values():
        check["regions"] = {one: check["regions"].get(one, nothing) for one in regions}
    return list(merged.values())


def _write(run_dir: pathlib.Path, record: dict[str, Any]) -> None:
    run_dir.mkdir(parents=True)
    writers.write_all(run_dir, record)
    write_json(run_dir / "verdict.json", record)
    read_back(run_dir / "verdict.json", json.loads(json.dumps(record)))

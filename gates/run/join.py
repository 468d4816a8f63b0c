"""One verdict of the regions' runs: each region was gated where it is, the release is decided as one."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gates.decide.fold import Folded, fold
from gates.decide.not_asked import OTHER_REGIONS
from gates.decide.outcome import Decision, worst_decision
from gates.decide.scope import gate_of
from gates.load import OUT, load_catalogue
from gates.run import lines, verdict
from gates.run.cross_check import asked_by
from gates.run.evidence import read_back, write_json
from gates.run.manifest import manifest
from probes.observation import utc_now
from reports import writers
from steps.kit.request import EVENTS, new_run_id

SAME = (
    *("gate", "window", "phase", "at", "environment", "release"),
    *("environment_regions", "sections"),
)
KEPT = (
    *("stage", "follows", "traffic_switched_at", "switched_at_given"),
    *("environment_regions", "sections", "time_scale", "digests"),
)
"""Of the first run."""
DIGESTS = ("policy", "catalogue", "environment")
OLDEST_SECONDS = 3600.0
"""A run that began longer ago says how its region was, not how it is."""


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """A run that is joined: its verdict as it lies on disk, read and found consistent."""

    folder: pathlib.Path
    record: Mapping[str, Any]

    @property
    def lines(self) -> lines.Lines:
        """What its checks found, line by line; raises ValueError where they are not kept."""
        if not (self.folder / EVENTS).is_file():
            raise NotJoinedError(
                f"run {self.run} has no {EVENTS}, from which its checks are folded again; name a region's "
                "own run and keep its whole folder"
            )
        return lines.read(self.folder / EVENTS)

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


class NotJoinedError(ValueError):
    """Runs of which no verdict can be made; the text says why."""


def join(sources: Sequence[Source], out: pathlib.Path = OUT) -> dict[str, Any]:
    """Fold all lines of runs of the same question into one verdict, on disk when this returns.

    Whatever keeps them from being one (another release, a region twice or not at all, a run that did
    not end) holds the release. Raises NotJoinedError where it would be better than one of its runs, and
    OSError, KeyError, TypeError or ValueError for what is no run.
    """
    first = sources[0].record
    gate = gate_of(first)
    regions = _regions(sources)
    scope = gate.scope(
        load_catalogue(asked_by(first).features),
        switched=any(source.record["traffic_switched_at"] for source in sources),
    )
    asked = manifest(scope.rows, first["sections"])
    measured = lines.together([source.lines for source in sources])
    excused = verdict.not_applicable_results(asked, regions)
    wrong = (*problems(sources), *measured.problems)
    folded = fold(asked.rows, regions, (*measured.results, *excused), scope.stages, wrong)
    _refuse_better(folded, sources)
    run = new_run_id(f"join-{gate.kind}")
    header = verdict.Header(
        run=run,
        gate=gate,
        environment=first["environment"],
        asked_as=str(first.get("asked_as") or first["environment"]),
        release=first["release"],
        started_at=utc_now(),
    )
    opened = verdict.opening(header) | {
        **{key: first[key] for key in KEPT},
        "not_asked": _not_asked(sources),
        "joined": [source.evidence() for source in sources],
    }
    decided = verdict.decided(opened, folded, asked, scope.stages, measured)
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


def _refuse_better(folded: Folded, sources: Sequence[Source]) -> None:
    """Raise NotJoinedError for a run that said worse: it was decided by other rules than these."""
    for source in sources:
        said = Decision(source.record["decision"] or Decision.HOLD)
        if worst_decision([said, folded.decision]) is not folded.decision:
            raise NotJoinedError(
                f"run {source.run} said {said} of {', '.join(source.regions)}, and folded again here "
                f"its lines say {folded.decision}. {said} counts; join in the checkout that made the runs"
            )


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
    if first.record["digests"]["catalogue"] != verdict.catalogue_digest(
        asked_by(sources[0].record)
    ):
        yield "the runs were made with another catalogue than this checkout's; run them again"


def _regions(sources: Sequence[Source]) -> tuple[str, ...]:
    wanted = sources[0].record["environment_regions"]
    return tuple(dict.fromkeys([*wanted, *(one for source in sources for one in source.regions)]))


def _not_asked(sources: Sequence[Source]) -> list[dict[str, Any]]:
    """Return what any of the runs was not asked; that a region is another run's is what joining is for."""
    found = (one for source in sources for one in source.record["not_asked"])
    return [
        *{(one["what"], one["why"]): one for one in found if one["why"] != OTHER_REGIONS}.values()
    ]


def _write(run_dir: pathlib.Path, record: dict[str, Any]) -> None:
    run_dir.mkdir(parents=True)
    writers.write_all(run_dir, record)
    write_json(run_dir / "verdict.json", record)
    read_back(run_dir / "verdict.json", json.loads(json.dumps(record)))

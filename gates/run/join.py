"""One verdict of the regions' runs: each region was gated where it is, the release is decided as one."""

from __future__ import annotations

import dataclasses
import datetime as dt
import pathlib
from collections.abc import Iterator, Sequence

from gates.decide.fold import Folded, fold
from gates.decide.outcome import Decision, worst_decision
from gates.decide.scope import OTHER_REGIONS, NotAsked, gate_of
from gates.decide.statements import Waiver
from gates.decide.verdict import Source, Verdict
from gates.load import OUT, load_catalogue
from gates.run import lines, verdict
from gates.run.bundle import Sealing, sha256_of, signer
from gates.run.manifest import Scenario, manifest
from probes.observation import utc_now
from steps.kit.request import EVENTS, new_run_id

SAME = (
    *("gate", "window", "phase", "at", "environment", "release"),
    *("environment_regions", "sections", "deferred"),
)
KEPT = (
    *("stage", "follows", "traffic_switched_at", "switched_at_given"),
    *("environment_regions", "sections", "time_scale", "digests"),
    *("system_owners", "classification", "runbook", "deferred"),
)
"""Of the first run."""
DIGESTS = ("policy", "catalogue", "environment")
OLDEST_SECONDS = 3600.0
"""A run that began longer ago says how its region was, not how it is."""


@dataclasses.dataclass(frozen=True, slots=True)
class Joined:
    """A run that is joined: its verdict as it lies on disk, read and found consistent."""

    folder: pathlib.Path
    verdict: Verdict

    @property
    def lines(self) -> lines.Lines:
        """What its checks found, line by line; raises NotJoinedError where they are not kept."""
        if not (self.folder / EVENTS).is_file():
            raise NotJoinedError(
                f"run {self.run} has no {EVENTS}, from which its checks are folded again; name a region's "
                "own run and keep its whole folder"
            )
        return lines.read(self.folder / EVENTS)

    @property
    def run(self) -> str:
        """Its id."""
        return self.verdict.run

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions that it decided about."""
        return tuple(self.verdict.regions)

    def source(self) -> Source:
        """Return where it lies, with the digest of its verdict."""
        return Source(self.run, str(self.folder), sha256_of(self.folder / "verdict.json"))


class NotJoinedError(ValueError):
    """Runs of which no verdict can be made; the text says why."""


def join(runs: Sequence[Joined], out: pathlib.Path = OUT) -> Verdict:
    """Fold all lines of runs of the same question into one verdict, on disk when this returns.

    Whatever keeps them from being one (another release, a region twice or not at all, a run that did
    not end) holds the release. Raises NotJoinedError where it would be better than one of its runs, and
    OSError, KeyError, TypeError or ValueError for what is not a run.
    """
    first = runs[0].verdict
    gate, regions = gate_of(first), _regions(runs)
    scope = gate.scope(
        load_catalogue(verdict.asked_by(first).features),
        switched=any(one.verdict.traffic_switched_at for one in runs),
    )
    asked = manifest(scope.rows, first.sections, _scenarios(runs))
    measured = _measured(runs)
    excused = verdict.not_applicable_results(asked, regions)
    wrong = (*problems(runs), *measured.problems)
    waivers = _waivers(runs)
    folded = fold(asked.rows, regions, (*measured.results, *excused), scope.stages, wrong, waivers)
    _refuse_better(folded, runs)
    opened = dataclasses.replace(
        verdict.opening(
            gate,
            new_run_id(f"join-{gate.kind}"),
            environment=first.environment,
            asked_as=first.env,
            release=first.release,
            started_at=utc_now(),
        ),
        **{key: getattr(first, key) for key in KEPT},
        not_asked=_not_asked(runs),
        joined=tuple(one.source() for one in runs),
        signed_by=signer(Sealing.elsewhere(first).loaded),
        waivers=waivers,
    )
    decided = verdict.decided(opened, folded, asked, scope.stages, measured)
    named = ", ".join(f"{one.run} ({', '.join(one.regions)})" for one in runs)
    exit_code, sentences = folded.decision.exit_code, [f"Joined from {named}."]
    closed = verdict.closed(
        decided, state="complete", exit_code=exit_code, now=utc_now(), sentences=sentences
    )
    (out / closed.run).mkdir(parents=True)
    verdict.keep(out / closed.run, closed)
    return closed


def _waivers(runs: Sequence[Joined]) -> tuple[Waiver, ...]:
    """Return what every run found waived, and is still."""
    now = utc_now()
    every = [set(one.verdict.waivers) for one in runs]
    return tuple(
        one
        for one in runs[0].verdict.waivers
        if one.until > now and all(one in others for others in every)
    )


def _measured(runs: Sequence[Joined]) -> lines.Lines:
    """Return the lines of all runs as those of one."""
    return lines.Lines(
        tuple(line for one in runs for line in one.lines.finished),
        tuple(problem for one in runs for problem in one.lines.problems),
        tuple(suite for one in runs for suite in one.lines.suites),
    )


def _scenarios(runs: Sequence[Joined]) -> dict[str, Scenario]:
    """Return what the runs say of their checks' scenarios."""
    return {one.id: Scenario(one.title, one.scenario) for run in runs for one in run.verdict.checks}


def _refuse_better(folded: Folded, runs: Sequence[Joined]) -> None:
    """Raise NotJoinedError for a run that said worse: it was decided by other rules than these."""
    for source in runs:
        said = source.verdict.decision or Decision.HOLD
        if worst_decision([said, folded.decision]) is not folded.decision:
            raise NotJoinedError(
                f"run {source.run} said {said} of {', '.join(source.regions)}, and folded again here "
                f"its lines say {folded.decision}. {said} counts; join in the checkout that made the runs"
            )


def problems(runs: Sequence[Joined]) -> Iterator[str]:
    """Yield what keeps runs from being one, in words; nothing where they are."""
    yield from _not_ended(runs)
    yield from _too_old(runs, utc_now())
    yield from _differing(runs)
    wanted = runs[0].verdict.environment_regions
    had = [region for source in runs for region in source.regions]
    for region in dict.fromkeys([*wanted, *had]):
        if region not in had:
            yield f"no run of {region} was given; run the gate there and join again"
        elif had.count(region) > 1:
            named = [source.run for source in runs if region in source.regions]
            yield f"{region} is in {len(named)} runs: {', '.join(named)}; name one of them"


def _not_ended(runs: Sequence[Joined]) -> Iterator[str]:
    for source in runs:
        if not source.verdict.complete:
            yield f"run {source.run} did not end by itself: {source.verdict.state}; run it again"
        for reason in source.verdict.reasons:
            if reason.check is None:
                yield f"run {source.run}: {reason.sentence}"


def _too_old(runs: Sequence[Joined], now: dt.datetime) -> Iterator[str]:
    for source in runs:
        began = dt.datetime.fromisoformat(source.verdict.started_at)
        minutes = (now - began).total_seconds() / 60
        if not -5 <= minutes <= OLDEST_SECONDS / 60:  # noqa: PLR2004 - machines' clocks differ
            yield (
                f"run {source.run} began at {began:%Y-%m-%d %H:%M} UTC, not within the last hour: it says "
                f"nothing of {', '.join(source.regions)} today; run it again"
            )


def _differing(runs: Sequence[Joined]) -> Iterator[str]:
    first, *others = runs
    for other in others:
        for key in SAME:
            one, another = getattr(first.verdict, key), getattr(other.verdict, key)
            if one != another:
                yield (
                    f"{other.run} is of {key} {_shown(another)}, {first.run} of {_shown(one)}; "
                    "only runs of the same question make one verdict"
                )
        for name in DIGESTS:
            if other.verdict.digests.get(name) != first.verdict.digests.get(name):
                yield f"{other.run} was made with another {name} than {first.run}; run one again"
    if first.verdict.digests["catalogue"] != verdict.catalogue_digest(
        verdict.asked_by(first.verdict)
    ):
        yield "the runs were made with another catalogue than this checkout's; run them again"


def _shown(value: object) -> object:
    return list(value) if isinstance(value, tuple) else getattr(value, "checks", value)


def _regions(runs: Sequence[Joined]) -> tuple[str, ...]:
    wanted = runs[0].verdict.environment_regions
    return tuple(dict.fromkeys([*wanted, *(one for source in runs for one in source.regions)]))


def _not_asked(runs: Sequence[Joined]) -> tuple[NotAsked, ...]:
    """Return what any of the runs was not asked; that a region is another run's is what joining is for."""
    found = (one for run in runs for one in run.verdict.not_asked)
    return tuple({(one.what, one.why): one for one in found if one.why != OTHER_REGIONS}.values())

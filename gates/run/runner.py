"""One run of a gate, from the question to the verdict on disk."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import os
import pathlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from environments.loader import Loaded, checks_of, name_of
from environments.provider import Patience, ProviderError, environment
from environments.release_file import restored
from environments.store import StoreError, store_of
from environments.yaml_file import ConfigurationError, RequestError
from gates.decide.catalogue import Row
from gates.decide.fold import Folded, Reason, Stage, fold
from gates.decide.history import Entry, Kind, attempts, built_on, by_part, gaps, stopped
from gates.decide.outcome import EXIT_CONFIGURATION, EXIT_OUR_FAILURE, EXIT_USAGE, Decision
from gates.decide.plain_text import meant, plain
from gates.decide.release import Release
from gates.decide.scope import (
    Gate,
    NotAsked,
    Phase,
    PostRollback,
    Rollout,
    Scope,
    Surroundings,
    no_such_part,
    not_asked,
    unmet,
)
from gates.decide.statements import Overridden
from gates.decide.verdict import Verdict
from gates.load import OUT, Checks, load_catalogue, load_policy
from gates.run import lines, rollout, verdict
from gates.run.bundle import Sealing, chain_of, sha256_of, signer
from gates.run.child import ChildPlan, run_child
from gates.run.deferral import for_release, refuse_undeferrable
from gates.run.executor import executor
from gates.run.manifest import Manifest, Scenario, check_scenarios, manifest
from probes.observation import utc_now
from reports.causes import checks_in
from reports.words import GATE
from reports.writers import write_json
from settings.policy import Policy
from steps.kit.chain import History
from steps.kit.request import (
    EVENTS,
    new_run_id,
    refuse_malformed,
    refuse_unknown,
    regions_of,
    release_of,
    rolled_back_at_of,
    switched_at_of,
)
from steps.kit.statements import by_people, words_against
from steps.objectives.overlap import overlaps

DEADLINE_GRACE_SECONDS = 60.0
FORGOTTEN = "this run is not in the history, so the next phase can't build on it"
_INTERRUPTED = "The run was interrupted before its end; run the gate again."
HELD = (Reason(None, None, "RUN", Decision.HOLD, "the run was interrupted", None, None),)


@dataclasses.dataclass(frozen=True, slots=True)
class Chronicle:
    """The history of one release's deployment in one environment, as one run reads and adds to it."""

    history: History
    run: str
    asked_as: str
    """The environment as `--env` said it, for commands."""
    regions: Sequence[str]
    digests: Mapping[str, str]
    """Of the policy and of what is required."""
    decisions: Mapping[str, Overridden] = dataclasses.field(default_factory=dict)
    """What people made of runs that were on hold, by the digest of the run's verdict."""

    def built_on(self, needed: Sequence[Phase]) -> tuple[str, ...]:
        """Return what a phase builds on that was no GO."""
        if not needed or not self.decisions:
            return ()
        with contextlib.suppress(StoreError):  # `missing` says it
            parts = [str(part) for part in needed]
            return built_on(parts, self.regions, self.history.entries(), self.decisions)
        return ()

    def missing(self, needed: Sequence[Phase], earlier: Sequence[str]) -> Iterator[str]:
        """Yield why the phases before are not GO, as problems of the run; nothing when they are.

        The phase before has to be GO. Those `earlier` were, for it to begin; none may be stopped since.
        """
        if not needed:
            return
        number, parts = needed[0].number, [str(part) for part in needed]
        try:
            entries = self.history.entries()
        except StoreError as exc:
            yield f"whether phase {number} is GO is unknown: {exc}"
            return
        now, regions = utc_now(), self.regions
        if found := gaps(parts, regions, entries, now, self.digests, self.decisions):
            yield self._again(number, found)
        if found := stopped(earlier, regions, entries, now):
            yield self._again(int(found[0].partition(".")[0]), found)

    def _again(self, phase: int, found: Sequence[str]) -> str:
        release = self.history.release
        command = f"{GATE} phase {phase} --env {self.asked_as} --release {release}"
        missing = f"phase {phase} comes before and is not GO for {release}"
        return f"{missing}: {'; '.join(found)}. Run {command}, then this phase again"

    def begin(self, phase: str, parts: Sequence[str], *, live: bool) -> str | None:
        """Say that a phase's run is about to measure; return why nobody could be told, or None."""
        return self._add(
            lambda entries: dataclasses.replace(
                self._entry(Kind.STARTED, entries, phase, parts), live=live
            )
        )

    def end(self, **decided: Any) -> str | None:
        """Add what the run decided, as an entry keeps it; return why it could not be added, or None."""

        def ended(entries: Sequence[Entry]) -> Entry:
            mine = (one for one in entries if one.run == self.run)
            begun = next((one for one in mine if one.kind is Kind.STARTED), None)
            if begun is None:
                raise StoreError("its beginning was removed")
            return dataclasses.replace(begun, kind=Kind.ENDED, at=utc_now(), **decided)

        return self._add(ended)

    def rolled_back(self, regions: Sequence[str]) -> str | None:
        """Say that the live release is to be taken back; return why nobody could be told, or None."""
        return self._add(
            lambda entries: dataclasses.replace(
                self._entry(Kind.ROLLED_BACK, entries), regions=tuple(regions)
            )
        )

    def _entry(
        self, kind: Kind, entries: Sequence[Entry], phase: str = "", parts: Sequence[str] = ()
    ) -> Entry:
        return Entry(
            kind=kind,
            run=self.run,
            at=utc_now(),
            regions=tuple(self.regions),
            attempts=attempts(entries, self.regions),
            digests=self.digests,
            phase=phase,
            parts={part: dict.fromkeys(self.regions) for part in parts},
        )

    def _add(self, make: Callable[[Sequence[Entry]], Entry]) -> str | None:
        try:
            self.history.append(make)
        except StoreError as exc:
            return f"{FORGOTTEN}: {exc}"
        return None


@dataclasses.dataclass(frozen=True, slots=True)
class Question:
    """What is asked."""

    gate: Gate
    env: str
    release: str | None
    regions: tuple[str, ...]
    switched_at: str | None
    debug: bool
    resumed: pathlib.Path | None = None
    """The events of a watch that this one goes on with."""
    only: tuple[str, ...] = ()
    """These checks and no others, to try something: such a run is never GO and no phase is done by it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Callbacks:
    """How a run speaks while it goes on."""

    note: Callable[[str], None]
    begins: Callable[[int, tuple[str, ...]], None]
    """Called with the number of checks and the regions, before the first event."""
    event: Callable[[dict[str, Any]], None]
    interrupted: Callable[[], bool]


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """What a run answers, once the environment is known."""

    scope: Scope
    manifest: Manifest
    regions: tuple[str, ...]
    parts: tuple[str, ...]
    """The parts of a phase that it answers for."""
    chronicle: Chronicle
    problems: tuple[str, ...]
    """What is wrong before anything is measured."""
    undo: tuple[str, ...]
    """What to undo if the deployment has to stop here."""
    next: tuple[str, ...] = ()
    """What a person may do after a GO."""

    def begin(self, gate: Gate) -> str | None:
        """Say in the history that a phase is about to be measured; return why it can't, or None."""
        if not self.parts:
            return None
        live = Stage.LIVE in self.scope.stages.values()
        return self.chronicle.begin(gate.kind.removeprefix("phase-"), self.parts, live=live)


class Runner:
    """Runs one gate; every end of it leaves a verdict that says what it is."""

    def __init__(self, question: Question, callbacks: Callbacks, out: pathlib.Path = OUT) -> None:
        self._question = question
        self._callbacks = callbacks
        self._run = new_run_id(question.gate.kind)
        self._scenarios: Mapping[str, Scenario] = {}
        self._restored: str | None = None
        self.run_dir = out / self._run
        opened = verdict.opening(
            question.gate,
            self._run,
            environment=name_of(question.env),
            asked_as=question.env,
            release=question.release,
            started_at=utc_now(),
        )
        # Whatever comes of it, it can be asked again as it was meant.
        self._verdict = dataclasses.replace(
            opened,
            only=tuple(map(plain, question.only)),
            asked_regions=tuple(map(plain, question.regions)),
            traffic_switched_at=question.switched_at and plain(question.switched_at),
            switched_at_given=question.switched_at is not None,
        )

    def run(self) -> Verdict:
        """Return the verdict, which is on disk when this returns; raises OSError where it can't be."""
        self.run_dir.mkdir(parents=True)
        write_json(self.run_dir / "verdict.json", self._verdict.record())
        try:
            asked = self._question
            refuse_malformed(asked.release, asked.switched_at)
            refuse_unknown(asked.env, asked.regions)
            self._measure()
        except RequestError as exc:
            self._close("refused", EXIT_USAGE, *exc.sentences)
        except ConfigurationError as exc:
            self._close("refused", EXIT_CONFIGURATION, *exc.sentences)
        except ProviderError as exc:
            if self._callbacks.interrupted():
                self._close("interrupted", Decision.HOLD.exit_code, _INTERRUPTED)
            else:
                self._close("failed", EXIT_OUR_FAILURE, str(exc))
        return self._verdict

    def _measure(self) -> None:
        question = self._question
        folder = checks_of(question.env)
        checks = Checks.of(folder)
        catalogue = load_catalogue(checks.features)
        features = folder and checks.features
        if (wrong := no_such_part(question.gate, catalogue)) is not None:
            raise RequestError(wrong)
        scope = question.gate.scope(catalogue, switched=False)
        _refuse_others(question.only, scope)
        self._scenarios = check_scenarios(scope.rows, features)
        policy = load_policy(checks.policy)
        refuse_undeferrable(policy, catalogue)
        patience = Patience(interrupted=self._callbacks.interrupted)
        with environment(question.env, None, self._callbacks.note, patience) as loaded:
            asked = self._asked(loaded, catalogue, checks, policy)
            problem = asked.begin(question.gate)
            end = run_child(
                self._plan(loaded, asked, policy.deadlines.run),
                lambda: self._callbacks.begins(len(asked.manifest.required), asked.regions),
                self._callbacks.event,
                self._callbacks.interrupted,
            )
            # Within the block: a platform that was brought up for this run takes its state with it.
            self._conclude(asked, tuple(one for one in (problem, end.problem) if one))
            self._seal(loaded)

    def _asked(
        self, loaded: Loaded, catalogue: Sequence[Row], checks: Checks, policy: Policy
    ) -> Asked:
        """Return what there is to answer, and note it in the verdict."""
        question, settings = self._question, loaded.settings
        regions = regions_of(question.regions, loaded)
        release = release_of(question.release, question.env, loaded)
        gate, unknown = for_release(question.gate, loaded, policy, release)
        switched_at = self._since_when(loaded, release)
        whole = gate.scope(catalogue, switched=switched_at is not None)
        scope = whole.only(question.only)
        around = _around(loaded, catalogue, regions)
        digests = verdict.digests(checks)
        waivers, decisions = by_people(loaded, policy, release)
        history = History(store_of(loaded), settings.name, release.tag)
        chronicle = Chronicle(history, self._run, question.env, regions, digests, decisions)
        self._verdict = dataclasses.replace(
            self._verdict,
            release=release.tag,
            stage=scope.stage,
            not_asked=(*not_asked(gate, around), *_rest(scope, whole)),
            follows=gate.follows(catalogue),
            deferred=getattr(gate, "deferred", None),
            traffic_switched_at=None if switched_at is None else switched_at.isoformat(),
            digests=digests | {"environment": verdict.digest_of(loaded.path)},
            executor=executor(os.environ, checks),
            waivers=tuple(one for one in waivers if one.check in scope.stages),
            sentences=(*self._verdict.sentences, *chronicle.built_on(gate.needs(catalogue))),
            **_told(loaded, policy),
        )
        return Asked(
            scope=scope,
            manifest=manifest(scope.rows, loaded.sections, self._scenarios),
            regions=regions,
            parts=() if question.only else gate.parts(catalogue),
            chronicle=chronicle,
            problems=(
                *(*unknown, *_left_out(question.only, scope, whole)),
                *chronicle.missing(gate.needs(catalogue), gate.earlier(catalogue)),
                *_told_apart_badly(loaded, regions),
                *_held(gate, around, loaded, policy, release),
                *_rollout_lacks(gate, loaded, self._verdict, decisions),
            ),
            undo=_undo(policy, gate),
            next=_next(gate, policy, loaded),
        )

    def _since_when(self, loaded: Loaded, release: Release) -> dt.datetime | None:
        """Return since when what has to serve does; after a rollback, note which version that is."""
        question = self._question
        if not isinstance(question.gate, PostRollback):
            return switched_at_of(question.switched_at, loaded)
        self._restored = restored(loaded, release, question.gate.methods).tag
        said = (*self._verdict.sentences, f"What has to serve is {self._restored}.")
        self._verdict = dataclasses.replace(self._verdict, sentences=said)
        return rolled_back_at_of(question.switched_at, loaded)

    def _plan(self, loaded: Loaded, asked: Asked, deadline_seconds: float) -> ChildPlan:
        gate, manifest_file = self._question.gate, self.run_dir / "manifest.json"
        wanted = {"checks": asked.manifest.ids, "regions": list(asked.regions)}
        write_json(manifest_file, wanted)
        return ChildPlan(
            environment_file=loaded.path,
            run_dir=self.run_dir,
            manifest=manifest_file,
            release=self._verdict.release or "",
            regions=asked.regions,
            switched_at=self._verdict.traffic_switched_at,
            deadline_seconds=deadline_seconds + gate.seconds + DEADLINE_GRACE_SECONDS,
            debug=self._question.debug,
            phase=gate.number,
            watch_seconds=gate.seconds or None,
            restored=self._restored,
            resumed=self._question.resumed,
            asked_as=self._question.env,
            checks=loaded.checks,
        )

    def _conclude(self, asked: Asked, found: tuple[str, ...]) -> None:
        """Decide; a phase's decision counts for the next phase only when the history has it."""
        # What people let pass they let pass until a time, which may have come meanwhile.
        lasting = tuple(one for one in self._verdict.waivers if one.until > utc_now())
        undecided = self._verdict = dataclasses.replace(self._verdict, waivers=lasting)
        problems = (*asked.problems, *found)
        folded = self._decide(asked, problems)
        forgotten = self._keep(asked, folded)
        if forgotten is not None and forgotten not in problems:
            self._verdict = undecided
            self._decide(asked, (*problems, forgotten))

    def _seal(self, loaded: Loaded) -> None:
        """Leave the bundle of what was decided; a decision stands without it, and can't be verified."""
        untold = Sealing(Checks.of(loaded.checks), loaded).seal(self.run_dir, self._verdict)
        if untold is not None:
            self._callbacks.note(untold)

    def _keep(self, asked: Asked, folded: Folded) -> str | None:
        """Add what was decided to the history; return why it could not be added, or None."""
        back = [where for where, said in folded.by_region.items() if said is Decision.ROLLBACK]
        if not self._verdict.complete:
            # An interrupted run says nothing of what it measured; it did end, and nothing was GO.
            folded, back = dataclasses.replace(folded, reasons=HELD), []
        if asked.parts:
            written = sha256_of(self.run_dir / "verdict.json")
            return self._end(asked, folded, written)
        forgotten = asked.chronicle.rolled_back(back) if back else None
        return forgotten or self._remember_bad(asked, folded, back)

    def _end(self, asked: Asked, folded: Folded, written: str) -> str | None:
        chronicle = asked.chronicle
        parts = by_part(asked.manifest.rows, asked.parts, chronicle.regions, folded.reasons)
        began = dt.datetime.fromisoformat(self._verdict.started_at)
        return chronicle.end(parts=parts, started_at=began, verdict=written)

    def _remember_bad(self, asked: Asked, folded: Folded, back: Collection[str]) -> str | None:
        """Add the parts of a phase of which some checks (`--only`) are not good; nothing builds on them.

        What these find good adds nothing: it is not the phase. Nor may people go on from it, so the verdict's
        digest is left out, which their decision would name. Regions that go `back` begin anew.
        """
        bad = [one for one in folded.reasons if one.check is not None and one.region not in back]
        where = {one.region for one in bad}
        regions = [one for one in asked.regions if one in where]
        checks = {one.check for one in bad}
        parts = self._question.gate.parts([one for one in asked.manifest.rows if one.id in checks])
        if not (regions and parts):
            return None
        chronicle = dataclasses.replace(asked.chronicle, regions=regions)
        found = dataclasses.replace(asked, parts=parts, chronicle=chronicle)
        return found.begin(self._question.gate) or self._end(found, folded, "")

    def _decide(self, asked: Asked, problems: Iterable[str]) -> Folded:
        found = lines.read(self.run_dir / EVENTS)
        wanted, regions = asked.manifest, asked.regions
        results = [*found.results, *verdict.not_applicable_results(wanted, regions)]
        folded = fold(
            wanted.rows,
            regions,
            results,
            asked.scope.stages,
            [*found.problems, *problems],
            self._verdict.waivers,
        )
        interrupted = self._callbacks.interrupted()
        if interrupted:
            # An interrupted run recommends nothing: a person stopped it, a person decides.
            folded = dataclasses.replace(folded, decision=Decision.HOLD)
        self._verdict = verdict.decided(self._verdict, folded, wanted, asked.scope.stages, found)
        state = "interrupted" if interrupted else "complete"
        sentences: tuple[str, ...] = ()
        if interrupted:
            sentences = (_INTERRUPTED,)
        elif folded.decision is Decision.STOP:
            sentences = asked.undo
        elif folded.decision is Decision.GO:
            sentences = asked.next
        self._close(state, folded.decision.exit_code, *sentences)
        return folded

    def _close(self, state: str, exit_code: int, *sentences: str) -> None:
        self._verdict = verdict.closed(
            self._verdict, state=state, exit_code=exit_code, now=utc_now(), sentences=sentences
        )
        verdict.keep(self.run_dir, self._verdict)


def _told(loaded: Loaded, policy: Policy) -> dict[str, Any]:
    """Return what a verdict keeps of environment and policy as they are."""
    return {
        "environment_regions": tuple(loaded.settings.regions),
        "sections": tuple(sorted(loaded.sections)),
        "time_scale": loaded.settings.time_scale,
        "system_owners": policy.system_owners,
        "classification": policy.sign_off.classification,
        "runbook": policy.sign_off.runbook,
        "signed_by": signer(loaded),
    }


def _around(loaded: Loaded, catalogue: Sequence[Row], regions: Sequence[str]) -> Surroundings:
    others = [one for one in loaded.settings.regions if one not in regions]
    return Surroundings(catalogue, load_catalogue(), loaded.sections, others)


def _held(
    gate: Gate, around: Surroundings, loaded: Loaded, policy: Policy, release: Release
) -> Iterator[str]:
    """Yield what is not asked and must be, and which triggers people fired, where that matters."""
    yield from unmet(loaded.settings.policy.must_ask, gate, around)
    if gate.heeds_declared:
        yield from words_against(loaded, policy, release)


def _refuse_others(only: Collection[str], scope: Scope) -> None:
    known = [row.id for row in scope.rows]
    for check in only:
        if check not in known:
            hint = meant(check.upper(), known)
            raise RequestError(
                f"--only {check}: this gate does not ask it{hint or '.'} {GATE} checks lists what it asks."
            )


def _left_out(only: Collection[str], scope: Scope, whole: Scope) -> tuple[str, ...]:
    """Return a problem where `--only` names what is asked: whatever that is, it is never GO."""
    if not only:
        return ()
    asked, there = len(scope.rows), len(whole.rows)
    were = "was" if asked == 1 else "were"
    found = f"only {asked} of {checks_in(there)}" if asked < there else checks_in(there)
    return (f"{found} {were} asked (--only); run the gate without it to decide",)


def _rest(scope: Scope, whole: Scope) -> tuple[NotAsked, ...]:
    rest = tuple(row.id for row in whole.rows if row not in scope.rows)
    return (NotAsked("the rest of this gate", "left out by --only", rest),) if rest else ()


def _told_apart_badly(loaded: Loaded, regions: Sequence[str]) -> tuple[str, ...]:
    """Return a problem for each pair of regions that one instrument can't tell apart."""
    return tuple("; ".join(one) for one in overlaps(loaded.settings, regions))


def _rollout_lacks(
    gate: Gate, loaded: Loaded, verdict: Verdict, decisions: Mapping[str, Overridden]
) -> Iterator[str]:
    """Yield why a day of the rollout is not GO yet, by the runs before; of any other gate nothing."""
    if not isinstance(gate, Rollout):
        return
    since, everywhere = verdict.traffic_switched_at, tuple(loaded.settings.regions)
    day_seconds = 86_400 / loaded.settings.time_scale
    try:
        records = chain_of(loaded, verdict.release or "").records()
        yield from rollout.missing(
            gate.number, records, since, everywhere, decisions.values(), day_seconds
        )
    except StoreError as exc:
        yield f"what the rollout builds on can't be read: {exc}"


def _next(gate: Gate, policy: Policy, loaded: Loaded) -> tuple[str, ...]:
    if not isinstance(gate, Rollout):
        return ()
    settings = loaded.settings
    return rollout.next_step(gate.number, policy.rollout, settings.flags, settings.redis)


def _undo(policy: Policy, gate: Gate) -> tuple[str, ...]:
    if not isinstance(gate, Phase) or policy.deployment is None:
        return ()
    return policy.deployment.undo(gate.number)

"""`gate status`: where each environment stands, by its newest run, and what to do next."""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import itertools
import json
import pathlib
from collections.abc import Iterator, Sequence
from typing import IO, Any

from environments import loader
from environments.yaml_file import ConfigurationError
from gates.cli.streams import teller
from gates.decide.catalogue import Row
from gates.decide.history import ONE_DEPLOYMENT, PhaseRun, by_part, last, newest_first
from gates.decide.outcome import EXIT_USAGE, Decision
from gates.decide.schedule import WeeklyWindow, closing, time_left
from gates.decide.scope import Phase
from gates.decide.verdict import Verdict
from gates.load import OUT, load_catalogue
from gates.run import runs
from gates.run.runs import Run
from probes.observation import utc_now
from reports import metrics, words
from reports.causes import Cause, causes_of
from reports.texts import drawn
from settings.environment import LocalFile
from settings.people import LAST_PHASE

MOST_RUNS = 200
"""How far back is looked for an environment's newest run."""
MOST_PHASE_RUNS = 60
"""So many runs of phases are looked through, the newest first."""
MOST_RED = 10
MOST_SAID = 5
"""Sentences of a run: an environment that nobody filled in yet has fifty."""


SHOWN = (
    *("exit_code", "gate", "window", "phase", "at", "release"),
    *("regions", "not_asked", "sentences"),
)
"""What JSON shows of a verdict as it is."""


@dataclasses.dataclass(frozen=True, slots=True)
class PhaseStanding:
    """One phase of one release's deployment."""

    number: int
    state: str
    """done, red or missing."""
    said: str
    """What its last runs decided where it is red; which parts nobody asked about."""
    owners: tuple[str, ...]
    """Who fixes what is red, or whose checks are missing."""


@dataclasses.dataclass(frozen=True, slots=True)
class Standing:
    """An environment's newest run."""

    run: Run
    verdict: Verdict
    age_seconds: float | None
    phases: tuple[PhaseStanding, ...] = ()
    """Of the same release's deployment."""
    window: str | None = None
    """How long the deployment window stays open."""


@dataclasses.dataclass(frozen=True, slots=True)
class Standings:
    """What could be found."""

    by_environment: dict[str, Standing]
    problems: tuple[str, ...]


def run(
    arguments: argparse.Namespace, stdout: IO[str], stderr: IO[str], now: dt.datetime | None = None
) -> int:
    """Print where the environments stand; return 0, whatever they said, and 20 where nothing ever ran.

    64 for an environment that there is not. Runs that cannot be read are named on stderr and passed over.
    """
    env: str | None = arguments.env
    found = standings(arguments.out or OUT, env, now or utc_now())
    tell = teller(stderr, "gate status")
    if env is not None and not found.by_environment and env not in loader.names():
        tell(f"no run of “{env}”, and there is no environment of that name.")
        return EXIT_USAGE
    for problem in found.problems:
        tell(problem)
    if arguments.output == "json":
        stdout.write(f"{json.dumps(_as_json(found), indent=2, ensure_ascii=False)}\n")
    elif arguments.output == "openmetrics":
        stdout.write(metrics.openmetrics(one.verdict for one in found.by_environment.values()))
    else:
        stdout.write(_text(found, env))
    return 0 if found.by_environment else Decision.HOLD.exit_code


def standings(out: pathlib.Path, env: str | None, now: dt.datetime) -> Standings:
    """Return each environment's newest run among the newest runs there are, and its deployment's phases."""
    wanted = set(loader.names()) if env is None else {env}
    by_environment: dict[str, Standing] = {}
    rows, unreadable = _catalogue()
    problems = []
    for candidate in itertools.islice(runs.newest_first(out), MOST_RUNS):
        try:
            verdict = candidate.verdict()
        except runs.UnreadableRunError as exc:
            problems.append(str(exc))
            continue
        if verdict.state == "refused":
            continue  # nothing ran
        name = verdict.environment
        if name not in by_environment and env in (None, name, verdict.asked_as):
            by_environment[name] = Standing(
                run=candidate,
                verdict=verdict,
                age_seconds=runs.age_seconds(verdict, now),
                phases=phases_of(out, verdict, rows, now),
                window=window_left(verdict.env, now) if rows else None,
            )
        if wanted <= set(by_environment):
            break
    return Standings(dict(sorted(by_environment.items())), (*problems, *unreadable))


def _catalogue() -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """Return what is required, or why that cannot be read."""
    try:
        return load_catalogue(), ()
    except ConfigurationError as exc:
        return (), (str(exc),)


def _text(found: Standings, env: str | None) -> str:
    return drawn(
        "status.txt.j2",
        _line,
        standings=found.by_environment,
        env=env,
        words=words,
        next=_next,
        causes_of=causes_of,
        title=_title,
        most_said=MOST_SAID,
        most_red=MOST_RED,
    )


def _line(value: object) -> str:
    return words.one_line(str(value))


def _title(verdict: Verdict, cause: Cause) -> str:
    """Return what a cause is about; a check that never began told nobody its title."""
    check = verdict.check(cause.checks[0]) if len(cause.checks) == 1 else None
    return cause.title if check is None or check.title is None else check.title


def _next(standing: Standing) -> str:
    """Return the one command to paste now."""
    verdict = standing.verdict
    undone = next((phase for phase in standing.phases if phase.state != "done"), None)
    if verdict.is_go and undone:
        return words.command(verdict, f"phase {undone.number}")
    if verdict.is_go:
        commands = [step.partition(words.GATE) for step in words.next_steps(verdict)]
        found = [f"{gate}{rest}" for _, gate, rest in commands if gate]
        return found[0] if found else "nothing: the last window is through"
    if verdict.state in ("refused", "failed"):
        return words.again_command(verdict)
    return words.explain_command(verdict)


def _as_json(found: Standings) -> dict[str, Any]:
    return {
        "schema": 1,
        "environments": {
            name: _standing_json(standing) for name, standing in found.by_environment.items()
        },
        "problems": list(found.problems),
    }


def _standing_json(standing: Standing) -> dict[str, Any]:
    verdict = standing.verdict
    record = verdict.record()
    return {
        "run": standing.run.id,
        "age_seconds": standing.age_seconds,
        "state": verdict.state,
        "decision": words.decision_word(verdict),
        **{key: record[key] for key in SHOWN},
        "red": [
            {
                "checks": cause.checks,
                "title": _title(verdict, cause),
                "owner": cause.owner or None,
                "where": words.where(cause),
            }
            for cause in causes_of(verdict)
        ],
        "by_people": list(words.by_people(verdict)),
        "phases": [dataclasses.asdict(phase) for phase in standing.phases],
        "deployment_window": standing.window,
        "next": _next(standing),
    }


def phases_of(
    out: pathlib.Path, verdict: Verdict, rows: Sequence[Row], now: dt.datetime
) -> tuple[PhaseStanding, ...]:
    """Return every phase that the catalogue asks anything of; none where none was run for a day.

    What is older belongs to another deployment, as the gate itself sees it.
    """
    found = [
        one
        for one in _verdicts(out, verdict.environment, verdict.release)
        if now - dt.datetime.fromisoformat(one.started_at) <= ONE_DEPLOYMENT
    ]
    if not found:
        return ()
    history = newest_first(_phase_run(one, rows) for one in found)
    regions = tuple(dict.fromkeys(region for one in found for region in one.regions))
    return tuple(
        _phase_standing(number, rows, regions, history)
        for number in range(1, LAST_PHASE + 1)
        if Phase(number).parts(rows)
    )


def window_left(environment: str, now: dt.datetime) -> str | None:
    """Return in words how long the deployment window stays open, where the environment has one."""
    try:
        described = loader.find(environment)
    except ConfigurationError:
        return None
    if isinstance(described, LocalFile) or described.deployment is None:
        return None
    windows = [WeeklyWindow(one.opens, one.closes) for one in described.deployment.windows]
    left = time_left(windows, now)
    named = " or ".join(map(str, windows))
    return f"closed; {named}" if left is None else closing(left)


def _verdicts(out: pathlib.Path, environment: str, release: str | None) -> Iterator[Verdict]:
    phases = (run for run in runs.newest_first(out) if "-phase-" in run.id)
    for run in itertools.islice(phases, MOST_PHASE_RUNS):
        try:
            verdict = run.verdict()
        except runs.UnreadableRunError:
            continue  # the newest run's own trouble is told; an older one's says nothing of today
        same = (verdict.environment, verdict.release) == (environment, release)
        if same and verdict.complete and verdict.phase is not None:
            yield verdict


def _phase_run(verdict: Verdict, rows: Sequence[Row]) -> PhaseRun:
    phase = Phase.parse(verdict.phase or "")
    at = dt.datetime.fromisoformat(verdict.started_at)
    parts = by_part(rows, phase.parts(rows), tuple(verdict.regions), verdict.reasons)
    return PhaseRun(verdict.run, str(phase), at, at, parts)


def _phase_standing(
    number: int, rows: Sequence[Row], regions: Sequence[str], history: Sequence[PhaseRun]
) -> PhaseStanding:
    red: dict[str, list[str]] = {}
    missing: list[str] = []
    for part in Phase(number).parts(rows):
        found = [last(part, region, history) for region in regions]
        said = [run.parts[part][region] for run, region in zip(found, regions, strict=True) if run]
        bad = next((one for one in said if one is not Decision.GO), None)
        if bad is not None:
            red.setdefault(bad.value, []).append(part)
        elif len(said) < len(regions):
            missing.append(part)
    asked = [f"{', '.join(parts)} {word}" for word, parts in red.items()]
    not_asked = [f"{', '.join(missing)} not asked"] if missing else []
    state = "red" if red else ("missing" if missing else "done")
    concerned = [part for parts in red.values() for part in parts] or missing
    owners = dict.fromkeys(row.owner for row in rows if row.when in concerned)
    return PhaseStanding(number, state, "; ".join([*asked, *not_asked]), tuple(owners))

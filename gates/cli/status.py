"""`gate status`: where each environment stands, by its newest run, and what to do next."""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import itertools
import json
import pathlib
from collections.abc import Iterator
from typing import IO, Any

from environments import loader
from environments.yaml_file import ConfigurationError
from gates.cli import deployment_status, runs
from gates.cli.deployment_status import PhaseStanding
from gates.cli.runs import Run
from gates.cli.streams import teller
from gates.decide.fold import MISSING
from gates.decide.outcome import EXIT_USAGE, Decision
from gates.decide.verdict import RedCheck, Verdict
from gates.load import OUT, load_catalogue
from probes.observation import utc_now
from reports import words

MOST_RUNS = 200
"""How far back is looked for an environment's newest run."""
MOST_RED = 10
MOST_SAID = 5
"""Sentences of a run: an environment that nobody filled in yet has fifty."""


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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--env", metavar="ENV", help="only this environment")
    parser.add_argument("--output", choices=("text", "json"), default="text")
    parser.add_argument("--out", type=pathlib.Path, default=OUT, help=argparse.SUPPRESS)


def run(
    arguments: argparse.Namespace,
    stdout: IO[str],
    stderr: IO[str],
    now: dt.datetime | None = None,
) -> int:
    """Print where the environments stand; return 0, whatever they said, and 20 where nothing ever ran.

    64 for an environment that there is not. Runs that cannot be read are named on stderr and passed over.
    """
    found = with_deployments(
        standings(arguments.out, arguments.env, now or utc_now()), arguments.out, now or utc_now()
    )
    env: str | None = arguments.env
    tell = teller(stderr, "gate status")
    if env is not None and not found.by_environment and env not in loader.names():
        tell(f"no run of “{env}”, and there is no environment of that name.")
        return EXIT_USAGE
    for problem in found.problems:
        tell(problem)
    if arguments.output == "json":
        stdout.write(f"{json.dumps(_as_json(found), indent=2, ensure_ascii=False)}\n")
    else:
        stdout.write("\n".join(_lines(found, env)) + "\n")
    return 0 if found.by_environment else Decision.HOLD.exit_code


def standings(out: pathlib.Path, env: str | None, now: dt.datetime) -> Standings:
    """Return each environment's newest run among the newest runs there are."""
    wanted = set(loader.names()) if env is None else {env}
    by_environment: dict[str, Standing] = {}
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
        if name not in by_environment and env in (None, name, verdict.env):
            age = runs.age_seconds(verdict, now)
            by_environment[name] = Standing(candidate, verdict, age)
        if wanted <= set(by_environment):
            break
    return Standings(dict(sorted(by_environment.items())), tuple(problems))


def with_deployments(found: Standings, out: pathlib.Path, now: dt.datetime) -> Standings:
    """Return the standings with the phases of each environment's deployment."""
    try:
        rows = load_catalogue()
    except ConfigurationError as exc:
        return dataclasses.replace(found, problems=(*found.problems, str(exc)))
    return dataclasses.replace(
        found,
        by_environment={
            name: dataclasses.replace(
                standing,
                phases=deployment_status.standings(out, standing.verdict, rows, now),
                window=deployment_status.window_left(standing.verdict.env, now),
            )
            for name, standing in found.by_environment.items()
        },
    )


def _lines(found: Standings, env: str | None) -> Iterator[str]:
    if not found.by_environment:
        yield f"Nothing was ever run{f' on {env}' if env else ''}."
        yield f"  next      {words.GATE} post-deploy --env {env or 'local'}"
    for number, (name, standing) in enumerate(found.by_environment.items()):
        if number:
            yield ""
        yield from _standing(name, standing)


def _standing(name: str, standing: Standing) -> Iterator[str]:
    verdict, age = standing.verdict, standing.age_seconds
    ago = f", {words.duration(max(1.0, age))} ago" if age is not None else ""
    yield f"{name}  {words.decision_word(verdict)}  {words.about(verdict)}{ago}"
    yield f"  gate      {words.scope(verdict)}"
    yield f"  run       {standing.run.id}"
    yield f"  means     {words.meaning(verdict)}"
    for line in words.not_asked(verdict):
        yield f"  not asked {line}"
    for sentence in verdict.sentences[:MOST_SAID]:
        yield f"  said      {words.one_line(sentence)}"
    if verdict.sentences[MOST_SAID:]:
        more = len(verdict.sentences) - MOST_SAID
        yield f"  said      and {more} more: {words.explain_command(verdict)}"
    for region, decision in verdict.regions.items():
        yield f"  region    {region} {decision.value}"
    red = verdict.red()
    for item in red[:MOST_RED]:
        yield _red(item)
    if red[MOST_RED:]:
        yield f"  red       and {len(red) - MOST_RED} more"
    yield from deployment_status.lines(standing.phases)
    if standing.window:
        yield f"  window    {standing.window}"
    yield f"  next      {_next(standing)}"


def _red(red: RedCheck) -> str:
    kind = "missing" if red.reasons[0].outcome == MISSING else "red"
    owner = f" (owner: {red.owner})" if red.owner else ""
    # A check that never began told nobody its title.
    nameless = red.check is None or red.title == red.check
    said = red.reasons[0].sentence if nameless else red.title
    return f"  {kind:<9} {red.check or 'run'} {words.where(red)}: {words.one_line(said)}{owner}"


def _next(standing: Standing) -> str:
    """Return the one command to paste now."""
    verdict = standing.verdict
    undone = deployment_status.next_command(verdict, standing.phases)
    if verdict.is_go and undone:
        return undone
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
    return {
        "run": standing.run.id,
        "age_seconds": standing.age_seconds,
        "state": verdict.state,
        "decision": words.decision_word(verdict),
        "exit_code": verdict.exit_code,
        "gate": verdict.gate,
        "window": verdict.window,
        "phase": verdict.phase,
        "at": verdict.at,
        "release": verdict.release,
        "regions": {region: decision.value for region, decision in verdict.regions.items()},
        "not_asked": [one.record() for one in verdict.not_asked],
        "sentences": list(verdict.sentences),
        "red": [
            {"check": red.check, "title": red.title, "owner": red.owner, "where": words.where(red)}
            for red in verdict.red()
        ],
        "phases": deployment_status.as_json(standing.phases),
        "deployment_window": standing.window,
        "next": _next(standing),
    }

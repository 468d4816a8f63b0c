"""`gate rollback plan`: ask which way leads back, and print it with today's commands; executes nothing."""

from __future__ import annotations

import argparse
import json
from typing import IO, Any

from environments.yaml_file import ConfigurationError
from gates.cli.asking import answer, show
from gates.decide.outcome import (
    EXIT_CONFIGURATION,
    EXIT_OUR_FAILURE,
    EXIT_USAGE,
    Decision,
)
from gates.decide.rollback.plan import Choice
from gates.decide.rollback.unattended import against
from gates.decide.scope import RollbackPlan
from gates.decide.verdict import Verdict
from gates.load import load_policy
from gates.run.runs import UnknownRunError, UnreadableRunError, find
from gates.run.verdict import asked_by
from probes.observation import utc_now
from reports import words
from reports.causes import causes_of
from reports.texts import drawn

METHOD, AUTHORITY, ESCALATION = "METHOD-1", "AUTH-1", "ESC-1"


def run(arguments: argparse.Namespace, stdout: IO[str], stderr: IO[str]) -> int:
    """Print the plan, or why there is none; the exit code is the verdict's."""
    script = arguments.what == "script"
    if (arguments.cause is None) is script or (arguments.env is None) is not script:
        stderr.write(
            "gate: a plan needs --env; a script needs the run that it answers, and no --env.\n"
        )
        return EXIT_USAGE
    if script:
        return _script(arguments, stdout, stderr)
    verdict = answer(RollbackPlan(), arguments, stderr)
    if not verdict.complete:
        return show(verdict, arguments.output, stdout)
    if arguments.output == "json":
        stdout.write(json.dumps(as_json(verdict), indent=1, allow_nan=False) + "\n")
    else:
        stdout.write(as_text(verdict))
    return EXIT_OUR_FAILURE if verdict.exit_code is None else verdict.exit_code


def _script(arguments: argparse.Namespace, stdout: IO[str], stderr: IO[str]) -> int:
    """Plan the way back from what a run found, and print it for a shell, or why a person has to decide."""
    try:
        cause = find(arguments.cause).verdict()
        policy = load_policy(asked_by(cause).policy).rollback
    except (UnknownRunError, UnreadableRunError, ConfigurationError) as exc:
        stderr.write(f"gate: {exc}\n")
        return EXIT_CONFIGURATION if isinstance(exc, ConfigurationError) else EXIT_USAGE
    arguments.env, arguments.release = cause.env, cause.release
    plan = answer(RollbackPlan(), arguments, stderr)
    unattended = None if policy is None else policy.unattended
    choice = _choice(plan)
    said = choice, words.data_of(plan, AUTHORITY).get("authority", {})
    reasons = [*against(plan, cause, unattended, said, utc_now())]
    if reasons or choice is None or choice.plan is None or unattended is None:
        stderr.write(f"gate: a person has to decide: {'; '.join(reasons)}.\n")
        return Decision.HOLD.exit_code
    steps = [(words.one_line(one.title), one.commands) for one in choice.plan.steps]
    shown = {"plan": plan, "cause": cause, "steps": steps, "unattended": unattended}
    stdout.write(drawn("rollback.sh.j2", str, **shown))
    return 0


def _choice(verdict: Verdict) -> Choice | None:
    said = words.data_of(verdict, METHOD)
    return Choice.from_record(said["choice"]) if "choice" in said else None


def as_json(verdict: Verdict) -> dict[str, Any]:
    """Return the verdict, with the plan beside it."""
    plan = {
        "choice": words.data_of(verdict, METHOD).get("choice"),
        "authority": words.data_of(verdict, AUTHORITY).get("authority"),
        "escalation": words.data_of(verdict, ESCALATION).get("escalation"),
    }
    return {**verdict.record(), "rollback": plan}


def as_text(verdict: Verdict) -> str:
    """Return the plan as people follow it, from the verdict alone."""
    said = words.data_of(verdict, METHOD)
    choice = _choice(verdict)
    plan = None if choice is None else choice.plan
    return drawn(
        "rollback.txt.j2",
        lambda value: words.one_line(str(value)),
        verdict=verdict,
        words=words,
        plan=plan,
        baseline=said.get("baseline"),
        authority=words.data_of(verdict, AUTHORITY).get("authority"),
        escalation=words.data_of(verdict, ESCALATION).get("escalation", ()),
        causes=causes_of(verdict),
        verify=words.verify_commands(verdict),
    )

"""`gate doctor`: no verdict; can the gate reach, log in to and read everything that it needs?"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import IO

from rich.console import Console
from rich.text import Text

from environments.provider import ProviderError, environment
from environments.yaml_file import ConfigurationError, RequestError
from gates.cli.streams import teller
from gates.decide.outcome import EXIT_CONFIGURATION, EXIT_OUR_FAILURE, EXIT_USAGE
from gates.doctor.look import WHOLE_SECONDS, Diagnosis, diagnose, subject_of
from steps.kit.findings import Finding, Level
from steps.kit.request import refuse_malformed

_STYLES = {Level.OK: "green", Level.WARN: "yellow", Level.BAD: "bold red"}
_SHARED = "-"

Tell = Callable[[str], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--env", required=True, help="environment, such as local or prod, or a file ending in .yaml"
    )
    parser.add_argument(
        "--release", help="look for this release's series; without it any release's will do"
    )
    parser.add_argument(
        "--region", action="append", default=[], help="only this region; may be repeated"
    )
    parser.add_argument("--output", choices=("text", "json"), default="text")


def run(arguments: argparse.Namespace, stdout: IO[str], stderr: IO[str]) -> int:
    """Examine the environment: 0 the gate can decide, 20 it could not, 64, 70 and 78 as ever."""
    tell = teller(stderr)
    try:
        diagnosis = _diagnosis(arguments, tell)
    except ConfigurationError as exc:
        for sentence in exc.sentences:
            tell(sentence)
        return EXIT_USAGE if isinstance(exc, RequestError) else EXIT_CONFIGURATION
    except ProviderError as exc:
        tell(f"our own failure: {exc}")
        return EXIT_OUR_FAILURE
    if arguments.output == "json":
        write_json(diagnosis, stdout)
    else:
        write_text(diagnosis, stdout)
    return diagnosis.exit_code


def _diagnosis(arguments: argparse.Namespace, tell: Tell) -> Diagnosis:
    refuse_malformed(arguments.release, None)
    with environment(arguments.env, tell=tell) as loaded:
        subject = subject_of(loaded, arguments.release, tuple(arguments.region))
        words = f"at most {WHOLE_SECONDS:.0f} s for its systems, then its scenarios"
        tell(f"examining {loaded.settings.name}: {words}")
        return diagnose(subject)


def write_json(diagnosis: Diagnosis, stdout: IO[str]) -> None:
    """Write the diagnosis for machines."""
    record = {
        "schema": 1,
        "environment": diagnosis.environment,
        "release": diagnosis.release,
        "exit_code": diagnosis.exit_code,
        "findings": [finding.record() for finding in diagnosis.findings],
    }
    stdout.write(json.dumps(record, indent=1, allow_nan=False) + "\n")


def write_text(diagnosis: Diagnosis, stdout: IO[str]) -> None:
    """Write the diagnosis for people; each remedy on lines of its own, ready to be copied."""
    console = Console(file=stdout, soft_wrap=True, highlight=False)
    systems = max(len(finding.system) for finding in diagnosis.findings)
    regions = max(len(finding.region or _SHARED) for finding in diagnosis.findings)
    for finding in diagnosis.findings:
        console.print(_line(finding, systems, regions))
        for remedy in finding.remedy:
            console.print(Text(f"{'':7}→ {remedy}"))
    console.print()
    console.print(Text(summary(diagnosis)))


def _line(finding: Finding, systems: int, regions: int) -> Text:
    where = f"{finding.system:{systems}}  {finding.region or _SHARED:{regions}}  "
    return Text.assemble(
        (f"{finding.level.value:5}", _STYLES[finding.level]), "  ", where, finding.sentence
    )


def summary(diagnosis: Diagnosis) -> str:
    """Return the end of the report: whether the gate could decide, and what comes next."""
    bad, warned = diagnosis.count(Level.BAD), diagnosis.count(Level.WARN)
    name = diagnosis.environment
    counts = f"{diagnosis.count(Level.OK)} OK, {warned} WARN, {bad} BAD"
    if diagnosis.reached_nothing:
        return (
            f"{name}: {counts}. Nothing at all answered this machine: it has no network, or none that "
            "leads there. Run the doctor where the gate will run."
        )
    if bad:
        return f"{name}: {counts}. The gate would HOLD; fix what is BAD and look again."
    return f"{name}: {counts}. The gate can decide about {name}."

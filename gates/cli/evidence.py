"""`gate explain [RUN]`: why a run ended as it did, from its verdict alone."""

from __future__ import annotations

import argparse
import json
import pathlib
from typing import IO

from gates.cli import runs
from gates.cli.streams import teller
from gates.decide.outcome import EXIT_OUR_FAILURE, EXIT_USAGE
from gates.load import OUT
from reports import explanation


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "run", nargs="?", metavar="RUN", help="a run's id, the beginning of it, or its folder"
    )
    parser.add_argument("--output", choices=("text", "json"), default="text")
    parser.add_argument("--out", type=pathlib.Path, default=OUT, help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace, stdout: IO[str], stderr: IO[str]) -> int:
    """Explain a run on stdout; return 0, 64 for an unknown run, 70 for an unreadable verdict.

    0 says that the explanation could be given: explaining is not a verdict.
    """
    tell = teller(stderr, "gate explain")
    try:
        found = runs.find(arguments.run, arguments.out)
        verdict = found.verdict()
    except runs.UnknownRunError as exc:
        tell(str(exc))
        return EXIT_USAGE
    except runs.UnreadableRunError as exc:
        tell(str(exc))
        return EXIT_OUR_FAILURE
    measured = None if verdict.complete else found.measured()
    if arguments.output == "json":
        said = explanation.as_json(verdict, measured)
        stdout.write(f"{json.dumps(said, indent=2, ensure_ascii=False)}\n")
    else:
        stdout.write(explanation.render(verdict, measured))
    return 0

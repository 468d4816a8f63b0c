"""`gate explain [RUN]`: why a run ended as it did. `gate join RUN…`: one verdict of the regions' runs."""

from __future__ import annotations

import argparse
import json
import pathlib
from typing import IO

from gates.cli import asking
from gates.cli.streams import teller
from gates.decide.outcome import EXIT_OUR_FAILURE, EXIT_USAGE
from gates.load import OUT
from gates.run import runs
from gates.run.join import Joined, NotJoinedError, join
from reports import explanation

JOINING = (
    "Give the run of each region, all of the same gate, release and environment. A region that is "
    "missing or given twice holds the release."
)


def add_arguments(parser: argparse.ArgumentParser, command: str) -> None:
    """Add the arguments of a command that reads runs."""
    joins = command == "join"
    parser.epilog = JOINING if joins else None
    what = "a run's id, the beginning of it, or its folder"
    parser.add_argument("run", nargs="+" if joins else "?", metavar="RUN", help=what)
    parser.add_argument("--output", choices=("text", "json"), default="text")
    parser.add_argument("--out", type=pathlib.Path, default=OUT, help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace, stdout: IO[str], stderr: IO[str]) -> int:
    """Explain a run or join several; return 64 for an unknown run, 70 for one that cannot be read.

    Else 0 for an explanation, which is not a verdict, and the verdict's own code for what was joined.
    """
    tell = teller(stderr, f"gate {arguments.command}")
    try:
        if arguments.command == "join":
            return _join(arguments, stdout)
        return _explain(arguments, stdout)
    except runs.UnknownRunError as exc:
        tell(str(exc))
        return EXIT_USAGE
    except NotJoinedError as exc:
        tell(f"{exc}.")
        return EXIT_USAGE
    except runs.UnreadableRunError as exc:
        tell(str(exc))
        return EXIT_OUR_FAILURE


def _explain(arguments: argparse.Namespace, stdout: IO[str]) -> int:
    found = runs.find(arguments.run, arguments.out)
    verdict = found.verdict()
    measured = None if verdict.complete else found.measured()
    if arguments.output == "json":
        said = explanation.as_json(verdict, measured)
        stdout.write(f"{json.dumps(said, indent=2, ensure_ascii=False)}\n")
    else:
        stdout.write(explanation.render(verdict, measured))
    return 0


def _join(arguments: argparse.Namespace, stdout: IO[str]) -> int:
    found = [runs.find(name, arguments.out) for name in arguments.run]
    try:
        verdict = join([Joined(one.path, one.verdict()) for one in found], arguments.out)
    except NotJoinedError:
        raise
    except (KeyError, TypeError, ValueError) as exc:
        raise runs.UnreadableRunError(
            f"a run's verdict lacks what joining needs ({type(exc).__name__} at {exc}); "
            "run the gate there again."
        ) from exc
    return asking.show(verdict, arguments.output, stdout)

"""`gate join RUN…`: one verdict of the regions' runs."""

from __future__ import annotations

import argparse
import pathlib
from typing import IO

from gates.cli import asking, runs
from gates.cli.streams import teller
from gates.decide.outcome import EXIT_OUR_FAILURE, EXIT_USAGE
from gates.load import OUT
from gates.run.join import Joined, NotJoinedError, join


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.epilog = (
        "Give the run of each region, all of the same gate, release and environment. A region that is "
        "missing or given twice holds the release."
    )
    parser.add_argument(
        "run", nargs="+", metavar="RUN", help="a run's id, the beginning of it, or its folder"
    )
    parser.add_argument("--output", choices=("text", "json"), default="text")
    parser.add_argument("--out", type=pathlib.Path, default=OUT, help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace, stdout: IO[str], stderr: IO[str]) -> int:
    """Join the runs; the exit code is the verdict's, 64 for an unknown run, 70 for a damaged one."""
    tell = teller(stderr, "gate join")
    try:
        sources = [_source(name, arguments.out) for name in arguments.run]
        verdict = join(sources, arguments.out)
    except runs.UnknownRunError as exc:
        tell(str(exc))
        return EXIT_USAGE
    except NotJoinedError as exc:
        stderr.write(f"gate join: {exc}.\n")
        return EXIT_USAGE
    except runs.UnreadableRunError as exc:
        tell(str(exc))
        return EXIT_OUR_FAILURE
    except (KeyError, TypeError, ValueError) as exc:
        tell(
            f"a run's verdict lacks what joining needs ({type(exc).__name__} at {exc}); "
            "run the gate there again."
        )
        return EXIT_OUR_FAILURE
    return asking.show(verdict, arguments.output, stdout)


def _source(name: str, out: pathlib.Path) -> Joined:
    found = runs.find(name, out)
    return Joined(found.path, found.verdict())

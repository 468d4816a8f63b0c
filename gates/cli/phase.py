"""`gate phase N[.M]`: is this phase of the deployment done, and done right?"""

from __future__ import annotations

import argparse
from typing import IO

from gates.cli import asking
from gates.decide.scope import Phase

_ABOUT = """A red check stops the deployment while no traffic is switched (phases 1, 2, 3.1 and 3.2) and asks
for a rollback from 3.3 on. The phase before must be GO for the same release."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.epilog = _ABOUT
    parser.add_argument(
        "phase", type=_phase, metavar="N[.M]", help="a phase, 1 to 7, or one part such as 2.1"
    )
    asking.add_arguments(parser)


def _phase(text: str) -> Phase:
    try:
        return Phase.parse(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from exc


def run(arguments: argparse.Namespace, stdout: IO[str], stderr: IO[str]) -> int:
    """Run the gate; the exit code is the verdict's."""
    return asking.ask(arguments.phase, arguments, stdout, stderr)

"""`gate pre-deploy`: is everything ready that the countdown asks for?"""

from __future__ import annotations

import argparse
from typing import IO

from gates.cli import asking
from gates.decide.catalogue import COUNTDOWN
from gates.decide.scope import INFRASTRUCTURE_ONLY, PreDeploy


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.epilog = f"Any red check is NO_GO (code 10). {INFRASTRUCTURE_ONLY}"
    asking.add_arguments(parser)
    parser.add_argument(
        "--at",
        choices=COUNTDOWN,
        default=COUNTDOWN[-1],
        help="what is due by this time of the countdown, the earlier items too (default: all)",
    )


def run(arguments: argparse.Namespace, stdout: IO[str], stderr: IO[str]) -> int:
    """Run the gate; the exit code is the verdict's."""
    return asking.ask(PreDeploy(arguments.at), arguments, stdout, stderr)

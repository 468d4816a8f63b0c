"""`gate post-deploy`: measure the live release and decide."""

from __future__ import annotations

import argparse
from typing import IO

from gates.cli import asking
from gates.decide.catalogue import WINDOWS
from gates.decide.scope import PostDeploy


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    asking.add_arguments(parser)
    parser.add_argument("--window", choices=tuple(WINDOWS), default="15m", help="validation window")


def run(arguments: argparse.Namespace, stdout: IO[str], stderr: IO[str]) -> int:
    """Run the gate; the exit code is the verdict's."""
    return asking.ask(PostDeploy(arguments.window), arguments, stdout, stderr)

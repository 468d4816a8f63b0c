"""`gate completion SHELL`: prints what makes a shell complete the commands, the flags and their values."""

from __future__ import annotations

import argparse
from typing import IO

from argcomplete.shell_integration import shellcode


def run(arguments: argparse.Namespace, stdout: IO[str], _stderr: IO[str]) -> int:
    """Print the shell's code; the shell asks the gate itself for the words, so they are never old."""
    stdout.write(f"{shellcode(['gate'], shell=arguments.shell)}\n")
    return 0

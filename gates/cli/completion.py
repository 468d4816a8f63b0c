"""`gate completion SHELL`: prints what makes a shell complete the commands, the flags and their values."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from typing import IO, Any

import argcomplete
from argcomplete.shell_integration import shellcode


def run(arguments: argparse.Namespace, stdout: IO[str], _stderr: IO[str]) -> int:
    """Print the shell's code; the shell asks the gate itself for the words, so they are never old."""
    stdout.write(f"{shellcode(['gate'], shell=arguments.shell)}\n")
    return 0


def answer(
    parser: argparse.ArgumentParser, commands: Mapping[str, argparse.ArgumentParser]
) -> None:
    """Tell the shell that completes a line what may come next, and end the process."""
    words = {"env": _environments, "region": _regions, "only": _checks, "run": _runs}
    for command in commands.values():
        for action in command._actions:  # noqa: SLF001 - argparse shows them nowhere else
            if action.dest in words:
                action.completer = words[action.dest]  # type: ignore[attr-defined]  # argcomplete reads it
    argcomplete.autocomplete(parser)


# Imported late: what completes a command or a flag needs no file, and must not keep anybody waiting.
def _environments(**_: Any) -> Iterable[str]:
    from environments import loader  # noqa: PLC0415 - see above

    return loader.names()


def _regions(parsed_args: argparse.Namespace, **_: Any) -> Iterable[str]:
    from environments import loader, yaml_file  # noqa: PLC0415 - see above

    try:
        return loader.find(parsed_args.env or "").regions
    except yaml_file.ConfigurationError:
        return ()


def _checks(parsed_args: argparse.Namespace, **_: Any) -> Iterable[str]:
    from environments import loader, yaml_file  # noqa: PLC0415 - see above
    from gates import load  # noqa: PLC0415 - see above

    try:
        own = loader.checks_of(parsed_args.env) if parsed_args.env else None
        return [row.id for row in load.load_catalogue(load.Checks.of(own).features)]
    except yaml_file.ConfigurationError:
        return ()


def _runs(parsed_args: argparse.Namespace, **_: Any) -> Iterable[str]:
    from gates import load  # noqa: PLC0415 - see above
    from gates.run import runs  # noqa: PLC0415 - see above

    return [one.id for one in runs.newest_first(parsed_args.out or load.OUT)]

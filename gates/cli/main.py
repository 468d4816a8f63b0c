"""The `gate` command: parses, calls one command, turns every end into one sentence and an exit code."""

from __future__ import annotations

import argparse
import importlib
import sys
import traceback
from collections.abc import Sequence
from typing import IO, NoReturn

from gates.cli import streams
from gates.decide.outcome import EXIT_OUR_FAILURE, EXIT_USAGE, Decision

# Imported only when called, so that `gate --help` answers at once.
COMMANDS = {
    "pre-deploy": "before the deployment: is everything ready that the countdown asks for?",
    "phase": "during the deployment: is phase N[.M] done, and done right?",
    "post-deploy": "measure the live release and say GO, ROLLBACK or HOLD",
    "baseline": "before the deployment: keep how the platform is, for later checks to compare with",
    "join": "one verdict of the regions' runs",
    "explain": "why: what failed, by how much, where, what would clear it",
    "status": "how far the deployment is, who has to act, the next command",
    "notify": "tell people of a verdict: Slack, Teams, PagerDuty, a webhook",
    "doctor": "no verdict: can the gate reach and read everything it needs?",
    "init": "propose an environment file from a live Prometheus",
}
SHARED = {
    **dict.fromkeys(("pre-deploy", "phase", "post-deploy"), "asking"),
    **dict.fromkeys(("explain", "join"), "evidence"),
    **dict.fromkeys(("baseline", "doctor", "init"), "set_up"),
}
"""The modules of several commands; every other one is called as its command."""
EXIT_CODES = """exit codes:
  0   GO: every required check ran and passed
  10  measured and bad: ROLLBACK (before traffic is switched: NO_GO or STOP)
  20  HOLD: could not be decided; the output says who decides and what clears it
  64  wrong usage    78  wrong configuration    70  our own failure
Anything but 0 is not GO. 10 recommends a rollback; it does not authorise one."""


class Parser(argparse.ArgumentParser):
    """argparse with the gate's exit code for wrong usage: 2 could start something it must not."""

    def error(self, message: str) -> NoReturn:
        """Print the mistake in one line and leave with 64."""
        self.exit(EXIT_USAGE, f"gate: {message}; see {self.prog} --help\n")


def run() -> NoReturn:
    """Entry point of the console script."""
    streams.prepare()
    code = main(sys.argv[1:], sys.stdout, sys.stderr)
    if code == EXIT_OUR_FAILURE:
        # What stdout did not take is lost; the interpreter must not try again and leave with 120.
        streams.discard(sys.stdout)
    sys.exit(code)


def main(arguments: Sequence[str], stdout: IO[str], stderr: IO[str]) -> int:
    """Run a command and return the exit code; shows no traceback without --debug."""
    if sys.flags.optimize:
        stderr.write("gate: python -O strips checks of the libraries used; run without -O.\n")
        return EXIT_OUR_FAILURE
    try:
        # Parsing too: it loads the command's libraries, and most of a Ctrl-C's chances lie there.
        return _called(arguments, stdout, stderr)
    except KeyboardInterrupt:
        stderr.write("gate: interrupted; nothing was decided.\n")
        return Decision.HOLD.exit_code
    except Exception as exc:  # noqa: BLE001 - whatever it is, it must end as 70 and never as 1
        return _our_failure(exc, stderr, debug="--debug" in arguments)


def _called(arguments: Sequence[str], stdout: IO[str], stderr: IO[str]) -> int:
    try:
        parsed = _parser(arguments[0] if arguments else None).parse_args(arguments)
    except SystemExit as exc:
        stdout.flush()
        return exc.code if isinstance(exc.code, int) else EXIT_USAGE
    code: int = importlib.import_module(module_of(parsed.command)).run(parsed, stdout, stderr)
    stdout.flush()
    return code


def _parser(asked: str | None) -> Parser:
    parser = Parser(
        prog="gate",
        description="Says GO, ROLLBACK or HOLD about a release, from measurements.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, what in COMMANDS.items():
        command = commands.add_parser(name, help=what, description=what)
        command.add_argument("--debug", action="store_true", help="show tracebacks")
        if name == asked:
            add = importlib.import_module(module_of(name)).add_arguments
            add(command, name) if name in SHARED else add(command)
    return parser


def module_of(command: str) -> str:
    """Return the name of a command's module."""
    return f"{__package__}.{SHARED.get(command, command)}"


def _our_failure(exc: Exception, stderr: IO[str], *, debug: bool) -> int:
    if debug:
        traceback.print_exception(exc, file=stderr)
    what = "broke"
    if isinstance(exc, OSError):
        what = (exc.strerror or "failed") + (f" ({exc.filename})" if exc.filename else "")
    stderr.write(
        f"gate: our own failure, no verdict: {type(exc).__name__}: {what}. "
        "Run again with --debug to see where.\n"
    )
    return EXIT_OUR_FAILURE

"""The `gate` command: parses, calls one command, turns every end into one sentence and an exit code."""

from __future__ import annotations

import gc
import importlib
import os
import sys
import traceback
from collections.abc import Collection, Sequence
from typing import IO, NoReturn

from gates import VERSION
from gates.cli import streams
from gates.cli.arguments import FORMAT, Parser, add
from gates.decide.outcome import EXIT_OUR_FAILURE, EXIT_USAGE, Decision

# Imported only when called, so that `gate --help` answers at once. The everyday ones come first.
COMMANDS = {
    "pre-deploy": "before the deployment: is everything ready that the countdown asks for?",
    "phase": "during the deployment: is phase N[.M] done, and done right?",
    "post-deploy": "measure the live release and say GO, ROLLBACK or HOLD",
    "rollback": "plan the way back: method, exact commands, minutes, loss, who decides",
    "post-rollback": "after a rollback: is what was there before back, and does everybody know?",
    "watch": "after the switch: does a rollback trigger fire within the time?",
    "rollout": "days after: is a new feature at its day's percentage, and may it go on?",
    "status": "how far the deployment is, who has to act, the next command",
    "explain": "why: what failed, by how much, where, what would clear it",
    "doctor": "no verdict: can the gate reach and read everything it needs?",
    "baseline": "before the deployment: keep how the platform is, for later checks to compare with",
    "checks": "what a gate would ask, who owns it, what a failure means",
    "checklist": "the countdown by owner: done, failed, missing, who owes what by when",
    "attest": "sign what only a person can say of a release",
    "approve": "sign your approval of a release, for Go/No-Go",
    "waive": "two people let one item pass that is not good, for a time",
    "decide": "people decide what follows a HOLD; it stays one",
    "declare": "fire a rollback trigger by your word: data are corrupt, somebody breaks in",
    "join": "one verdict of the regions' runs",
    "verify": "is what a run left what it measured, whole and unchanged?",
    "report": "the Allure report of runs, or of a release: one HTML file",
    "notify": "tell people of a verdict: Slack, Teams, PagerDuty, a webhook",
    "release": "what a release is: draft its release.yaml from the git repository",
    "rules": "the policy's objectives and triggers as rules of Prometheus",
    "check-policy": "can each rule of the policy fire and pass, and does it say what its fixtures expect?",
    "backtest": "what each trigger would have said of past releases, and when",
    "init": "propose an environment file from a live Prometheus",
    "prune": "remove old runs, but for what is still needed",
    "completion": "what makes a shell complete commands: bash, zsh, fish",
}
SHARED = {
    **dict.fromkeys(
        ("pre-deploy", "phase", "post-deploy", "post-rollback", "watch", "rollout"), "asking"
    ),
    **dict.fromkeys(("explain", "join"), "evidence"),
    **dict.fromkeys(("attest", "approve", "waive", "decide", "declare"), "people"),
    **dict.fromkeys(("baseline", "doctor", "init"), "set_up"),
    **dict.fromkeys(("rules", "check-policy", "backtest"), "policy"),
}
"""The modules of several commands; every other one is called as its command."""
EXAMPLES = """examples:
  gate post-deploy --env local
  gate post-deploy --env prod --release v1.2.0 --window 1h
  gate explain
  gate help phase"""
EXIT_CODES = """exit codes:
  0   GO: every required check ran and passed
  10  measured and bad: ROLLBACK (before traffic is switched: NO_GO or STOP)
  20  HOLD: could not be decided; the output says who decides and what clears it
  64  wrong usage    78  wrong configuration    70  our own failure
Anything but 0 is not GO. 10 recommends a rollback; it does not authorise one."""


def run() -> NoReturn:
    """Entry point of the console script."""
    if "_ARGCOMPLETE" in os.environ:
        complete()
    streams.prepare()
    code = main(sys.argv[1:], sys.stdout, sys.stderr)
    if code == EXIT_OUR_FAILURE:
        # What stdout did not take is lost; the interpreter must not try again and leave with 120.
        streams.discard(sys.stdout)
    gc.freeze()  # nothing is looked for in what ends with the process: a fifth of a second
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


def _called(given: Sequence[str], stdout: IO[str], stderr: IO[str]) -> int:
    arguments = _help_of(given)
    try:
        parser, commands = parser_for(arguments[:1])
        parsed, unknown = parser.parse_known_args(arguments)
        if unknown:
            commands[parsed.command].refuse_unknown(unknown)
    except SystemExit as exc:
        stdout.flush()
        return exc.code if isinstance(exc.code, int) else EXIT_USAGE
    code: int = importlib.import_module(module_of(parsed.command)).run(parsed, stdout, stderr)
    stdout.flush()
    return code


def _help_of(arguments: Sequence[str]) -> list[str]:
    """Return `gate help COMMAND` as `gate COMMAND --help`."""
    command, *rest = arguments or ("",)
    return [*rest[:1], "--help"] if command == "help" else list(arguments)


def complete() -> None:
    """Answer the shell that completes a line, and end the process."""
    from gates.cli import completion  # noqa: PLC0415 - nobody else needs it

    words = os.environ.get("COMP_LINE", "").split()
    completion.answer(*parser_for(words[1:2]))


def parser_for(asked: Collection[str]) -> tuple[Parser, dict[str, Parser]]:
    """Return the parser, and those of its commands; what the asked ones take is in it."""
    parser = Parser(
        prog="gate",
        description="Says GO, ROLLBACK or HOLD about a release, from measurements.",
        epilog=f"{EXAMPLES}\n\n{EXIT_CODES}",
        formatter_class=FORMAT,
    )
    parser.add_argument("--version", action="version", version=f"gate {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    added = {}
    for name, what in COMMANDS.items():
        added[name] = command = commands.add_parser(name, help=what, description=what)
        command.add_argument("--debug", action="store_true", help="show tracebacks")
        if name in asked:
            add(command, name)
    return parser, added


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

"""`sandbox`: the local platform by hand. Stdout is the product, stderr progress; 0, 64 usage, 70 failure."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from sandbox.core.errors import SandboxError, UnknownNameError
from sandbox.core.state import StateDirectory, default_directory

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sandbox.faults.catalogue import Fault

_OK, _NOT_RUNNING, _USAGE, _FAILURE = 0, 1, 64, 70


class _Parser(argparse.ArgumentParser):
    """Ends with 64 on a mistake: 2 is what shells die with."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the command."""
        self.print_usage(sys.stderr)
        self.exit(_USAGE, f"{self.prog}: {message}\n")


def main(argv: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(argv)
    state = StateDirectory(options.state.absolute())
    try:
        return int(options.run(state, options))
    except SandboxError as exc:
        if options.debug:
            raise
        sys.stderr.write(f"sandbox: {exc}\n")
        return _USAGE if isinstance(exc, UnknownNameError) else _FAILURE
    except (OSError, KeyboardInterrupt) as exc:
        if options.debug:
            raise
        sys.stderr.write(f"sandbox: {str(exc) or 'interrupted'}\n")
        return _FAILURE


def run() -> NoReturn:
    """Run the console script."""
    sys.exit(main(sys.argv[1:]))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="sandbox", description="The local Unified Health platform, by hand.")
    parser.add_argument(
        "--state",
        type=Path,
        default=default_directory(),
        metavar="DIRECTORY",
        help="where this platform's files lie (default: $SANDBOX_STATE, else .sandbox)",
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of a failure")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_up(commands)
    _add_down(commands)
    _add_status(commands)
    _add_deploy(commands)
    _add_traffic(commands)
    _add_fault(commands)
    return parser


if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[_Parser]  # noqa: SLF001 - argparse gives it no other name


def _add_up(commands: Commands) -> None:
    up = commands.add_parser("up", help="bring it up; prints the path of its environment file")
    up.add_argument(
        "--owner", type=int, metavar="PID", help="take it down when this process is gone"
    )
    up.add_argument(
        "--pending", action="store_true", help="before the release: v1.1.0 is live, v1.2.0 waits"
    )
    up.set_defaults(run=_up)


def _up(state: StateDirectory, options: argparse.Namespace) -> int:
    from sandbox import starting  # noqa: PLC0415 - `--help` stays quick

    environment = starting.up(state, options.owner, _say, pending=options.pending)
    _print(str(environment))
    return _OK


def _add_down(commands: Commands) -> None:
    down = commands.add_parser("down", help="take it down, and all its data with it")
    down.add_argument(
        "--owner", type=int, metavar="PID", help="only if no other process than this one wants it"
    )
    down.set_defaults(run=_down)


def _down(state: StateDirectory, options: argparse.Namespace) -> int:
    from sandbox import starting  # noqa: PLC0415 - `--help` stays quick

    _say(starting.down(state, options.owner))
    return _OK


def _add_status(commands: Commands) -> None:
    status = commands.add_parser("status", help="what runs where; 1 when nothing does")
    status.add_argument(
        "--environment", action="store_true", help="only the path of the environment file"
    )
    status.set_defaults(run=_status)


def _status(state: StateDirectory, options: argparse.Namespace) -> int:
    from sandbox import starting  # noqa: PLC0415 - `--help` stays quick

    if state.running() is None or not state.environment.exists():
        _say("the platform is not running: `sandbox up` brings it up.")
        return _NOT_RUNNING
    if options.environment:
        _print(str(state.environment))
    else:
        _print(_status_table(starting.ask(state, {"do": "status"})))
    return _OK


def _add_deploy(commands: Commands) -> None:
    deploy = commands.add_parser("deploy", help="carry out the next phase of the runbook, 1 to 7")
    deploy.add_argument(
        "phase",
        type=int,
        choices=range(1, 8),
        metavar="N",
        help="the phase, 1 to 7, in order; 1 takes the gate's baseline first",
    )
    deploy.set_defaults(run=_deploy)


def _deploy(state: StateDirectory, options: argparse.Namespace) -> int:
    from sandbox import deployment, starting  # noqa: PLC0415 - `--help` stays quick

    if options.phase == 1 and state.running() is not None and deployment.take_baseline(state):
        _say("the baseline of the platform before its release is taken.")
    for said in starting.ask(state, {"do": "deploy", "phase": options.phase})["said"]:
        _say(said)
    _say(f"phase {options.phase} is carried out.")
    return _OK


def _add_traffic(commands: Commands) -> None:
    traffic = commands.add_parser("traffic", help="send tagged reads to every region for a while")
    traffic.add_argument("--rps", type=_positive, required=True, help="requests a second, a region")
    traffic.add_argument("--for", type=_positive, required=True, dest="seconds", metavar="SECONDS")
    traffic.set_defaults(run=_traffic)


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value <= 86_400:  # noqa: PLR2004 - a day; also refuses nan and inf
        raise argparse.ArgumentTypeError("must be above 0 and at most 86400")
    return value


def _traffic(state: StateDirectory, options: argparse.Namespace) -> int:
    from sandbox.core import lease  # noqa: PLC0415 - `--help` stays quick

    lease.extend(state, options.rps, options.seconds)
    return _OK


def _add_fault(commands: Commands) -> None:
    fault = commands.add_parser("fault", help="break the platform in a known way, and fix it")
    actions = fault.add_subparsers(metavar="ACTION", required=True)
    actions.add_parser("list", help="every fault, applied ones marked").set_defaults(run=_faults)
    apply = actions.add_parser("apply", help="apply one")
    apply.add_argument("name", metavar="NAME")
    apply.set_defaults(run=_apply)
    revert = actions.add_parser("revert", help="revert one, or all")
    which = revert.add_mutually_exclusive_group(required=True)
    which.add_argument("name", nargs="?", metavar="NAME")
    which.add_argument("--all", action="store_true")
    revert.set_defaults(run=_revert)


def _faults(state: StateDirectory, _options: argparse.Namespace) -> int:
    from sandbox import starting  # noqa: PLC0415 - `--help` stays quick
    from sandbox.faults import catalogue  # noqa: PLC0415 - `--help` stays quick

    running = state.running() is not None
    applied = starting.ask(state, {"do": "status"})["faults"] if running else []
    _print(_faults_table(catalogue.load(), applied))
    return _OK


def _apply(state: StateDirectory, options: argparse.Namespace) -> int:
    from sandbox import starting  # noqa: PLC0415 - `--help` stays quick

    order = {"do": "fault", "action": "apply", "name": options.name}
    changed = starting.ask(state, order)["changed"]
    _say(f"{options.name} {'is applied' if changed else 'was applied already'}.")
    return _OK


def _revert(state: StateDirectory, options: argparse.Namespace) -> int:
    from sandbox import starting  # noqa: PLC0415 - `--help` stays quick

    if options.all:
        reverted = starting.ask(state, {"do": "fault", "action": "revert-all"})["reverted"]
        _say(f"reverted: {', '.join(reverted) or 'nothing was applied'}.")
        return _OK
    order = {"do": "fault", "action": "revert", "name": options.name}
    changed = starting.ask(state, order)["changed"]
    _say(f"{options.name} {'is reverted' if changed else 'was not applied'}.")
    return _OK


def _say(text: str) -> None:
    sys.stderr.write(f"sandbox: {text}\n")
    sys.stderr.flush()


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _status_table(answer: dict[str, Any]) -> str:
    """Render the supervisor's answer: processes, links, addresses, applied faults."""
    processes = [
        (
            row["name"],
            row["state"],
            row["pid"] or "-",
            row["port"] or "-",
            row["version"],
            row["log"],
        )
        for row in answer["processes"]
    ]
    links = [
        (row["name"], row["mode"], row["port"], row["target"], f"{row['latency_ms']} ms")
        for row in answer["links"]
    ]
    return "\n\n".join(
        (
            _columns(("PROCESS", "STATE", "PID", "PORT", "VERSION", "LOG"), processes),
            _columns(("LINK", "MODE", "PORT", "LEADS TO", "LATENCY"), links),
            _columns(("ADDRESS", "URL"), answer["urls"].items()),
            "\n".join(
                (
                    f"deployment   {answer['deployment']}",
                    f"environment  {answer['environment']}",
                    f"faults       {', '.join(answer['faults']) or 'none'}",
                )
            ),
        )
    )


def _faults_table(catalogue: Iterable[Fault], applied: Sequence[str]) -> str:
    """Render the catalogue; applied faults carry a star."""
    rows = [
        ("*" if fault.name in applied else "", fault.name, fault.decision, fault.description)
        for fault in catalogue
    ]
    return _columns(("", "FAULT", "VERDICT", "WHAT IT IS"), rows)


def _columns(head: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    table = [head, *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    )


if __name__ == "__main__":
    run()

"""`sandbox`: the local platform by hand. Stdout is the product, stderr progress; 0, 64, 70, 78 as a gate."""

from __future__ import annotations

import argparse
import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from probes import missing
from sandbox.core import SandboxError, UnknownNameError
from sandbox.core.state import StateDirectory, default_directory, extend_lease

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_PROCESS = ("name", "state", "pid", "port", "version", "log")
_OK, _NOT_RUNNING, _USAGE, _FAILURE, _CONFIGURATION = 0, 1, 64, 70, 78


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
    add = parser.add_subparsers(metavar="COMMAND", required=True).add_parser
    up = add("up", help="bring it up; prints the path of its environment file")
    up.add_argument(
        "--owner", type=int, metavar="PID", help="take it down when this process is gone"
    )
    up.add_argument(
        "--pending", action="store_true", help="before the release: v1.1.0 is live, v1.2.0 waits"
    )
    up.set_defaults(run=_up)
    down = add("down", help="take it down, and all its data with it")
    down.add_argument(
        "--owner", type=int, metavar="PID", help="only if no other process than this one wants it"
    )
    down.set_defaults(run=_down)
    status = add("status", help="what runs where; 1 when nothing does")
    status.add_argument(
        "--environment", action="store_true", help="only the path of the environment file"
    )
    status.set_defaults(run=_status)
    deploy = add("deploy", help="carry out the next phase of the runbook, 1 to 7")
    words = "the phase, 1 to 7, in order; 1 takes the gate's baseline first"
    deploy.add_argument("phase", type=int, choices=range(1, 8), metavar="N", help=words)
    deploy.set_defaults(run=_deploy)
    _add_rollback(add("rollback", help="lead the finished release back by a method of the runbook"))
    what = "play T-7d to T-2h before the release: the gate asks, six people sign"
    add("countdown", help=what).set_defaults(run=_countdown)
    traffic = add("traffic", help="send tagged reads to every region for a while")
    traffic.add_argument("--rps", type=_positive, required=True, help="requests a second, a region")
    traffic.add_argument("--for", type=_positive, required=True, dest="seconds", metavar="SECONDS")
    traffic.set_defaults(run=_traffic)
    _add_users(add("users", help="let users come: each registers, books, pays and has a call"))
    _add_fault(add("fault", help="break the platform in a known way, and fix it"))
    return parser


def _add_rollback(back: argparse.ArgumentParser) -> None:
    ways = ("flags", "kubernetes", "dns", "database")
    back.add_argument("method", choices=ways, help="flags come first, always")
    back.set_defaults(run=_rollback)


def _add_users(users: argparse.ArgumentParser) -> None:
    users.add_argument("--rate", type=_positive, required=True, help="users a second, a region")
    users.add_argument("--for", type=_positive, required=True, dest="seconds", metavar="SECONDS")
    users.set_defaults(run=_users)


def _add_fault(fault: argparse.ArgumentParser) -> None:
    add = fault.add_subparsers(metavar="ACTION", required=True).add_parser
    add("list", help="every fault, applied ones marked").set_defaults(run=_faults)
    apply = add("apply", help="apply one")
    apply.add_argument("name", metavar="NAME")
    apply.set_defaults(run=_apply)
    revert = add("revert", help="revert one, or all")
    which = revert.add_mutually_exclusive_group(required=True)
    which.add_argument("name", nargs="?", metavar="NAME")
    which.add_argument("--all", action="store_true")
    revert.set_defaults(run=_revert)


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value <= 86_400:  # noqa: PLR2004 - a day; also refuses nan and inf
        raise argparse.ArgumentTypeError("must be above 0 and at most 86400")
    return value


def _ask(state: StateDirectory, what: str, **order: object) -> dict[str, Any]:
    from sandbox import control  # noqa: PLC0415 - `--help` stays quick

    return control.ask(state, {"do": what, **order})


def _up(state: StateDirectory, options: argparse.Namespace) -> int:
    if (lacking := missing("local")) is not None:
        _say(lacking)
        return _CONFIGURATION
    from sandbox import control  # noqa: PLC0415 - `--help` stays quick

    environment = control.up(state, options.owner, _say, pending=options.pending)
    _print(str(environment))
    return _OK


def _down(state: StateDirectory, options: argparse.Namespace) -> int:
    from sandbox import control  # noqa: PLC0415 - `--help` stays quick

    _say(control.down(state, options.owner))
    return _OK


def _status(state: StateDirectory, options: argparse.Namespace) -> int:
    if state.running() is None or not state.environment.exists():
        _say("the platform is not running: `sandbox up` brings it up.")
        return _NOT_RUNNING
    environment = str(state.environment)
    _print(environment if options.environment else _status_table(_ask(state, "status")))
    return _OK


def _deploy(state: StateDirectory, options: argparse.Namespace) -> int:
    from sandbox import deployment  # noqa: PLC0415 - `--help` stays quick

    if options.phase == 1 and state.running() is not None and deployment.take_baseline(state):
        _say("the baseline of the platform before its release is taken.")
    for said in _ask(state, "deploy", phase=options.phase)["said"]:
        _say(said)
    _say(f"phase {options.phase} is carried out.")
    return _OK


def _rollback(state: StateDirectory, options: argparse.Namespace) -> int:
    for said in _ask(state, "rollback", method=options.method)["said"]:
        _say(said)
    _say(f"v1.2.0 is rolled back by {options.method}.")
    return _OK


def _countdown(state: StateDirectory, _options: argparse.Namespace) -> int:
    if state.running() is None:
        _say("the platform is not running: `sandbox up --pending` brings it up before its release.")
        return _NOT_RUNNING
    from sandbox import countdown  # noqa: PLC0415 - `--help` stays quick

    ask = functools.partial(countdown.verdict_of, state)
    return _OK if countdown.play(state, _print, ask) == "GO" else _FAILURE


def _traffic(state: StateDirectory, options: argparse.Namespace) -> int:
    extend_lease(state, options.rps, options.seconds)
    return _OK


def _users(state: StateDirectory, options: argparse.Namespace) -> int:
    record = state.running()
    if record is None:
        _say("the platform is not running: `sandbox up` brings it up.")
        return _NOT_RUNNING
    import yaml  # noqa: PLC0415 - `--help` stays quick

    from sandbox.systems.service import users  # noqa: PLC0415 - `--help` stays quick

    described = yaml.safe_load(state.environment.read_text(encoding="utf-8"))["regions"]
    edges = {name: region["services"]["api"] for name, region in described.items()}
    users.come(edges, options.rate, options.seconds, record.runtime / users.CAP_FILE)
    return _OK


def _faults(state: StateDirectory, _options: argparse.Namespace) -> int:
    from sandbox.faults import catalogue  # noqa: PLC0415 - `--help` stays quick

    applied = _ask(state, "status")["faults"] if state.running() is not None else []
    rows = [
        ("*" if fault.name in applied else "", fault.name, fault.decision, fault.description)
        for fault in catalogue.load()
    ]
    _print(_columns(("", "FAULT", "VERDICT", "WHAT IT IS"), rows))
    return _OK


def _apply(state: StateDirectory, options: argparse.Namespace) -> int:
    changed = _ask(state, "fault", action="apply", name=options.name)["changed"]
    _say(f"{options.name} {'is applied' if changed else 'was applied already'}.")
    return _OK


def _revert(state: StateDirectory, options: argparse.Namespace) -> int:
    if options.all:
        reverted = _ask(state, "fault", action="revert-all")["reverted"]
        _say(f"reverted: {', '.join(reverted) or 'nothing was applied'}.")
        return _OK
    changed = _ask(state, "fault", action="revert", name=options.name)["changed"]
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
        [row[key] or "-" * (key != "version") for key in _PROCESS] for row in answer["processes"]
    ]
    links = [
        (row["name"], row["mode"], row["port"], row["target"], f"{row['latency_ms']} ms")
        for row in answer["links"]
    ]
    ends = (
        f"deployment   {answer['deployment']}",
        f"environment  {answer['environment']}",
        f"faults       {', '.join(answer['faults']) or 'none'}",
    )
    tables = (
        _columns(("PROCESS", "STATE", "PID", "PORT", "VERSION", "LOG"), processes),
        _columns(("LINK", "MODE", "PORT", "LEADS TO", "LATENCY"), links),
        _columns(("ADDRESS", "URL"), answer["urls"].items()),
        "\n".join(ends),
    )
    return "\n\n".join(tables)


def _columns(head: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    table = [head, *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    )


if __name__ == "__main__":
    run()

"""What each command takes, with examples: read by `--help`, by completion and before a library is loaded.

Whatever is wrong by itself is refused here, at once, whichever command it is of.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import pathlib
import textwrap
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from gates.decide.outcome import EXIT_USAGE
from gates.decide.plain_text import meant
from gates.decide.release import Release
from gates.decide.times import COUNTDOWN, WINDOWS

SHELLS = ("bash", "zsh", "fish")
MEASURING = ("post-deploy", "phase", "pre-deploy")
EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "post-deploy": (
        "post-deploy --env local",
        "post-deploy --env prod --release v1.2.0 --window 1h",
        "post-deploy --env prod --release v1.2.0 --region eu --output json",
    ),
    "phase": ("phase 2 --env prod --release v1.2.0", "phase 3.3 --env staging --release v1.2.0"),
    "report": ("report", "report --release v1.2.0 --env prod --to sign-off/report.html"),
    "pre-deploy": ("pre-deploy --env prod --release v1.2.0 --at T-3d",),
    "baseline": ("baseline --env prod --release v1.2.0",),
    "checks": (
        "checks --env prod",
        "checks phase 2 --env staging --output json",
    ),
    "status": ("status", "status --env prod --output json"),
    "explain": ("explain", "explain 20261123T0115"),
    "doctor": ("doctor --env prod --release v1.2.0",),
    "init": ("init --prometheus http://prometheus:9090 --output environments/ours.yaml",),
    "join": ("join RUN-IN-EU RUN-IN-US",),
    "notify": ("notify", "notify 20261123T0115 --env prod"),
    "prune": ("prune", "prune --keep-days 30 --yes"),
    "completion": (
        "completion bash >> ~/.bashrc",
        "completion fish > ~/.config/fish/completions/gate.fish",
    ),
}
FORMAT: Any = functools.partial(
    argparse.RawDescriptionHelpFormatter, max_help_position=28, width=100
)
NOTES = {
    "phase": (
        "A red check stops the deployment while no traffic is switched (phases 1, 2, 3.1 and 3.2) and asks "
        "for a rollback from 3.3 on. The phase before must be GO for the same release."
    ),
    "pre-deploy": "Any red check is NO_GO (code 10).",
    "baseline": (
        "Take it once, on the day, before phase 1; the latest one counts. "
        "No verdict: 0 it is kept, 20 not."
    ),
    "join": (
        "Give the run of each region, all of the same gate, release and environment. A region that is "
        "missing or given twice holds the release."
    ),
    "init": (
        "With FOLDER, such as `gate init .`, a project is laid out there, with checks and policy to edit. "
        "Without it, and without --output, the file goes to stdout. What was found is reported on stderr; "
        "only you know whether it is right. A file that exists is left alone unless --force is given."
    ),
    "notify": (
        "Each receiver is tried three times. 0 when all that want this decision have it, 70 when one "
        "has not: the verdict stays what it is, and its code is the gate's own."
    ),
    "report": (
        "One HTML file that needs nothing beside it; earlier runs that asked the same are its history. "
        "Needs Node.js; the npm package allure is fetched once."
    ),
    "prune": "Without --yes it only says what it would remove.",
}


class Parser(argparse.ArgumentParser):
    """argparse with the gate's exit code for wrong usage: 2 could start something it must not."""

    def error(self, message: str) -> NoReturn:
        """Print the mistake in one line and leave with 64."""
        self.exit(EXIT_USAGE, f"gate: {message}; see {self.prog} --help\n")

    def refuse_unknown(self, arguments: list[str]) -> NoReturn:
        """Leave with 64 for arguments that nobody takes, naming the flag that may be meant."""
        known = [flag for action in self._actions for flag in action.option_strings]
        self.error(f"unknown argument {arguments[0]}{meant(arguments[0].partition('=')[0], known)}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            choices = [str(one) for one in action.choices]
            of = f"choose from {', '.join(choices)}"
            raise argparse.ArgumentError(
                action, f"invalid choice: '{value}'{meant(str(value), choices)} ({of})"
            )


def add(command: argparse.ArgumentParser, name: str, module: str, *, shared: bool) -> None:
    """Add what a command takes, its note and its examples; a `shared` module is of several commands."""
    command.formatter_class = FORMAT
    shown = "\n".join(f"  gate {line}" for line in EXAMPLES.get(name, ()))
    note = textwrap.fill(NOTES.get(name, ""), 100)
    command.epilog = "\n\n".join(filter(None, (note, f"examples:\n{shown}" if shown else "")))
    if name in ADDED:
        ADDED[name](command)
        return
    add_arguments = importlib.import_module(module).add_arguments
    add_arguments(command, name) if shared else add_arguments(command)


def _asking(parser: argparse.ArgumentParser) -> None:
    # What is no release is refused by the run, which leaves a verdict that says so.
    _scope(parser, "release under test, like v1.2.0; required except on local", str)
    parser.add_argument("--switched-at", help="when traffic went to the release, in UTC with a Z")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="ID",
        help="only this check, to try it; may be repeated. Such a run is never GO",
    )


def _scope(parser: argparse.ArgumentParser, released: str, kind: Callable[[str], str]) -> None:
    what = "environment, such as local or prod, or a file ending in .yaml"
    parser.add_argument("--env", required=True, help=what)
    parser.add_argument("--release", type=kind, help=released)
    parser.add_argument(
        "--region", action="append", default=[], help="only this region; may be repeated"
    )
    _output(parser)


def _output(parser: argparse.ArgumentParser, *more: str) -> None:
    parser.add_argument("--output", choices=("text", "json", *more), default="text")


def _window(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--window", choices=tuple(WINDOWS), default="15m", help="validation window")


def _at(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--at",
        choices=COUNTDOWN,
        default=COUNTDOWN[-1],
        help="what is due by this time of the countdown, the earlier items too (default: all)",
    )


def _post_deploy(parser: argparse.ArgumentParser) -> None:
    _asking(parser)
    _window(parser)


def _pre_deploy(parser: argparse.ArgumentParser) -> None:
    _asking(parser)
    _at(parser)


def _phase(parser: argparse.ArgumentParser) -> None:
    what = "a phase, 1 to 7, or one part such as 2.1"
    parser.add_argument("phase", type=_part, metavar="N[.M]", help=what)
    _asking(parser)


def _checks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "gate", nargs="?", choices=MEASURING, default=MEASURING[0], help="which gate"
    )
    parser.add_argument("phase", nargs="?", type=_part, metavar="N[.M]", help="of the gate phase")
    parser.add_argument("--env", help="say too which of them apply to this environment")
    _window(parser)
    _at(parser)
    _output(parser)


def _runs(number: str) -> Callable[[argparse.ArgumentParser], None]:
    def add_runs(parser: argparse.ArgumentParser) -> None:
        what = "a run's id, the beginning of it, or its folder"
        parser.add_argument("run", nargs=number, metavar="RUN", help=what)
        _output(parser)
        _out(parser)

    return add_runs


def _out(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=_folder, help=argparse.SUPPRESS)


def _status(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--env", metavar="ENV", help="only this environment")
    _output(parser, "openmetrics")
    _out(parser)


def _notify(parser: argparse.ArgumentParser) -> None:
    what = "a run's id, the beginning of it, or its folder; the newest one if left out"
    parser.add_argument("run", nargs="?", metavar="RUN", help=what)
    parser.add_argument(
        "--env",
        metavar="ENV",
        help="whose section notify names the receivers; the run's if left out",
    )
    _out(parser)


def _doctor(parser: argparse.ArgumentParser) -> None:
    _scope(parser, "look for this release's series; without it any release's will do", _release)


def _baseline(parser: argparse.ArgumentParser) -> None:
    _scope(parser, "the release that will be deployed; required except on local", _release)


def _prune(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--keep-days", type=_days, default=90, metavar="N", help="younger runs stay (default: 90)"
    )
    parser.add_argument("--yes", action="store_true", help="remove them")
    _out(parser)


def _completion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "shell", choices=SHELLS, help="prints what makes this shell complete commands"
    )


ADDED: Mapping[str, Callable[[argparse.ArgumentParser], None]] = {
    "post-deploy": _post_deploy,
    "phase": _phase,
    "pre-deploy": _pre_deploy,
    "baseline": _baseline,
    "doctor": _doctor,
    "checks": _checks,
    "explain": _runs("?"),
    "join": _runs("+"),
    "status": _status,
    "notify": _notify,
    "prune": _prune,
    "completion": _completion,
}


def _release(text: str) -> str:
    try:
        Release.parse(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from exc
    return text


def _part(text: str) -> Any:
    # Imported late: what a phase is knows the settings, which take a quarter of a second.
    from gates.decide.scope import Phase  # noqa: PLC0415 - see above

    try:
        return Phase.parse(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from exc


def _days(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"“{text}” is not a number of days; write it like 30")
    return int(text)


def _folder(text: str) -> pathlib.Path:
    path = pathlib.Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text}: there is no such folder")
    return path

"""What each command takes, with examples: read by `--help`, by completion and before a library is loaded.

Whatever is wrong by itself is refused here, at once, whichever command it is of.
"""

from __future__ import annotations

import argparse
import functools
import pathlib
import re
import textwrap
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from gates.decide.outcome import EXIT_USAGE
from gates.decide.plain_text import meant
from gates.decide.release import Release
from gates.decide.times import (
    COUNTDOWN,
    FORWARD,
    METHODS,
    ROLLED_BACK,
    ROLLOUT_DAYS,
    WINDOWS,
)

SHELLS = ("bash", "zsh", "fish")
MEASURING = ("post-deploy", "phase", "pre-deploy", "post-rollback")
FORMAT: Any = functools.partial(
    argparse.RawDescriptionHelpFormatter, max_help_position=28, width=100
)
_SAID = pathlib.Path(__file__).with_suffix(".yaml")
_ENVIRONMENT = "environment, such as local or prod, or a file ending in .yaml"


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


def add(command: argparse.ArgumentParser, name: str) -> None:
    """Add what a command takes, its note and its examples."""
    # Imported late: `gate --help` says none of it.
    import yaml  # noqa: PLC0415 - see above

    said = yaml.safe_load(_SAID.read_bytes())[name]
    shown = "\n".join(f"  {line}" for line in said["examples"])
    note = textwrap.fill(said.get("note", ""), 100)
    command.formatter_class = FORMAT
    command.epilog = f"{note}\n\nexamples:\n{shown}".lstrip()
    ADDED[name](command)


def _asking(parser: argparse.ArgumentParser, *, env: bool = True) -> None:
    # What is no release is refused by the run, which leaves a verdict that says so.
    _scope(parser, "release under test, like v1.2.0; required except on local", str, env=env)
    parser.add_argument("--switched-at", help="when traffic went to the release, in UTC with a Z")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="ID",
        help="only this check, to try it; may be repeated. Such a run is never GO",
    )


def _scope(
    parser: argparse.ArgumentParser,
    released: str,
    kind: Callable[[str], str],
    *,
    env: bool = True,
) -> None:
    parser.add_argument("--env", required=env, help=_ENVIRONMENT)
    parser.add_argument("--release", type=kind, help=released)
    _region(parser)
    _output(parser)


def _region(parser: argparse.ArgumentParser) -> None:
    what = "only this region; may be repeated"
    parser.add_argument("--region", action="append", default=[], help=what)


def _output(parser: argparse.ArgumentParser, *more: str) -> None:
    parser.add_argument("--output", choices=("text", "json", *more), default="text")


def _window(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--window", choices=tuple(WINDOWS), default="15m", help="validation window")


def _at(parser: argparse.ArgumentParser, *more: str) -> None:
    parser.add_argument(
        "--at",
        choices=(*COUNTDOWN, *more),
        default=COUNTDOWN[-1],
        help="what is due by this time of the countdown, the earlier items too (default: all)",
    )


def _post_deploy(parser: argparse.ArgumentParser) -> None:
    _asking(parser)
    _window(parser)


def _watch(parser: argparse.ArgumentParser) -> None:
    _asking(parser)
    parser.add_argument(
        "--for", dest="window", type=_duration, default="1h", metavar="TIME", help="such as 1h"
    )
    parser.add_argument("--resume", metavar="RUN", help="go on with this watch, which was stopped")


def _rollout(parser: argparse.ArgumentParser) -> None:
    _asking(parser)
    what = "of the rollout, counted from the traffic switch"
    parser.add_argument("--day", type=int, choices=ROLLOUT_DAYS, required=True, help=what)


def _pre_deploy(parser: argparse.ArgumentParser) -> None:
    _asking(parser)
    _at(parser)


def _phase(parser: argparse.ArgumentParser) -> None:
    what = "a phase, 1 to 7, or one part such as 2.1"
    parser.add_argument("phase", type=_part, metavar="N[.M]", help=what)
    _asking(parser)


def _rollback(parser: argparse.ArgumentParser) -> None:
    what = (
        "plan: which way leads back, and its commands; script: those of a plan that needs no person"
    )
    parser.add_argument("what", choices=("plan", "script"), help=what)
    parser.add_argument(
        "cause", nargs="?", metavar="RUN", help="script: the run that ended in ROLLBACK"
    )
    _asking(parser, env=False)


def _post_rollback(parser: argparse.ArgumentParser) -> None:
    _asking(parser)
    _methods(parser, required=True)
    parser.add_argument(
        "--at",
        choices=ROLLED_BACK,
        default=ROLLED_BACK[0],
        help="what is due so long after it, the earlier items too (default: 15m)",
    )


def _methods(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    parser.add_argument(
        "--method",
        action="append",
        default=None if required else [],
        required=required,
        choices=(*METHODS, FORWARD),
        help="how the release was taken back; once for each way of the plan",
    )


def _checks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "gate", nargs="?", choices=MEASURING, default=MEASURING[0], help="which gate"
    )
    parser.add_argument("phase", nargs="?", type=_part, metavar="N[.M]", help="of the gate phase")
    parser.add_argument("--env", help="say too which of them apply to this environment")
    _window(parser)
    _at(parser, *ROLLED_BACK)
    _methods(parser)
    _output(parser)


def _explain(parser: argparse.ArgumentParser) -> None:
    _runs(parser, "?")
    _output(parser)


def _join(parser: argparse.ArgumentParser) -> None:
    _runs(parser, "+")
    _output(parser)


def _verify(parser: argparse.ArgumentParser) -> None:
    _runs(parser, "*")
    parser.add_argument("--release", type=_release, metavar="V", help="all runs of a release")
    parser.add_argument(
        "--env", metavar="ENV", help="whose state and files are believed; the run's if left out"
    )
    _output(parser)


def _runs(parser: argparse.ArgumentParser, number: str) -> None:
    newest = "" if number == "+" else "; the newest one if left out"
    what = f"a run's id, the beginning of it, or its folder{newest}"
    parser.add_argument("run", nargs=number, metavar="RUN", help=what)
    _out(parser)


def _out(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=_folder, help=argparse.SUPPRESS)


def _status(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--env", metavar="ENV", help="only this environment")
    _output(parser, "openmetrics")
    _out(parser)


def _notify(parser: argparse.ArgumentParser) -> None:
    _runs(parser, "?")
    parser.add_argument(
        "--env",
        metavar="ENV",
        help="whose section notify names the receivers; the run's if left out",
    )


def _doctor(parser: argparse.ArgumentParser) -> None:
    _scope(parser, "look for this release's series; without it any release's will do", _release)


def _baseline(parser: argparse.ArgumentParser) -> None:
    _scope(parser, "the release that will be deployed; required except on local", _release)


def _checklist(parser: argparse.ArgumentParser) -> None:
    _release_of(parser, "like v1.2.0; that of the newest run if left out")
    _output(parser, "markdown")
    _out(parser)


def _attest(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", nargs="*", metavar="ID", help="what you sign, such as T7-DOCS-2")
    parser.add_argument("--all", action="store_true", help="all that is left for your role")
    _at(parser)
    _approve(parser)


def _approve(parser: argparse.ArgumentParser) -> None:
    _release_of(parser)
    _signer(parser)
    parser.add_argument(
        "--evidence",
        action="append",
        default=[],
        type=pathlib.Path,
        metavar="FILE",
        help="a file whose SHA-256 you sign with it; may be repeated",
    )


def _waive(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="the one check that may pass")
    _release_of(parser)
    _signer(parser)
    parser.add_argument(
        "--reason", help="why it may pass; the second person may leave all three out"
    )
    parser.add_argument("--ticket", help="where it is followed up")
    parser.add_argument("--until", metavar="WHEN", help="2d, or a time such as 2026-12-06T06:00Z")
    _out(parser)


def _decide(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("proceed", "rollback"), help="what follows the HOLD")
    _runs(parser, "?")
    _signer(parser)
    parser.add_argument("--reason", required=True, help="why")
    _output(parser)


def _declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("trigger", metavar="TRIG-n", help="the trigger that fires")
    _release_of(parser)
    _signer(parser)
    parser.add_argument("--reason", required=True, help="what you know, without names of patients")
    parser.add_argument(
        "--withdraw",
        action="store_true",
        help="take back that it was declared; others have to agree",
    )
    parser.set_defaults(region=[], switched_at=None, only=[])
    _output(parser)


def _release_of(
    parser: argparse.ArgumentParser, released: str = "like v1.2.0; required except on local"
) -> None:
    parser.add_argument("--env", required=True, help=_ENVIRONMENT)
    parser.add_argument("--release", type=_release, help=released)


def _signer(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--as", dest="role", required=True, metavar="ROLE", help="such as qa-lead")
    parser.add_argument(
        "--key",
        type=pathlib.Path,
        metavar="FILE",
        help="your SSH key; else the first in ~/.ssh or of the agent that the approvers file has",
    )
    parser.add_argument("--yes", action="store_true", help="sign without being asked")


def _prune(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--keep-days", type=_days, default=90, metavar="N", help="younger runs stay (default: 90)"
    )
    parser.add_argument("--yes", action="store_true", help="remove them")
    _out(parser)


def _report(parser: argparse.ArgumentParser) -> None:
    _runs(parser, "*")
    parser.add_argument(
        "--release", metavar="V", help="all runs of a release, its load tests too, like v1.2.0"
    )
    parser.add_argument("--env", metavar="ENV", help="with --release: of this environment alone")
    parser.add_argument("--to", type=pathlib.Path, metavar="FILE", help="where to write it")


def _release_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("init",), help="draft it, never over one that is there")
    what = "environment whose folder of releases gets it, or a file ending in .yaml"
    parser.add_argument("--env", required=True, help=what)
    parser.add_argument("--release", required=True, type=_release, help="such as v1.2.0")
    parser.add_argument(
        "--previous", type=_release, help="release before it; left out: the highest tag below it"
    )
    parser.add_argument(
        "--repository", metavar="PATH", help="folder or address; left out: the environment's"
    )


def _rules(parser: argparse.ArgumentParser) -> None:
    _of_policy(parser)
    _region(parser)
    parser.add_argument("--output", choices=("yaml",), default="yaml")


def _check_policy(parser: argparse.ArgumentParser) -> None:
    _of_policy(parser)
    _output(parser)


def _backtest(parser: argparse.ArgumentParser) -> None:
    _of_policy(parser)
    parser.add_argument("--from", dest="since", required=True, type=_time, metavar="TIME")
    parser.add_argument("--to", dest="until", required=True, type=_time, metavar="TIME")
    parser.add_argument(
        "--releases",
        required=True,
        type=pathlib.Path,
        metavar="CSV",
        help="past releases: release,at,label[,since,until]; label is good or bad",
    )
    _region(parser)
    parser.add_argument(
        "--rollback-minutes",
        type=float,
        metavar="N",
        help="what a false alarm costs; left out: the longest way but the database, by policy",
    )
    _output(parser)


def _of_policy(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--env", default="local", help=f"{_ENVIRONMENT} (default: local)")
    parser.add_argument(
        "--policy",
        type=pathlib.Path,
        metavar="FILE",
        help="its sections take the place of the policy's",
    )


def _init(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", nargs="?", type=pathlib.Path, metavar="FOLDER", help="where to lay a project out"
    )
    parser.add_argument("--prometheus", type=_address, metavar="URL", help="a live Prometheus")
    parser.add_argument(
        "--service", type=_address, metavar="URL", help="the service; usual health paths are tried"
    )
    parser.add_argument("--output", type=_file, metavar="FILE", help="environment file to write")
    parser.add_argument("--force", action="store_true", help="replace FILE if it exists")


def _completion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "shell", choices=SHELLS, help="prints what makes this shell complete commands"
    )


ADDED: Mapping[str, Callable[[argparse.ArgumentParser], None]] = {
    "post-deploy": _post_deploy,
    "phase": _phase,
    "pre-deploy": _pre_deploy,
    "rollback": _rollback,
    "post-rollback": _post_rollback,
    "watch": _watch,
    "rollout": _rollout,
    "baseline": _baseline,
    "doctor": _doctor,
    "checks": _checks,
    "explain": _explain,
    "join": _join,
    "verify": _verify,
    "report": _report,
    "status": _status,
    "notify": _notify,
    "checklist": _checklist,
    "attest": _attest,
    "approve": _approve,
    "waive": _waive,
    "decide": _decide,
    "declare": _declare,
    "release": _release_file,
    "rules": _rules,
    "check-policy": _check_policy,
    "backtest": _backtest,
    "init": _init,
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


def _address(text: str) -> str:
    # Imported late: it loads what asks a server.
    from probes.http import HttpTarget  # noqa: PLC0415 - see above

    try:
        HttpTarget(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(f"{text}: write it like http://host:9090") from exc
    return text.rstrip("/")


def _file(text: str) -> pathlib.Path:
    if not re.fullmatch(r"[a-z][a-z0-9_-]*\.yaml", pathlib.Path(text).name):
        raise argparse.ArgumentTypeError(f"{text}: call it NAME.yaml, in lower case")
    return pathlib.Path(text)


def _time(text: str) -> Any:
    import datetime as dt  # noqa: PLC0415 - the others need no clock

    try:
        at = dt.datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise argparse.ArgumentTypeError(f"“{text}”: write it like 2026-01-31T22:00:00Z")
    return at


def _duration(text: str) -> str:
    from settings.rollback import MOST_WATCH_SECONDS  # noqa: PLC0415 - as above
    from settings.sections import parse_duration  # noqa: PLC0415 - as above

    try:
        seconds = parse_duration(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(f"“{text}” {exc}") from exc
    if not 0 < seconds <= MOST_WATCH_SECONDS:
        raise argparse.ArgumentTypeError(f"“{text}”: a watch lasts from 1s to 24h")
    return text


def _days(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"“{text}” is not a number of days; write it like 30")
    return int(text)


def _folder(text: str) -> pathlib.Path:
    path = pathlib.Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text}: there is no such folder")
    return path

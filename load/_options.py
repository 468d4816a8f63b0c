"""The load test's own options of Locust's command line, and what they ask for together."""

from __future__ import annotations

import argparse
import dataclasses
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Self

from environments.yaml_file import RequestError
from load._profiles import MANUAL, PROFILES, stages
from load._run import Model, Stage

EXIT_USAGE = 64
_SECRETS = ("--web-login", "--tls-key")


_ARGUMENTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "--env": {"default": "local", "help": "environment, by name or file (local)"},
    "--release": {"help": "release under test, such as v1.2.0"},
    "--region": {"help": "send to this region alone"},
    "--rps": {"type": float, "help": "requests a second over all workers"},
    "--profile-name": {
        "choices": [*PROFILES],
        "help": "; ".join(f"{name}: {profile.about}" for name, profile in PROFILES.items()),
    },
    "--closed": {
        "type": int, "metavar": "CONNECTIONS",
        "help": "so many callers who wait for their answers: finds a limit, proves none, never PASS",
    },
    "--arrivals": {"choices": ["poisson", "uniform"], "default": "poisson"},
    "--seed": {"type": int, "default": 1, "help": "the same seed, the same requests"},
    "--null-server": {
        "action": "store_true",
        "help": "send to a server on this machine that does nothing: what can the generator do?",
    },
    "--calibrate": {
        "type": float, "default": 3.0, "metavar": "SECONDS",
        "help": "each worker first measures itself against a null server for so long; 0: not at all",
    },
    "--connections": {"type": int, "default": 512, "help": "at most, of each worker and region"},
    "--deadline": {
        "type": float, "default": 10.0, "metavar": "SECONDS", "help": "of one request",
    },
    "--baseline": {"metavar": "FILE", "help": "load.json of an earlier run to compare with"},
    "--report-to": {
        "metavar": "FOLDER|URL", "help": "keep the report here too, such as s3://bucket/load",
    },
}  # fmt: skip
_VARIABLES: Final = {"--profile-name": "LOAD_PROFILE"}
"""Where it is not LOAD_ and the option's own name."""


def add_arguments(parser: Any) -> None:
    """Add ours to Locust's parser; each can also be set by a variable, such as LOAD_RPS."""
    for name, options in _ARGUMENTS.items():
        variable = _VARIABLES.get(name, f"LOAD_{name[2:].replace('-', '_').upper()}")
        # Not in Locust's page: whoever may open it must not choose another platform to send to.
        parser.add_argument(name, env_var=variable, include_in_web_ui=False, **options)


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for, made sense of."""

    env: str
    release: str | None
    region: str | None
    host: str | None
    profile: str
    model: Model
    arrivals: Literal["poisson", "uniform"]
    seed: int
    stages: tuple[Stage, ...]
    """Empty where Locust's users say the rate."""
    users: int | None
    run_seconds: float | None
    """How long is measured where Locust's users say the rate and no page ends the run; None: no limit."""
    null_server: bool
    calibrate_seconds: float
    connections: int
    deadline_seconds: float
    baseline: str | None
    report_to: str | None

    @classmethod
    def of(cls, parsed: argparse.Namespace) -> Self:
        """Read Locust's parsed options; raises RequestError for what makes no sense."""
        _refuse_nonsense(parsed)
        profile = parsed.profile_name or ("steady" if _has_amount(parsed) else MANUAL)
        amount = float(parsed.closed) if parsed.closed is not None else parsed.rps
        seconds = _seconds(parsed.run_time)
        planned = () if profile == MANUAL else stages(profile, rps=amount, seconds=seconds)
        return cls(
            env=parsed.env,
            release=parsed.release,
            region=parsed.region,
            host=parsed.host or None,
            profile=profile,
            model="open" if parsed.closed is None else "closed",
            arrivals=parsed.arrivals,
            seed=parsed.seed,
            stages=planned,
            users=parsed.num_users,
            run_seconds=seconds if profile == MANUAL and parsed.headless else None,
            null_server=parsed.null_server,
            calibrate_seconds=0.0 if parsed.null_server else parsed.calibrate,
            connections=parsed.connections,
            deadline_seconds=parsed.deadline,
            baseline=parsed.baseline,
            report_to=parsed.report_to,
        )

    @property
    def peak(self) -> float:
        """Return the highest amount of all stages; 0 where users say it."""
        return max((stage.rps for stage in self.stages), default=0.0)


def _has_amount(parsed: argparse.Namespace) -> bool:
    return parsed.rps is not None or parsed.closed is not None


def _seconds(run_time: Any) -> float | None:
    return None if run_time is None else float(run_time)


def _refuse_nonsense(parsed: argparse.Namespace) -> None:
    numbers = {
        "--rps": parsed.rps, "--closed": parsed.closed, "--connections": parsed.connections,
        "--deadline": parsed.deadline,
    }  # fmt: skip
    for name, value in numbers.items():
        if value is not None and not 0 < value < float("inf"):
            raise RequestError(f"{name} {value:g}: must be above 0.")
    if parsed.run_time is not None and not 0 < float(parsed.run_time) < float("inf"):
        raise RequestError(
            f"--run-time {parsed.run_time}: must be above 0; leave it out for the usual."
        )
    if not 0 <= parsed.calibrate < 3600:  # noqa: PLR2004 - an hour
        raise RequestError(f"--calibrate {parsed.calibrate:g}: must be seconds, from 0 on.")
    if parsed.closed is not None and parsed.rps is not None:
        raise RequestError(
            "--closed and --rps: callers who wait have no rate of their own; name one."
        )
    if parsed.null_server and parsed.host:
        raise RequestError("--null-server and --host: it has its own address; name one of them.")


def without_login(text: str) -> str:
    """Return a text whose addresses are told without the user and the password in them."""
    return re.sub(r"://[^/@\s]*@", "://***@", text)


def command_line(arguments: Sequence[str] | None = None) -> str:
    """Return the command as it was typed, without what may be a secret."""
    shown, masked = [], False
    for argument in sys.argv if arguments is None else arguments:
        name, equals, _ = argument.partition("=")
        argument = without_login(argument)  # noqa: PLW2901 - never seen again as it was
        shown.append(
            "***" if masked else f"{name}=***" if equals and name in _SECRETS else argument
        )
        masked = not equals and name in _SECRETS
    return " ".join(["locust", *shown[1:]])

"""The load test's own options of Locust's command line, and the profiles: which rates, for how long."""

from __future__ import annotations

import argparse
import dataclasses
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, Self

from environments.yaml_file import RequestError
from load._run import Model, Stage

MANUAL: Final = "manual"
"""Users, spawn rate and time as Locust's own options or its page say."""

SPIKE_TIMES: Final = 3.0
RAMP_SHARES: Final = tuple(share / 10 for share in range(5, 16))
"""Of the rate that is wanted: it is passed on the way, and the end lies half as high again."""


Shape = Callable[[float, float], Iterator[Stage]]
"""Makes stages of a rate and of how long is measured; of a ramp, in each of its steps."""


def warm_up_seconds(seconds: float) -> float:
    """Return how long it is warmed up: a tenth of what is measured, from 3 to 30 seconds."""
    return min(30.0, max(3.0, seconds / 10))


def _warm_up(rps: float, measured_seconds: float) -> Stage:
    return Stage(0, rps, warm_up_seconds(measured_seconds), measured=False, title="warm-up")


def _steady(rps: float, seconds: float) -> Iterator[Stage]:
    yield _warm_up(rps, seconds)
    yield Stage(1, rps, seconds, title="steady")


def _ramp(rps: float, seconds: float) -> Iterator[Stage]:
    yield _warm_up(rps * RAMP_SHARES[0], seconds)
    for number, share in enumerate(RAMP_SHARES, start=1):
        step = rps * share
        title = f"{step:,.0f} requests/s"
        yield Stage(number, step, seconds, title=title, required=share <= 1)


def _spike(rps: float, seconds: float) -> Iterator[Stage]:
    yield _warm_up(rps, seconds)
    yield Stage(1, rps, seconds, title="before the spike")
    yield Stage(2, rps * SPIKE_TIMES, seconds / 2, measured=False, title="spike")
    yield Stage(3, rps, seconds, title="after the spike")


class Profile(NamedTuple):
    """A profile, and what it does where nothing else is asked for."""

    shape: Shape
    rps: float
    seconds: float
    about: str


PROFILES: Final[Mapping[str, Profile]] = {
    # 120 a second: enough to prove an error rate of 0.1 % in each of two regions.
    "smoke": Profile(_steady, 120, 60, "a minute at a low rate: does the scenario work?"),
    "ramp": Profile(
        _ramp, 10_000, 30, "from half to one and a half of the rate; finds the highest one"
    ),
    "steady": Profile(_steady, 10_000, 300, "the proof: one rate, held"),
    "spike": Profile(_spike, 10_000, 60, "three times the rate for a while, and after it"),
    "soak": Profile(_steady, 1_000, 4 * 3600, "one rate for hours"),
}


def stages(name: str, *, rps: float | None, seconds: float | None) -> tuple[Stage, ...]:
    """Return the stages of a profile; what is not asked for is as usual. Raises KeyError."""
    profile = PROFILES[name]
    return tuple(profile.shape(rps or profile.rps, seconds or profile.seconds))


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
_AS_TYPED: Final = (
    "env", "release", "region", "arrivals", "seed", "null_server", "connections", "baseline", "report_to",
)  # fmt: skip


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
        as_typed = {name: getattr(parsed, name) for name in _AS_TYPED}
        return cls(
            **as_typed,
            host=parsed.host or None,
            profile=profile,
            model="open" if parsed.closed is None else "closed",
            stages=planned,
            users=parsed.num_users,
            run_seconds=seconds if profile == MANUAL and parsed.headless else None,
            calibrate_seconds=0.0 if parsed.null_server else parsed.calibrate,
            deadline_seconds=parsed.deadline,
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
        raise RequestError("--closed and --rps: callers who wait have no rate; name one.")
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

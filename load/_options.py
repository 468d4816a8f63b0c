"""What a run is asked for, by options of Locust's command line, and what its environment allows.

Nothing here asks a name server: an address is loopback if it says so itself, as a number or `localhost`.
"""

from __future__ import annotations

import argparse
import dataclasses
import ipaddress
import math
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Self
from urllib.parse import SplitResult, urlsplit

import pydantic

from environments.loader import Loaded, may_allow_load, path_of, shown
from environments.yaml_file import ConfigurationError, RequestError
from load._run import Plan, Stage
from load._scenario import Target
from probes.network import AuthorityUnusable, tls_context
from settings.load import Load
from settings.sections import HttpUrl

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


def add_arguments(parser: Any) -> None:
    """Add ours to Locust's parser; each can also be set by a variable, such as LOAD_RPS."""
    for name, options in _ARGUMENTS.items():
        variable = _VARIABLES.get(name, f"LOAD_{name[2:].replace('-', '_').upper()}")
        # Not in Locust's page: whoever may open it must not choose another platform to send to.
        parser.add_argument(name, env_var=variable, include_in_web_ui=False, **options)


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for, made sense of."""

    plan: Plan
    """Of the environment as it is called there; where it sends is found out later."""
    region: str | None
    host: str | None
    users: int | None
    null_server: bool
    calibrate_seconds: float
    connections: int
    deadline_seconds: float
    baseline: str | None
    report_to: str | None
    endless: bool = False
    """Whether nothing says how long: then the policy does."""

    @classmethod
    def of(cls, parsed: argparse.Namespace) -> Self:
        """Read Locust's parsed options; raises RequestError for what makes no sense."""
        _refuse_nonsense(parsed)
        profile = parsed.profile_name or ("steady" if _has_amount(parsed) else MANUAL)
        amount = float(parsed.closed) if parsed.closed is not None else parsed.rps
        seconds = _seconds(parsed.run_time)
        plan = Plan(
            environment=parsed.env,
            release=parsed.release,
            profile=profile,
            model="open" if parsed.closed is None else "closed",
            arrivals=parsed.arrivals,
            seed=parsed.seed,
            regions={},
            stages=() if profile == MANUAL else stages(profile, rps=amount, seconds=seconds),
            command=command_line(),
            run_seconds=seconds if profile == MANUAL and parsed.headless else None,
        )
        return cls(
            plan=plan,
            region=parsed.region,
            host=parsed.host or None,
            users=parsed.num_users,
            null_server=parsed.null_server,
            calibrate_seconds=0.0 if parsed.null_server else parsed.calibrate,
            connections=parsed.connections,
            deadline_seconds=parsed.deadline,
            baseline=parsed.baseline,
            report_to=parsed.report_to,
            endless=profile == MANUAL and bool(parsed.headless) and seconds is None,
        )

    def lasting(self, seconds: float) -> Self:
        """Return them with the policy's time, where they say none."""
        if not self.endless:
            return self
        return dataclasses.replace(self, plan=dataclasses.replace(self.plan, run_seconds=seconds))


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


LOCAL = "local"
PUBLIC = "public"
"""The key of an address that stands before all regions."""
HOST = "host"
"""The key of a loopback address that is not a region's."""
_PORTS = {"http": 80, "https": 443}
_ADDRESS = pydantic.TypeAdapter[str](HttpUrl)


@dataclasses.dataclass(frozen=True, slots=True)
class Permission:
    """Where a run may send, and how much."""

    environment: str
    file: str
    """The environment's file, as people are shown it."""
    addresses: Mapping[str, str]
    """Region → base address of the service, without a slash at its end."""
    load: Load
    """Accounts, headers, limit."""
    max_rps: float
    """Requests a second, over all regions together."""

    def check_rate(self, rps: float) -> None:
        """Refuse a rate, the highest of a run, that is none or over the limit; raises RequestError."""
        if not math.isfinite(rps) or rps <= 0:
            raise RequestError(f"--rps {rps:g}: must be a number of requests a second, above 0.")
        if rps > self.max_rps:
            raise RequestError(
                f"the run would send up to {rps:g} requests/s, and {self.environment} allows "
                f"{self.max_rps:g} (load.max_rps of {self.file}); ask for less."
            )


def refuse_unless_allowed(name: str) -> None:
    """Refuse an environment, by name or file, that allows no load; raises ConfigurationError, RequestError.

    Asked first: neither marks to edit nor missing secrets nor bringing it up come before a no.
    """
    if not may_allow_load(name):
        raise _not_allowed(name, shown(path_of(name)))


def permitted(loaded: Loaded, *, region: str | None = None, host: str | None = None) -> Permission:
    """Return where a run may send: every region, `--region`, or `--host`.

    Raises RequestError for what the command line may not have and ConfigurationError for a file or a
    certificate authority that is no use.
    """
    settings, file = loaded.settings, shown(loaded.path)
    load = settings.load
    if load is None or not load.allowed or load.service is None or load.max_rps is None:
        raise _not_allowed(settings.name, file)
    addresses = _chosen(loaded, load.service, region, host)
    if settings.name == LOCAL:
        _refuse_remote(addresses, file)
    _refuse_unusable_authority(loaded, addresses)
    return Permission(settings.name, file, addresses, load, load.max_rps)


def refuse_stranger(user: str, host: str | None, targets: Iterable[Target]) -> None:
    """Refuse a user class of Locust's own that sends elsewhere than the run may; raises RequestError."""
    imitated = [one for one in targets if one.imitated]
    allowed = "loopback" if imitated else ", ".join(one.address for one in targets)
    clears = f"set its host to one of {allowed}, or leave this class out."
    if not host:
        raise RequestError(f"{user}: names no host, so where it sends is not known; {clears}")
    parts = _parts(host, f"host of {user}")
    if imitated and is_loopback(host):
        return
    if parts not in [_parts(one.address) for one in targets]:
        raise RequestError(f"{user}: its host is not an address that this run may load; {clears}")


def is_loopback(address: str) -> bool:
    """Return whether an http(s) address leads to this machine by what it says itself."""
    name = urlsplit(address).hostname or ""
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _not_allowed(name: str, file: str) -> RequestError:
    return RequestError(
        f"--env {name}: no load test may send there: load.allowed of {file} is not true. Choose another "
        "environment; whoever owns this one can allow it in that file."
    )


def _chosen(
    loaded: Loaded, service: str, region: str | None, host: str | None
) -> Mapping[str, str]:
    regions = loaded.settings.regions
    if region is not None and region not in regions:
        raise RequestError(
            f"--region {region}: {loaded.settings.name} has no such region; choose {', '.join(regions)}."
        )
    own = {name: one.services[service] for name, one in regions.items()}
    if host is not None:
        key, address = _named(loaded, service, region, host)
        return {key: address}
    return own if region is None else {region: own[region]}


def _named(loaded: Loaded, service: str, region: str | None, host: str) -> tuple[str, str]:
    """Return whose address a `--host` is, and that address; raises RequestError for a stranger's."""
    wanted = _parts(host)
    own = ((name, address) for name, address in _own(loaded, service) if _parts(address) == wanted)
    owner, address = next(own, (None, host))
    if owner is None and is_loopback(host):
        return region or HOST, host.rstrip("/")
    if owner is None:
        raise RequestError(
            f"--host {host}: is neither an address of {service} in {shown(loaded.path)} nor loopback; "
            "leave --host out, or name one of them."
        )
    if region is not None and owner != region:
        raise RequestError(f"--host {host}: is {owner}'s address and not {region}'s; name one.")
    return owner, address


def _own(loaded: Loaded, service: str) -> Iterator[tuple[str, str]]:
    for name, region in loaded.settings.regions.items():
        yield name, region.services[service]
    if service in loaded.settings.public:
        yield PUBLIC, loaded.settings.public[service]


def _parts(address: str, named: str = "--host") -> tuple[str, str | None, int | None, str]:
    """Return what makes two addresses the same; raises RequestError for what is none."""
    try:
        split: SplitResult = urlsplit(_ADDRESS.validate_python(address))
        port = split.port or _PORTS[split.scheme]
    except ValueError:
        # Not shown: it may hold a user's password.
        raise RequestError(
            f"{named}: must be an http(s) address without user, query or fragment, such as "
            "http://127.0.0.1:8080."
        ) from None
    return split.scheme, split.hostname, port, split.path


def _refuse_remote(addresses: Mapping[str, str], file: str) -> None:
    for name, address in addresses.items():
        if not is_loopback(address):
            raise ConfigurationError(
                f"{file}: {address} ({name}) is not on this machine, and load of the environment “{LOCAL}” "
                "goes nowhere else; give the environment another name, or a loopback address."
            )


def _refuse_unusable_authority(loaded: Loaded, addresses: Mapping[str, str]) -> None:
    if not any(address.startswith("https:") for address in addresses.values()):
        return
    try:
        tls_context(loaded.settings.ca_file)
    except AuthorityUnusable:
        raise ConfigurationError(
            f"{shown(loaded.path)}: ca_file = {loaded.settings.ca_file}: cannot be read or holds no "
            "certificate in PEM; name the authority's file."
        ) from None

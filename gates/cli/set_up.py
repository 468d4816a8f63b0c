"""`gate baseline`: how the platform is before the deployment, for later checks to compare with."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

from environments.loader import checks_of
from environments.provider import ProviderError, environment
from environments.store import StoreError
from environments.yaml_file import ConfigurationError, RequestError
from gates.cli.streams import teller
from gates.decide.history import done_lately
from gates.decide.outcome import EXIT_CONFIGURATION, EXIT_OUR_FAILURE, EXIT_USAGE, Decision
from gates.decide.plain_text import cleaned
from gates.load import Checks, load_policy
from gates.run.verdict import VERSION
from probes.observation import utc_now
from steps.collectors import COLLECTORS, BaselineRefusedError, collect
from steps.kit import baseline
from steps.kit.history import History
from steps.kit.platform import Platform
from steps.kit.request import Request, new_run_id, refuse_malformed

HOLD = Decision.HOLD.exit_code
NOT_BEFORE = (
    "this is not a picture of before. Checks compare with the latest baseline, which is now this one; what "
    "was lost since the deployment began is no longer noticed. It begins a new attempt: every phase has to "
    "be asked again."
)


@dataclasses.dataclass(frozen=True, slots=True)
class Taken:
    """A baseline that was taken."""

    address: str
    record: Mapping[str, Any]
    not_described: Sequence[str]
    """Collectors that the environment gives nothing to collect."""
    late: str | None
    """Why it is not a picture of before the deployment, or None."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.epilog = (
        "Take it once, on the day, before phase 1; the latest one counts. "
        "No verdict: 0 it is kept, 20 not."
    )
    parser.add_argument("--env", required=True, help="environment, such as local or prod")
    parser.add_argument(
        "--release", help="the release that will be deployed; required except on local"
    )
    parser.add_argument(
        "--region", action="append", default=[], help="only this region; may be repeated"
    )
    parser.add_argument("--output", choices=("text", "json"), default="text")


def run(arguments: argparse.Namespace, stdout: IO[str], stderr: IO[str]) -> int:
    """Take a baseline: 0 it is kept, 20 it could not be taken whole, 64, 70 and 78 as ever."""
    tell = teller(stderr)
    request = Request(
        env=arguments.env,
        release=arguments.release,
        regions=tuple(arguments.region),
        switched_at=None,
        environment_file=None,
        run_dir=None,
    )
    try:
        taken = take(request, tell)
    except BaselineRefusedError as exc:
        return _ended(
            tell, ("no baseline is kept, for it would lack something:", *exc.sentences), HOLD
        )
    except StoreError as exc:
        return _ended(tell, ("no baseline is kept:", str(exc)), HOLD)
    except ConfigurationError as exc:
        usage = isinstance(exc, RequestError)
        return _ended(tell, exc.sentences, EXIT_USAGE if usage else EXIT_CONFIGURATION)
    except ProviderError as exc:
        return _ended(tell, (f"our own failure: {exc}",), EXIT_OUR_FAILURE)
    _show(taken, arguments.output, stdout)
    return 0


def _ended(tell: Callable[[str], None], sentences: Sequence[str], code: int) -> int:
    for sentence in sentences:
        tell(sentence)
    return code


def _show(taken: Taken, output: str, stdout: IO[str]) -> None:
    record = taken.record
    if output == "json":
        said = {**record, "address": taken.address, "late": taken.late}
        stdout.write(json.dumps(said, indent=1, allow_nan=False, ensure_ascii=False) + "\n")
        return
    stdout.write(f"baseline of {record['environment']} before {record['release']}\n")
    stdout.write(f"  taken     {record['taken_at']}, {', '.join(record['regions'])}\n")
    stdout.write(f"  kept      {taken.address}\n")
    stdout.write(f"  facts     {', '.join(record['facts'])}\n")
    if taken.not_described:
        stdout.write(
            f"  not here  {', '.join(taken.not_described)}: not in the environment's file\n"
        )
    if taken.late:
        stdout.write(f"  late      {taken.late}\n")


def take(request: Request, tell: Callable[[str], None]) -> Taken:
    """Collect and keep a baseline.

    Raises BaselineRefusedError, StoreError, ConfigurationError, RequestError and ProviderError.
    """
    refuse_malformed(request.release, request.switched_at)
    checks = Checks.of(checks_of(request.env))
    policy = load_policy(checks.policy)
    run = new_run_id("baseline")
    with environment(request.env, request.environment_file, tell) as loaded:
        platform = Platform.of(loaded, policy, request, run)
        record = cleaned(_record(platform, collect(platform)))
        history = baseline.history_of(platform)
        late = late_remark(record, history)
        address = baseline.keep(record, history)
    known = [one.name for one in COLLECTORS]
    return Taken(address, record, [name for name in known if name not in record["facts"]], late)


def late_remark(record: Mapping[str, Any], history: History) -> str | None:
    """Return why a baseline is not a picture of before: traffic is switched, or a phase was GO; else None."""
    if record["traffic_switched_at"]:
        return f"Traffic is switched to the release already: {NOT_BEFORE}"
    try:
        begun = done_lately(history.entries(), utc_now())
    except StoreError as exc:
        return f"Whether the deployment has begun is unknown: {exc}"
    if begun is None:
        return None
    return (
        f"Phase {begun.phase} was GO already, at {begun.started_at:%H:%M UTC on %d %B} "
        f"(run {begun.run}): {NOT_BEFORE}"
    )


def _record(platform: Platform, facts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    switched_at = platform.switched_at
    return {
        "schema": baseline.SCHEMA,
        "run": platform.run_id,
        "taken_at": utc_now().isoformat(timespec="seconds"),
        "environment": platform.environment.settings.name,
        "release": platform.release.tag,
        "regions": list(platform.regions),
        "traffic_switched_at": switched_at and switched_at.isoformat(),
        "versions": {"gate": VERSION},
        "facts": facts,
    }

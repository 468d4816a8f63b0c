"""`gate baseline`: how the platform is before the deployment, for later checks to compare with."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from typing import IO

from environments.provider import ProviderError
from environments.store import StoreError
from environments.yaml_file import ConfigurationError, RequestError
from gates.cli.streams import teller
from gates.decide.outcome import EXIT_CONFIGURATION, EXIT_OUR_FAILURE, EXIT_USAGE, Decision
from gates.run.baseline import Taken, take
from steps.collectors import BaselineRefusedError
from steps.kit.request import Request

HOLD = Decision.HOLD.exit_code


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

"""`gate init`: proposes an environment file from a live Prometheus and a service."""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
import re
from collections.abc import Callable
from typing import IO

from gates.cli.streams import teller
from gates.decide.outcome import EXIT_USAGE, Decision
from gates.doctor.init_look import NothingSeenError, Seen, look, look_at_service
from gates.doctor.init_write import Asked, environment_file, findings
from probes.http import HttpTarget
from probes.prometheus import PrometheusTarget

_ABOUT = """Without --output the file goes to stdout. What was found is reported on stderr; only you know
whether it is right. A file that exists is left alone unless --force is given."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.epilog = _ABOUT
    parser.add_argument("--prometheus", type=_address, metavar="URL", help="a live Prometheus")
    parser.add_argument(
        "--service", type=_address, metavar="URL", help="the service; usual health paths are tried"
    )
    parser.add_argument("--output", type=_file, metavar="FILE", help="environment file to write")
    parser.add_argument("--force", action="store_true", help="replace FILE if it exists")


def _address(text: str) -> str:
    try:
        HttpTarget(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(f"{text}: write it like http://host:9090") from exc
    return text.rstrip("/")


def _file(text: str) -> pathlib.Path:
    if not re.fullmatch(r"[a-z][a-z0-9_-]*\.yaml", pathlib.Path(text).name):
        raise argparse.ArgumentTypeError(f"{text}: call it NAME.yaml, in lower case")
    return pathlib.Path(text)


def run(arguments: argparse.Namespace, stdout: IO[str], stderr: IO[str]) -> int:
    """Propose a file: 0 done, 20 a server does not answer, 64 the file is there already."""
    tell = teller(stderr)
    output: pathlib.Path | None = arguments.output
    if output is not None and output.exists() and not arguments.force:
        tell(f"--output {output}: exists already; name another file, or replace it with --force.")
        return EXIT_USAGE
    try:
        asked = "--prometheus"
        seen = look(PrometheusTarget(arguments.prometheus)) if arguments.prometheus else Seen()
        if arguments.service:
            asked = "--service"
            seen = dataclasses.replace(seen, health=look_at_service(arguments.service))
    except NothingSeenError as exc:
        tell(f"{asked}: {exc} Nothing was written; correct the address and run again.")
        return Decision.HOLD.exit_code
    for sentence in findings(seen):
        tell(sentence)
    name = output.stem if output else "proposed"
    text = environment_file(Asked(name, arguments.prometheus, arguments.service), seen)
    if output is None:
        stdout.write(text)
        return 0
    return _write(output, text, tell, force=arguments.force)


def _write(output: pathlib.Path, text: str, tell: Callable[[str], None], *, force: bool) -> int:
    try:
        with output.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except OSError as exc:
        tell(f"--output {output}: cannot be written: {exc.strerror}.")
        return EXIT_USAGE
    tell(f"wrote {output}; replace what says EDIT-ME, then: gate doctor --env {output}")
    return 0

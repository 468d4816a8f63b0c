"""`gate prune`: removes old runs from disk, but for what is still needed."""

from __future__ import annotations

import argparse
import datetime as dt
import pathlib
import shutil
from collections.abc import Iterator
from typing import IO

from gates.cli.streams import teller
from gates.decide.outcome import EXIT_OUR_FAILURE
from gates.load import OUT
from gates.run import runs
from probes.observation import utc_now
from smoke.synthetic import NAME, open_in

BEGAN = "%Y%m%dT%H%M%SZ"
LIVING = ("incomplete",)
"""States of a run that may still go on, or whose end nobody has looked into."""


def run(
    arguments: argparse.Namespace, stdout: IO[str], stderr: IO[str], now: dt.datetime | None = None
) -> int:
    """Print what is old, and remove it with --yes; return 0, and 70 where a folder could not be removed.

    Baselines, history and other records of a deployment are in the environment's state and stay there.
    """
    out: pathlib.Path = arguments.out or OUT
    oldest = (now or utc_now()) - dt.timedelta(days=arguments.keep_days)
    code = 0
    for path in old(out, oldest):
        if (why := still_needed(path)) is not None:
            stdout.write(f"kept     {path.name}: {why}\n")
        elif not arguments.yes:
            stdout.write(f"would go {path.name}\n")
        else:
            try:
                shutil.rmtree(path)
                stdout.write(f"removed  {path.name}\n")
            except OSError as exc:
                teller(stderr, "gate prune")(f"{path.name} could not be removed: {exc.strerror}.")
                code = EXIT_OUR_FAILURE
    if not arguments.yes:
        stdout.write("Nothing was removed; --yes removes what would go.\n")
    return code


def old(out: pathlib.Path, oldest: dt.datetime) -> Iterator[pathlib.Path]:
    """Yield the folders of runs that began before a time, but for the newest that ran of each environment."""
    newest: set[str] = set()
    for one in runs.newest_first(out):
        try:
            record = one.record()
        except runs.UnreadableRunError:
            continue  # whoever damaged it may still be asked about it
        began = dt.datetime.strptime(one.id.partition("-")[0], BEGAN).replace(tzinfo=dt.UTC)
        environment = str(record.get("environment"))
        if environment in newest and began < oldest:
            yield one.path
        if record.get("state") != "refused":
            newest.add(environment)


def still_needed(path: pathlib.Path) -> str | None:
    """Return why a run has to stay however old it is, or None."""
    if (path / NAME).exists() and any(open_in(path / NAME)):
        return "synthetic records of it are still to be removed; the next run removes them"
    state = runs.Run(path).record().get("state")
    return "it has no verdict, and may still be running" if state in LIVING else None

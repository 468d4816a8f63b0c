"""`gate checklist`: the countdown by owner, as the newest runs of `gate pre-deploy` found it."""

from __future__ import annotations

import argparse
import datetime as dt
import itertools
import json
import pathlib
from collections.abc import Iterator, Sequence
from typing import IO

from bdd.features import feature_files, scenarios
from environments import loader
from environments.loader import Loaded
from environments.release_file import path_of, read_release
from environments.yaml_file import ConfigurationError
from gates.cli.streams import teller
from gates.decide.checklist import Checklist, all_items
from gates.decide.outcome import EXIT_CONFIGURATION
from gates.decide.release import Release
from gates.decide.scope import PreDeploy
from gates.decide.verdict import Verdict
from gates.load import OUT, Checks, load_catalogue
from gates.run import runs
from reports import writers
from settings.environment import LocalFile

MOST_RUNS = 60
"""So many runs of the countdown are read, the newest first."""


def run(arguments: argparse.Namespace, stdout: IO[str], stderr: IO[str]) -> int:
    """Print it; return 0, whatever is open, and 78 for a file that can't be read."""
    try:
        found = listed(arguments.env, arguments.release, arguments.out or OUT)
    except ConfigurationError as exc:
        for sentence in exc.sentences:
            teller(stderr, "gate checklist")(sentence)
        return EXIT_CONFIGURATION
    if arguments.output == "json":
        stdout.write(f"{json.dumps(found.record(), indent=1, ensure_ascii=False)}\n")
    else:
        stdout.write(writers.checklist(found, markdown=arguments.output == "markdown"))
    return 0


def listed(env: str, release: str | None, out: pathlib.Path) -> Checklist:
    """Read catalogue, scenarios, runs and the planned start; raises ConfigurationError."""
    checks = Checks.of(loader.checks_of(env))
    titles = {one.check: one.name for one in scenarios(feature_files(checks.features))}
    tag = None if release is None else Release.parse(release).tag
    found = tuple(itertools.islice(_countdown(out, env, tag), MOST_RUNS))
    tag = tag or (found[0].release if found else None)
    verdicts = tuple(one for one in found if one.release == tag)
    start, rows = _planned_start(env, tag), load_catalogue(checks.features)
    items = all_items(rows, _sections(env, verdicts), titles, verdicts, start)
    return Checklist(loader.name_of(env), tag, start, items)


def _countdown(out: pathlib.Path, env: str, tag: str | None) -> Iterator[Verdict]:
    """Yield the complete verdicts of the countdown, the newest first; what can't be read says nothing."""
    name = loader.name_of(env)
    for one in runs.newest_first(out):
        if f"-{PreDeploy.name}-" not in one.id:
            continue
        try:
            verdict = one.verdict()
        except runs.UnreadableRunError:
            continue
        if verdict.environment == name and verdict.complete and tag in (None, verdict.release):
            yield verdict


def _sections(env: str, verdicts: Sequence[Verdict]) -> frozenset[str] | None:
    """Return the sections of an environment, None where it is not up and no run tells."""
    if verdicts:
        return frozenset(verdicts[0].sections)
    described = loader.find(env)
    return None if isinstance(described, LocalFile) else described.present


def _planned_start(env: str, tag: str | None) -> dt.datetime | None:
    described = loader.find(env)
    if tag is None or isinstance(described, LocalFile):
        return None
    loaded, release = Loaded(described, loader.path_of(env), {}), Release.parse(tag)
    return (
        read_release(loaded, release).file.planned_start
        if path_of(loaded, release).is_file()
        else None
    )

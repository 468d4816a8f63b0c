"""`gate report [RUN…]`: the Allure report of runs, or of everything that a release's deployment left."""

from __future__ import annotations

import argparse
import itertools
import json
import pathlib
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import IO

from environments.loader import shown
from gates.cli.streams import teller
from gates.decide.outcome import EXIT_OUR_FAILURE, EXIT_USAGE
from gates.decide.release import Release
from gates.decide.verdict import Verdict
from gates.load import OUT
from gates.run import runs
from gates.run.runs import Run
from reports import load_words
from reports.verdict import read

MOST_EARLIER = 50
"""Runs of the same question that a report shows as its history."""
MOST_LOOKED_AT = 500
VERIFYING_SECONDS = 8.0
"""For so long earlier runs are folded again, the newest first; those that are left are marked."""
Kept = tuple[Verdict, pathlib.Path]


def run(arguments: argparse.Namespace, stdout: IO[str], stderr: IO[str]) -> int:
    """Write the report and print where it is; return 0, 64 where no run is meant, 70 where it can't be."""
    tell = teller(stderr, "gate report")
    arguments.out = arguments.out or OUT
    try:
        asked, others = _asked(arguments)
        written = _write(arguments, asked, others)
    except (runs.UnknownRunError, _UsageError) as exc:
        tell(str(exc))
        return EXIT_USAGE
    except (runs.UnreadableRunError, _NotWrittenError) as exc:
        tell(str(exc))
        return EXIT_OUR_FAILURE
    stdout.write(f"{shown(written)}\n")
    return 0


class _UsageError(Exception):
    """What was asked for is nothing."""


class _NotWrittenError(Exception):
    """There is no report."""


def _asked(arguments: argparse.Namespace) -> tuple[list[Kept], list[pathlib.Path]]:
    """Return the runs, the oldest first, and the folders of results that load tests left."""
    if arguments.release is None:
        if arguments.env is not None:
            raise _UsageError("--env goes with --release; a RUN says its environment itself.")
        found = [runs.find(name, arguments.out) for name in arguments.run or [None]]
        return sorted(((one.verdict(), one.path) for one in found), key=_when), []
    if arguments.run:
        raise _UsageError("give either RUN or --release, not both.")
    try:
        release = Release.parse(arguments.release).tag
    except ValueError as exc:
        raise _UsageError(f"{exc}.") from exc
    kept = [
        (verdict, one.path)
        for one in itertools.islice(runs.newest_first(arguments.out), MOST_LOOKED_AT)
        if (verdict := _of(one)) and verdict.release == release
        if arguments.env in (None, verdict.environment, verdict.asked_as)
    ]
    if not kept:
        raise _UsageError(f"there is no run of {release} in {shown(arguments.out)}.")
    return sorted(kept, key=_when), list(_load_results(arguments.out, release, kept))


def _when(kept: Kept) -> str:
    return kept[0].started_at


def _of(one: Run) -> Verdict | None:
    """Return a run's verdict; None where nothing ran, or it cannot be read or contradicts itself."""
    try:
        verdict = read(one.record())
    except (runs.UnreadableRunError, ValueError):
        return None
    return None if verdict.state == "refused" else verdict


def _as_it_lies(one: Run) -> Verdict | None:
    """Return a run's verdict without folding it again: fifty large ones take a minute."""
    try:
        return Verdict.from_record(one.record())
    except (runs.UnreadableRunError, ValueError):
        return None


def _load_results(out: pathlib.Path, release: str, kept: Sequence[Kept]) -> Iterator[pathlib.Path]:
    environments = {verdict.environment for verdict, _ in kept}
    for file in sorted(out.glob("*/load.json")):
        try:
            plan = load_words.checked(json.loads(file.read_text(encoding="utf-8")))["plan"]
        except (OSError, ValueError):
            continue
        folder = file.with_name("allure-results")
        if (plan["release"], plan["environment"] in environments) == (release, True):
            yield from [folder] * folder.is_dir()


def _write(
    arguments: argparse.Namespace, asked: Sequence[Kept], others: Sequence[pathlib.Path]
) -> pathlib.Path:
    # Loaded late: the gate's other commands need none of it.
    from reports import allure_program, allure_report  # noqa: PLC0415 - see above

    named = f"report-{arguments.release or 'runs'}.html"
    one = asked[0][1] / "report.html" if len(asked) == 1 and not others else None
    to: pathlib.Path = arguments.to or one or arguments.out / named
    with tempfile.TemporaryDirectory(prefix="health-gate-report-") as folder:
        work = pathlib.Path(folder)
        allure_report.prepare(work, asked, _earlier(arguments.out, asked), others)
        try:
            text = allure_program.build(work)
        except allure_program.NotBuiltError as exc:
            raise _NotWrittenError(f"{exc}.") from exc
    from reports.writers import write_whole  # noqa: PLC0415 - see above

    write_whole(to, text)
    return to


def _earlier(out: pathlib.Path, asked: Sequence[Kept]) -> list[tuple[Verdict, bool]]:
    """Return the newest runs before these that asked the same, the oldest first, and whether verified."""
    until = time.monotonic() + VERIFYING_SECONDS
    had = {verdict.run for verdict, _ in asked}
    questions = {_question(verdict) for verdict, _ in asked}
    before = max(_when(one) for one in asked)
    kinds = {run.partition("-")[2].rpartition("-")[0] for run in had}
    found = (
        (verdict, verified)
        for one in itertools.islice(runs.newest_first(out), MOST_LOOKED_AT)
        if one.id not in had and one.id.partition("-")[2].rpartition("-")[0] in kinds
        for verified in (time.monotonic() < until,)
        if (verdict := _of(one) if verified else _as_it_lies(one))
        if _question(verdict) in questions
        if verdict.started_at < before
    )
    return list(itertools.islice(found, MOST_EARLIER))[::-1]


def _question(verdict: Verdict) -> tuple[str | None, ...]:
    return verdict.gate, verdict.window, verdict.phase, verdict.at, verdict.environment

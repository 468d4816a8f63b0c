"""Finds runs in reports/out and reads what they left, held against their lines, manifest and catalogue.

A folder without a verdict.json is not a gate's run.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import itertools
import json
import pathlib
import re
from collections.abc import Iterable, Iterator
from typing import Any

from environments.loader import shown
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from gates.decide.plain_text import cleaned
from gates.decide.scope import Scope, gate_of
from gates.decide.verdict import Verdict
from gates.load import OUT, load_catalogue
from gates.run import lines
from gates.run.verdict import asked_by, catalogue_digest
from reports.events import Measured, read_lines
from reports.verdict import MOST_CONTRADICTIONS, DamagedVerdictError, read
from reports.words import GATE
from steps.kit.request import EVENTS

VERDICT = "verdict.json"
MANIFEST = "manifest.json"
OTHERS = ("pytest",)
"""Kinds of runs that come from another tool and decide nothing."""

RUN = re.compile(r"^\d{8}T\d{6}Z-(?P<kind>.+)-[0-9a-f]{6}$")
"""How folders of runs are called."""


class UnknownRunError(LookupError):
    """No run, or more than one, is meant; the text says what to write instead."""


class UnreadableRunError(Exception):
    """A run's verdict cannot be read or contradicts itself; the text says which file."""


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """One run's folder."""

    path: pathlib.Path

    @property
    def id(self) -> str:
        """The run's id, which is its folder's name."""
        return self.path.name

    def record(self) -> dict[str, Any]:
        """Return verdict.json as it stands; raises UnreadableRunError."""
        file = self.path / VERDICT
        try:
            record = json.loads(file.read_text(encoding="utf-8"))
        except OSError as exc:
            raise self._unreadable(f"cannot be read: {exc.strerror}") from exc
        except (ValueError, RecursionError) as exc:
            raise self._unreadable("is not JSON; it was damaged after the run") from exc
        if not isinstance(record, dict):
            raise self._unreadable("holds no JSON object")
        return dict(cleaned(record))

    @property
    def refused(self) -> bool:
        """Whether nothing ran, as what was asked for was wrong."""
        try:
            return self.record().get("state") == "refused"
        except UnreadableRunError:
            return False

    def verdict(self) -> Verdict:
        """Return the verdict, held against what else the run left; raises UnreadableRunError."""
        record = self.record()
        try:
            verdict = read(record)
            found = [*itertools.islice(contradictions(verdict, self.path), MOST_CONTRADICTIONS)]
        except DamagedVerdictError as exc:
            raise self._unreadable(f"is damaged: {exc}") from exc
        except (OSError, KeyError, TypeError, ValueError, AttributeError) as exc:
            raise self._unreadable(f"can't be held against its run: {type(exc).__name__}") from exc
        if found:
            raise self._unreadable(f"is not what its run left: {'; '.join(found)}")
        return verdict

    def measured(self) -> Measured | None:
        """Return what the run's events tell, or None when there are none to read."""
        try:
            text = (self.path / EVENTS).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        return read_lines(text.split("\n"))

    def _unreadable(self, why: str) -> UnreadableRunError:
        return UnreadableRunError(
            f"{shown(self.path / VERDICT)} {why}. What was measured is in "
            f"{shown(self.path / EVENTS)}, one line a check; run the gate again for a verdict."
        )


def newest_first(out: pathlib.Path = OUT) -> Iterator[Run]:
    """Yield the gates' runs by name, which begins with the time; other tools' runs are left out."""
    folders = (
        sorted(out.iterdir(), key=lambda path: path.name, reverse=True) if out.is_dir() else []
    )
    for folder in folders:
        match = RUN.match(folder.name)
        if match and match["kind"] not in OTHERS and (folder / VERDICT).is_file():
            yield Run(folder)


def find(wanted: str | None, out: pathlib.Path = OUT) -> Run:
    """Return the run with this id, unambiguous prefix or path, else the newest.

    Raises UnknownRunError.
    """
    if wanted is None:
        newest = next((run for run in newest_first(out) if not run.refused), None)
        if newest is None:
            raise UnknownRunError(
                f"no gate has run yet: {shown(out)} holds no verdict. "
                f"Run {GATE} post-deploy --env local."
            )
        return newest
    return _named(wanted, out)


def age_seconds(verdict: Verdict, now: dt.datetime) -> float | None:
    """Return how long ago a run began, or None when its verdict does not say."""
    try:
        started = dt.datetime.fromisoformat(verdict.started_at)
        return max(0.0, (now - started).total_seconds())
    except (ValueError, TypeError):
        return None


def _named(wanted: str, out: pathlib.Path) -> Run:
    path = pathlib.Path(wanted)
    if path.name == VERDICT:
        path = path.parent
    if (path / VERDICT).is_file():
        return Run(path.resolve())
    # An unset variable is not a prefix of every run.
    matching = [run for run in newest_first(out) if wanted and run.id.startswith(wanted)]
    exact = [run for run in matching if run.id == wanted]
    if len(exact or matching) == 1:
        return (exact or matching)[0]
    if not matching:
        raise UnknownRunError(
            f"there is no run “{wanted}” in {shown(out)}; {GATE} status names the newest."
        )
    few = ", ".join(run.id for run in matching[:3])
    raise UnknownRunError(
        f"“{wanted}” begins the names of {len(matching)} runs ({few}); write more of it."
    )


Cells = dict[tuple[str, str], list[Judgement]]
"""Judgements by check and region."""


def contradictions(verdict: Verdict, folder: pathlib.Path) -> Iterator[str]:
    """Yield where a verdict differs from its run; raises OSError, KeyError, TypeError or ValueError.

    What is not there (a verdict that was copied alone, a catalogue that changed since) contradicts nothing.
    """
    if not verdict.checks:
        return
    if (folder / EVENTS).is_file():
        yield from _lines(verdict, lines.read(folder / EVENTS))
    if (folder / MANIFEST).is_file():
        wanted = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["checks"]
        had = [check.id for check in verdict.checks if check.not_applicable is None]
        for check in sorted(set(wanted) ^ set(had)):
            yield f"{check} is in one of verdict.json and {MANIFEST} and not in the other"
    checks = asked_by(verdict)
    if verdict.digests.get("catalogue") == catalogue_digest(checks):
        rows, switched = load_catalogue(checks.features), bool(verdict.traffic_switched_at)
        yield from _catalogue(
            verdict, gate_of(verdict).scope(rows, switched=switched).only(verdict.only)
        )


def _lines(verdict: Verdict, found: lines.Lines) -> Iterator[str]:
    said, measured = _said(verdict), _measured(found)
    for check, region in sorted(said.keys() | measured.keys()):
        if said.get((check, region), []) != measured.get((check, region), []):
            yield f"{check} in {region}: verdict.json and {EVENTS} differ"
    told = {reason.sentence for reason in verdict.reasons if reason.check is None}
    for problem in found.problems:
        if problem not in told:
            yield f"{EVENTS} says “{problem}”, verdict.json does not"


def _said(verdict: Verdict) -> Cells:
    """Return what a verdict shows as measured; that a check does not apply is nobody's line."""
    return {
        (check.id, region): kept
        for check in verdict.checks
        for region, found in check.regions.items()
        if (kept := _kept(found.judgements, check.not_applicable))
    }


def _kept(judgements: Iterable[Judgement], rule: str | None) -> list[Judgement]:
    excused = Outcome.NOT_APPLICABLE
    return [one for one in judgements if rule is None or one.outcome is not excused]


def _measured(found: lines.Lines) -> Cells:
    cells: Cells = collections.defaultdict(list)
    for result in found.results:
        cells[result.check, result.region] += result.judgements
    return {key: judgements for key, judgements in cells.items() if judgements}


def _catalogue(verdict: Verdict, scope: Scope) -> Iterator[str]:
    had = {check.id: check for check in verdict.checks}
    for row in scope.rows:
        check = had.pop(row.id, None)
        if check is None:
            yield f"{row.id} is required by the catalogue and not in verdict.json"
            continue
        if (check.on_fail, check.stage) != (row.on_fail, scope.stages[row.id].value):
            yield f"{row.id} means something else in the catalogue than in verdict.json"
        if (check.not_applicable is None) is not row.applies(verdict.sections):
            yield f"{row.id} applies by one of verdict.json and the catalogue and not by the other"
    for name in had:
        yield f"{name} is in verdict.json and not required by the catalogue"

"""Finds runs in reports/out and reads what they left; a folder without a verdict.json is not a gate's run."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import json
import pathlib
import re
from collections.abc import Iterator
from typing import Any

from gates.decide.plain_text import cleaned
from gates.decide.verdict import Verdict
from gates.load import OUT, ROOT
from gates.run.cross_check import contradictions
from reports.events import Measured, read_lines
from reports.verdict import MOST_CONTRADICTIONS, DamagedVerdictError, read

VERDICT = "verdict.json"
EVENTS = "events.jsonl"
OTHERS = ("pytest",)
"""Kinds of runs that come from another tool and decide nothing."""

_RUN = re.compile(r"^\d{8}T\d{6}Z-(?P<kind>.+)-[0-9a-f]{6}$")


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
        match = _RUN.match(folder.name)
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
                "Run ./harness gate post-deploy --env local."
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


def shown(path: pathlib.Path) -> str:
    """Return a path as people read it: from the repository's root where it lies inside."""
    try:
        return str(path.resolve().relative_to(ROOT))
    except ValueError:
        return str(path)


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
            f"there is no run “{wanted}” in {shown(out)}; ./harness gate status names the newest."
        )
    few = ", ".join(run.id for run in matching[:3])
    raise UnknownRunError(
        f"“{wanted}” begins the names of {len(matching)} runs ({few}); write more of it."
    )

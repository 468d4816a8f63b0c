"""The catalogue: what is required. Deleting a scenario never deletes a requirement."""

from __future__ import annotations

import csv
import dataclasses
import re
from typing import TYPE_CHECKING, Any

from gates.decide.outcome import Meaning
from gates.decide.times import (
    COUNTDOWN,
    DECISION,
    METHODS,
    ROLLED_BACK,
    ROLLOUT,
    WINDOW,
    WINDOWS,
)
from settings.environment import CHECK_ID, CONDITIONS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

COLUMNS = ("id", "phase", "when", "owner", "severity", "smoke", "on_fail", "applies_if")
PHASES = ("pre-deploy", "deploy", "post-deploy", "rollback")
SEVERITIES = ("blocker", "critical", "normal", "minor")
EVERY_PHASE = "phase"
"""The `when` of a row that every phase of the deployment asks."""
TRIGGER = "trigger"
"""The `when` of a row that `gate watch` asks: a condition over time."""
APPROVALS = ("T1-GONOGO-5", "T1-GONOGO-6", "T1-GONOGO-7", "T1-GONOGO-8", "T1-GONOGO-9")
COMPUTED = ("T1-GONOGO-2", "T1-GONOGO-4")
"""What is computed from the results of all other items of a run, and so runs after them."""
_ALLOWED = {
    "phase": PHASES,
    "severity": SEVERITIES,
    "on_fail": tuple(meaning.value for meaning in Meaning),
    "smoke": ("yes", "no"),
}
_PART = re.compile(r"[1-7]\.[1-9]")


class CatalogueError(ValueError):
    """The catalogue says something impossible; the text names file, line, column and remedy."""


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One requirement."""

    id: str
    phase: str
    when: str
    owner: str
    severity: str
    smoke: bool
    on_fail: Meaning
    applies_if: str
    """Empty, or `environment:SECTION`: required only where the environment has that section."""

    @property
    def section(self) -> str:
        """Return the section of the environment that the check is about; empty for none."""
        return self.applies_if.partition(":")[2]

    @property
    def due(self) -> str:
        """Return by which time of the countdown it is first asked."""
        return COUNTDOWN[-1] if self.when == WINDOW else self.when

    def applies(self, sections: Collection[str]) -> bool:
        """Return whether the check applies to an environment that has these sections."""
        return not self.applies_if or self.section in sections


def parse(files: Iterable[tuple[str, str]]) -> tuple[Row, ...]:
    """Parse catalogue files given as (name, text); raises CatalogueError.

    An id may stand in one file only: a team's file adds rows and never changes one.
    """
    rows: dict[str, Row] = {}
    for name, text in files:
        for line, row in _rows_of(name, text):
            if row.id in rows:
                raise CatalogueError(f"{name}:{line}: {row.id} is listed twice; keep one row")
            rows[row.id] = row
    if not rows:
        raise CatalogueError("the catalogue is empty; nothing would be required")
    return tuple(rows.values())


def in_window(rows: Iterable[Row], window: str) -> tuple[Row, ...]:
    """Return the post-deployment rows that are due within a validation window (15m, 1h, 24h)."""
    limit = WINDOWS[window]
    return tuple(
        row
        for row in rows
        if row.phase == "post-deploy" and WINDOWS.get(row.when, limit + 1) <= limit
    )


def _rows_of(name: str, text: str) -> Iterable[tuple[int, Row]]:
    reader = csv.reader(text.splitlines(), strict=True)
    try:
        header = next(reader, None)
        if header != list(COLUMNS):
            raise CatalogueError(f"{name}:1: the header must be {','.join(COLUMNS)}")
        for cells in reader:
            if cells:
                yield reader.line_num, _row(f"{name}:{reader.line_num}", cells)
    except csv.Error as exc:
        raise CatalogueError(f"{name}:{reader.line_num}: is not CSV: {exc}") from exc


def _row(where: str, values: list[str]) -> Row:
    if len(values) != len(COLUMNS):
        raise CatalogueError(f"{where}: {len(values)} cells, wanted {len(COLUMNS)}")
    cells = dict(zip(COLUMNS, values, strict=True))
    if not re.fullmatch(CHECK_ID, cells["id"]):
        raise CatalogueError(f"{where}: id “{cells['id']}” is not an id such as IV-HEALTH-1")
    for column, allowed in _ALLOWED.items():
        _must_be(where, column, cells[column], allowed)
    _check_when(where, cells["phase"], cells["when"])
    if cells["applies_if"]:
        _must_be(where, "applies_if", cells["applies_if"], CONDITIONS)
    if not cells["owner"]:
        raise CatalogueError(f"{where}: owner is empty; name the team that fixes a red check")
    read: dict[str, Any] = {"smoke": cells["smoke"] == "yes", "on_fail": Meaning(cells["on_fail"])}
    return Row(**{**cells, **read})


def _check_when(where: str, phase: str, when: str) -> None:
    """Refuse a time at which no gate would ever ask."""
    if phase == "post-deploy":
        _must_be(where, "when", when, (*WINDOWS, ROLLOUT))
    elif phase == "pre-deploy":
        _must_be(where, "when", when, (*COUNTDOWN, WINDOW))
    elif phase == "rollback":
        _must_be(where, "when", when, (TRIGGER, DECISION, *METHODS, *ROLLED_BACK))
    elif phase == "deploy" and when != EVERY_PHASE and not _PART.fullmatch(when):
        raise CatalogueError(
            f"{where}: when “{when}” is not a part of a phase such as 2.1, nor “{EVERY_PHASE}”"
        )


def _must_be(where: str, column: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise CatalogueError(f"{where}: {column} “{value}” is not one of {', '.join(allowed)}")

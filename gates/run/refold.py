"""A second opinion on a run: its lines read and folded by other code than that which decided it.

It shares no reader and no fold with the gate, knows JSON alone, and asks the lines as they lie on disk.
Whatever it can't read is a finding, and never a PASS.
"""

from __future__ import annotations

import collections
import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

BADNESS = ("GO", "HOLD", "NO_GO", "STOP", "ROLLBACK")
CODES = {"GO": 0, "HOLD": 20, "NO_GO": 10, "STOP": 10, "ROLLBACK": 10}
_WORSE = ("NOT_APPLICABLE", "PASS", "INCONCLUSIVE", "ERROR", "FAIL")
_ASKS = ("advisory", "hold", "stop", "rollback")
_SPARED = ("PASS", "NOT_APPLICABLE")
Cell = tuple[str, str]
"""A check and a region."""
Runs = list[list[Mapping[str, Any]]]
"""What each run of a check judged in a region."""


@dataclasses.dataclass(frozen=True, slots=True)
class Measured:
    """What the lines say."""

    cells: Mapping[Cell, Runs]
    faults: tuple[str, ...]
    """Of the run itself: what its process said went wrong, and lines that say nothing."""


@dataclasses.dataclass(frozen=True, slots=True)
class Opinion:
    """What follows from the lines."""

    decision: str
    regions: Mapping[str, str]
    words: Mapping[Cell, str]
    reds: frozenset[tuple[str, str, str]]
    """Check, region and word of what is not good and counts."""
    waived: frozenset[tuple[str, str, str]] = frozenset()
    """Of what people let pass."""


@dataclasses.dataclass(frozen=True, slots=True)
class Question:
    """What had to be answered, and in which regions."""

    rows: Sequence[Mapping[str, Any]]
    """Each with id, on_fail, stage and, where it does not apply, the rule."""
    regions: Sequence[str]
    held: bool
    """Whether something besides the lines keeps the run from being GO, such as an earlier phase."""
    waived: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """By check that people let pass: what it was then; what is worse counts."""


def measured(files: Iterable[bytes]) -> Measured:
    """Read the lines of one or several files."""
    cells: dict[Cell, Runs] = collections.defaultdict(list)
    faults: list[str] = []
    for data in files:
        # What stands behind the last line's end is torn: its check did not end.
        for number, line in enumerate(data.split(b"\n")[:-1], start=1):
            try:
                _take(json.loads(line) if line else {"event": ""}, cells, faults)
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                faults.append(f"line {number} can't be read")
    return Measured(dict(cells), tuple(faults))


def opinion(asked: Question, found: Measured) -> Opinion:
    """Fold again: each row once in each region, good or worse, and the worst of all."""
    known = {(row["id"], region) for row in asked.rows for region in asked.regions}
    held = asked.held or bool(found.faults) or not found.cells.keys() <= known
    words: dict[Cell, str] = {}
    reds: set[tuple[str, str, str]] = set()
    passed_over: set[tuple[str, str, str]] = set()
    regions: dict[str, str] = {}
    for region in asked.regions:
        said, passed = ["HOLD"] if held else [], False
        for row in asked.rows:
            cell = row["id"], region
            runs = _runs(row, found.cells.get(cell, []))
            against = list(_against(row, runs))
            counted = [one for one in against if not _let_pass(asked.waived.get(row["id"]), *one)]
            said += [decision for _, decision in counted]
            words[cell] = _word(runs) if counted or not against else "WAIVED"
            passed_over |= {(*cell, word) for word, _ in against if (word, _) not in counted}
            if row["on_fail"] != "advisory":
                reds |= {(*cell, word) for word, _ in counted}
                passed |= words[cell] == "PASS"
        regions[region] = _worst(said) if passed or set(said) - {"GO"} else "HOLD"
    everywhere = [*regions.values(), *(["HOLD"] if held or not regions else [])]
    return Opinion(_worst(everywhere), regions, words, frozenset(reds), frozenset(passed_over))


def _let_pass(was: str | None, word: str, decision: str) -> bool:
    """Tell whether people let a finding pass: no worse than it was, and neither STOP nor ROLLBACK."""
    if was not in ("INCONCLUSIVE", "FAIL") or word not in ("INCONCLUSIVE", "FAIL"):
        return False
    return decision in ("HOLD", "NO_GO") and _WORSE.index(word) <= _WORSE.index(was)


def _take(event: Mapping[str, Any], cells: dict[Cell, Runs], faults: list[str]) -> None:
    if event["event"] == "problem":
        faults.append(str(event["sentence"]))
    if event["event"] != "check_finished":
        return
    judged = {region: noted["judgements"] for region, noted in event["regions"].items()}
    each = [one for found in judged.values() for one in found]
    if any(one["outcome"] not in _WORSE or one.get("means") not in (None, *_ASKS) for one in each):
        raise ValueError("a word that no check says")
    if any(one["outcome"] == _WORSE[0] for one in each):
        faults.append(f"{event['check']} says that it does not apply, which no check can")
    for region, found in judged.items():
        cells[event["check"], region].append(found)


def _runs(row: Mapping[str, Any], runs: Runs) -> Runs:
    """Return what a check judged; that it does not apply counts as one run of it."""
    return [*runs, [{"outcome": "NOT_APPLICABLE"}]] if row["not_applicable"] else runs


def _word(runs: Runs) -> str:
    outcomes = [one["outcome"] for run in runs for one in run]
    if not outcomes:
        return "MISSING"
    return "DOUBLED" if len(runs) > 1 else max(outcomes, key=_WORSE.index)


def _against(row: Mapping[str, Any], runs: Runs) -> Iterator[tuple[str, str]]:
    """Yield each word that speaks against a check in a region, and what it decides."""
    judged = [one for run in runs for one in run]
    if not judged or len(runs) > 1:
        missing = "DOUBLED" if judged else "MISSING"
        yield missing, "GO" if row["on_fail"] == "advisory" else "HOLD"
    for one in judged:
        if one["outcome"] not in _SPARED:
            yield one["outcome"], _decided(row, one)


def _decided(row: Mapping[str, Any], judgement: Mapping[str, Any]) -> str:
    if row["on_fail"] == "advisory":
        return "GO"
    if judgement["outcome"] != "FAIL":
        return "HOLD"
    if row["stage"] == "before the deployment":
        return "NO_GO"
    asks = min(judgement.get("means") or row["on_fail"], row["on_fail"], key=_ASKS.index)
    if asks in ("advisory", "hold") or row["stage"] == "rolled back":
        return "HOLD"
    return "ROLLBACK" if row["stage"] == "carrying traffic" else "STOP"


def _worst(decisions: Iterable[str]) -> str:
    return max(decisions, key=BADNESS.index, default="GO")

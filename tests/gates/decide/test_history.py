from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator, Sequence

import pytest

from gates.decide.fold import Stage, fold
from gates.decide.history import (
    Entry,
    Kind,
    PhaseRun,
    by_part,
    done_lately,
    gaps,
    impossible,
    last,
    newest_first,
    phase_runs,
    stopped,
)
from gates.decide.outcome import Decision, Outcome
from tests.gates.decide.histories import AT, DIGESTS, Step, a_run, told
from tests.gates.decide.values import a_result, a_row
from tests.tables import cases

GO, HOLD, STOP, ROLLBACK = Decision.GO, Decision.HOLD, Decision.STOP, Decision.ROLLBACK
ROWS = tuple(
    dataclasses.replace(a_row(check), phase="deploy", when=when)
    for check, when in (("D-11", "1.1"), ("D-12", "1.2"), ("TIME", "phase"))
)
REGIONS = ("eu", "us")


REPLACED = dataclasses.replace
WHOLE = a_run(1, p11_eu=GO, p11_us=GO, p12_eu=GO, p12_us=GO)
OTHER_POLICY = {"policy": "q", "catalogue": "c"}
GAPS: dict[str, Sequence[Step]] = {
    "none": [],
    "one whole run": [WHOLE],
    "part by part": [a_run(1, p11_eu=GO, p11_us=GO), a_run(2, p12_eu=GO, p12_us=GO)],
    "by region": [a_run(1, p11_eu=GO, p12_eu=GO), a_run(2, p11_us=GO, p12_us=GO)],
    "a later red run": [WHOLE, a_run(2, p12_us=HOLD)],
    "repaired since": [WHOLE, a_run(2, p12_us=HOLD), a_run(3, p12_us=GO)],
    "a run of it has no end": [WHOLE, a_run(2, p12_us=GO, ended=False)],
    "a run of a later phase has no end": [WHOLE, a_run(2, p21_us=GO, ended=False)],
    "a later phase was to be rolled back": [WHOLE, a_run(2, p21_eu=GO, p21_us=ROLLBACK)],
    "a later phase stopped, nothing is live": [WHOLE, a_run(2, p21_eu=GO, p21_us=STOP)],
    "a run of a later phase has no end, nothing was live": [
        WHOLE,
        REPLACED(a_run(2, p21_us=GO, ended=False), live=False),
    ],
    "a run of it has no end, nothing was live": [
        WHOLE,
        REPLACED(a_run(2, p12_us=GO, ended=False), live=False),
    ],
    "a part had to stop, and is repaired": [WHOLE, a_run(2, p12_us=STOP), a_run(3, p12_us=GO)],
    "the live release was to be rolled back": [
        WHOLE,
        Step(2, kind=Kind.ROLLED_BACK, regions=("eu",)),
    ],
    "a new baseline": [WHOLE, Step(2, kind=Kind.BASELINE)],
    "after its baseline": [Step(0, kind=Kind.BASELINE), WHOLE],
    "by another policy": [REPLACED(WHOLE, digests=OTHER_POLICY)],
    "one region only": [a_run(1, p11_eu=GO, p12_eu=GO)],
}
"""A phase is done when the last run of each part was GO in each region; said.json has what is missing."""


LATER = {
    "of a try of last week": ([WHOLE], dt.timedelta(days=7)),
    "a run of a time to come hides no red run": (
        [a_run(1, p11_eu=HOLD), a_run(55, p11_eu=GO)],
        dt.timedelta(minutes=2),
    ),
    "clocks a minute apart": ([WHOLE], dt.timedelta()),
}
BEGUN = {
    "nothing was asked": ([], 1),
    "nothing is done yet": ([a_run(1, p11_eu=HOLD)], 1),
    "half is done": ([a_run(2, p11_eu=GO, p11_us=HOLD), a_run(3, p11_eu=GO)], 1),
    "another deployment": ([WHOLE], 13),
    "another attempt": ([WHOLE, a_run(2, p21_eu=ROLLBACK, p21_us=ROLLBACK)], 1),
}
"""A deployment has begun when anything of it was GO; hours later."""
STARTED, ENDED = told(WHOLE)
OTHER_PART = told(a_run(0, p13_eu=GO, p13_us=GO))
IMPOSSIBLE = {
    "as it was": [STARTED, ENDED],
    "an end without its beginning": [ENDED],
    "an end twice": [STARTED, ENDED, ENDED],
    "a beginning twice": [STARTED, STARTED],
    "an end of another phase": [STARTED, REPLACED(ENDED, phase="2")],
    "an end that leaves a part out": [
        STARTED,
        REPLACED(ENDED, parts={"1.1": {"eu": GO, "us": GO}}),
    ],
    "as it was, after a run of another part": [*OTHER_PART, STARTED, ENDED],
    "another attempt": [*told(Step(0, kind=Kind.BASELINE)), STARTED],
}


def gaps_said() -> Iterator[str]:
    """Yield what is missing of a phase of two parts, an hour later, for each history."""
    asked = {name: (steps, dt.timedelta(hours=1)) for name, steps in GAPS.items()} | LATER
    for name, (steps, later) in asked.items():
        found = gaps(("1.1", "1.2"), REGIONS, told(*steps), AT + later, DIGESTS, {})
        yield f"{name}: {'; '.join(found) or 'nothing'}"
    for name, (steps, hours) in BEGUN.items():
        begun = done_lately(told(*steps), AT + dt.timedelta(hours=hours))
        yield f"begun when {name}: {begun and begun.run}"
    runs = phase_runs(told(*(a_run(minute, p11_eu=GO) for minute in (1, 5, 3))))
    yield f"newest first: {' '.join(one.run for one in newest_first(runs))}"
    for name, entries in IMPOSSIBLE.items():
        yield f"{name}: {impossible(entries) or 'nothing wrong'}"


def decided(*outcomes: Outcome, problems: tuple[str, ...] = ()) -> dict[str, dict[str, Decision]]:
    results = [
        a_result(outcome if region == "us" else Outcome.PASS, check=row.id, region=region)
        for row, outcome in zip(ROWS, outcomes, strict=True)
        for region in REGIONS
    ]
    folded = fold(ROWS, REGIONS, results, Stage.NOT_SWITCHED, problems)
    return by_part(ROWS, ("1.1", "1.2"), REGIONS, folded.reasons)


PASS, FAIL = Outcome.PASS, Outcome.FAIL


def test_a_red_part_leaves_the_others_green_and_what_is_not_of_one_part_counts_for_every() -> None:
    assert decided(PASS, FAIL, PASS) == {
        "1.1": {"eu": GO, "us": GO},
        "1.2": {"eu": GO, "us": Decision.STOP},
    }
    assert decided(PASS, PASS, FAIL)["1.1"] == {"eu": GO, "us": Decision.STOP}
    said = decided(PASS, PASS, PASS, problems=("the child died",))
    assert said == {part: dict.fromkeys(REGIONS, HOLD) for part in ("1.1", "1.2")}


def test_an_entry_is_read_back_as_it_was_written() -> None:
    for entry in told(Step(0, kind=Kind.BASELINE), WHOLE):
        assert Entry.from_record(entry.record()) == entry


@cases("damage", {"kind": {"kind": "approved"}, "decision": {"parts": {"1.1": {"eu": "FINE"}}}})
def test_a_record_of_another_kind_is_refused(damage: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"enum at (kind|parts)"):
        Entry.from_record(told(WHOLE)[1].record() | damage)


@pytest.mark.parametrize("key", ["live", "attempts", "digests", "phase", "run"])
def test_a_record_without_one_of_its_keys_is_refused(key: str) -> None:
    record = told(WHOLE)[1].record()
    del record[key]
    with pytest.raises(ValueError, match=f"missing at {key}"):
        Entry.from_record(record)


def test_runs_that_ended_are_told_with_their_times() -> None:
    (run,) = phase_runs(told(WHOLE, a_run(2, p21_eu=GO, ended=False)))
    assert (run.run, run.phase) == ("run-1", "1")
    assert run.finished_at - run.started_at == dt.timedelta(seconds=3)


def test_what_stands_before_a_rollback_is_no_last_run() -> None:
    def phase_run(minute: int, part: str, said: Decision) -> PhaseRun:
        at = AT + dt.timedelta(minutes=minute)
        return PhaseRun(f"run-{minute}", part[0], at, at, {part: {"eu": said}})

    done, back = phase_run(1, "1.1", GO), phase_run(2, "2.1", ROLLBACK)
    assert last("1.1", "eu", [done]) == done
    assert last("1.1", "eu", [back, done]) is None
    assert last("2.1", "eu", [back, done]) == back


@cases(
    "steps says",
    {
        "GO": ([a_run(-9, p11_eu=GO), a_run(-5, p21_eu=GO)], ()),
        "GO before it stopped": (
            [a_run(-9, p11_eu=GO), a_run(-5, p21_eu=GO), a_run(-3, p11_eu=STOP)],
            ("1.1 was STOP (run run--3) in eu",),
        ),
        "GO again": ([a_run(-9, p11_eu=STOP), a_run(-5, p11_eu=GO)], ()),
        "undecided since": ([a_run(-9, p11_eu=GO), a_run(-5, p11_eu=HOLD)], ()),
        "another part": ([a_run(-3, p12_eu=STOP)], ()),
        "another region": ([a_run(-3, p11_us=STOP)], ()),
        "in an earlier deployment": ([a_run(-13 * 60, p11_eu=STOP)], ()),
        "before a new attempt": ([a_run(-9, p11_eu=STOP), Step(-5, kind=Kind.BASELINE)], ()),
        "live, and begun anew": ([a_run(-9, p11_eu=STOP), a_run(-3, ended=False, p11_eu=GO)], ()),
        "begun anew, and never ended": (
            [a_run(-9, p11_eu=STOP), REPLACED(a_run(-3, ended=False, p11_eu=GO), live=False)],
            ("1.1 was STOP (run run--9) in eu",),
        ),
        "never asked": ([], ()),
    },
)
def test_what_was_stopped_later_is_built_on_by_no_later_phase(
    steps: list[Step], says: tuple[str, ...]
) -> None:
    assert stopped(["1.1"], ["eu"], told(*steps), AT) == says

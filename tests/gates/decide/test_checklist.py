"""The countdown by owner, from the newest run that asked each item; as text and as Markdown."""

from __future__ import annotations

import dataclasses
import datetime as dt

from gates.decide.catalogue import Row
from gates.decide.checklist import Checklist, all_items, of_verdict
from gates.decide.verdict import Verdict
from reports import sign_off, writers
from tests.golden import Said
from tests.reports import verdicts

START = dt.datetime(2026, 1, 31, 22, 0, tzinfo=dt.UTC)
WHEN = dict(
    zip((row.id for row in verdicts.ROWS), ("T-7d", "T-3d", "T-1d", "T-2h", "window"), strict=True)
)
ROWS = tuple(
    dataclasses.replace(row, phase="pre-deploy", when=WHEN[row.id]) for row in verdicts.ROWS
)
NEVER = dataclasses.replace(
    verdicts.NOT_DUE, id="T7-NEW-1", phase="pre-deploy", when="T-7d", applies_if=""
)
ELSEWHERE = dataclasses.replace(NEVER, id="T7-NEW-2", applies_if="environment:flags")


def countdown(verdict: Verdict, *checks: str) -> Verdict:
    """Return a verdict as one of the countdown, of these checks or of all."""
    kept = (one for one in verdict.checks if not checks or one.id in checks)
    found = tuple(dataclasses.replace(one, phase="pre-deploy") for one in kept)
    return dataclasses.replace(verdict, gate="pre-deploy", window=None, at="T-2h", checks=found)


def listed(*newest_first: Verdict, rows: tuple[Row, ...] = ROWS) -> Checklist:
    items = all_items((*rows, verdicts.row("IV-X-1", "sre", rows[0].on_fail)), (), verdicts.TITLES,
                      newest_first, START)  # fmt: skip
    return Checklist("prod", "v1.2.0", START, items)


def test_who_owes_what_by_when(said: Said) -> None:
    found = listed(countdown(verdicts.no_go()), rows=(*ROWS, NEVER, ELSEWHERE))
    said([writers.checklist(found, markdown=one).splitlines() for one in (False, True)])
    assert found.record()["items"][0]["by"] == "2026-01-24T22:00:00+00:00"


def test_the_newest_run_that_asked_an_item_counts_and_a_waiver_is_shown_as_one(said: Said) -> None:
    part = countdown(verdicts.go(), "IV-PERF-1")
    states = {one.check: one.state for one in listed(part, countdown(verdicts.hold())).items}
    before = {one.check: one.state for one in listed(countdown(verdicts.hold())).items}
    waived = listed(countdown(verdicts.waived()))
    shown = [writers.checklist(waived, markdown=one).splitlines() for one in (False, True)]
    said([before, states, shown])


def test_what_did_not_run_is_missing_and_what_nobody_asked_too() -> None:
    missing = {one.check: one for one in listed(countdown(verdicts.missing())).items}
    assert [one.said for one in missing.values() if one.is_open]
    nothing = listed()
    assert {one.state for one in nothing.items} == {"missing"}
    assert {one.said for one in nothing.items} == {"no run has asked it yet"}


def test_only_items_of_the_countdown_are_listed() -> None:
    assert of_verdict(verdicts.go()).items == ()
    assert len(of_verdict(countdown(verdicts.go())).items) == len(verdicts.go().checks)


def test_the_windows_that_a_phase_asks_are_no_items_of_its_page() -> None:
    phase = dataclasses.replace(countdown(verdicts.go()), gate="phase", phase="1", at=None)
    assert of_verdict(phase).items == ()
    assert "The countdown by owner" not in sign_off.render(phase)

from __future__ import annotations

import json
from typing import Any

from reports.events import Measured, read_lines, shown_after
from tests.reports import verdicts
from tests.tables import cases

CHECKS = verdicts.hold().checks[:5]
WHOLE: list[dict[str, Any]] = [
    {
        "event": "check_finished",
        "at": verdicts.AT,
        "check": check.id,
        "title": check.title,
        "elapsed_seconds": check.elapsed_seconds,
        "regions": {
            region: {key: found.record()[key] for key in ("judgements", "observations")}
            for region, found in check.regions.items()
        },
    }
    for check in CHECKS
]


def waiting(check: str, region: str) -> dict[str, Any]:
    awaited = "2,100 of 2,995 events"
    return {
        "event": "waiting",
        "at": verdicts.AT,
        "check": check,
        "region": region,
        "awaited": awaited,
    }


def started(check: str) -> dict[str, Any]:
    return {"event": "check_started", "at": verdicts.AT, "check": check}


def lines_of(*events: dict[str, Any]) -> list[str]:
    return [json.dumps(event) for event in events]


TORN = "\n".join([*lines_of(*WHOLE[:4], started("IV-PERF-3")), '{"event":"check_fin'])


def test_events_tell_what_was_measured_until_a_run_was_killed() -> None:
    measured = read_lines(TORN.split("\n"))
    assert [one.check for one in measured.checks] == [check.id for check in CHECKS[:4]]
    assert measured.running == "IV-PERF-3"
    assert measured.unreadable_lines == 1
    assert measured.last_at == verdicts.AT


@cases(
    "line",
    {
        "a torn line": '{"event":"check_finished","check":"X"',
        "no object": "[]",
        "no event": "{}",
        "no result": '{"event":"check_finished","check":"X","regions":{"eu":{}}}',
        "zeros of a crashed disk": "\x00\x00",
    },
)
def test_a_line_that_cannot_be_read_is_counted_and_never_guessed(line: str) -> None:
    """What else is none, tests/gates/run/test_lines.py has."""
    measured = read_lines([*lines_of(WHOLE[0]), line])
    assert (len(measured.checks), measured.unreadable_lines) == (1, 1)


def test_progress_counts_outcomes_by_region() -> None:
    progress = Measured(total=5, regions=("eu", "us", "ap"))
    for event in (*WHOLE, started("IV-FLOW-1")):
        progress = shown_after(progress, event)
    assert progress.tally("eu") == {"PASS": 3, "INCONCLUSIVE": 1, "FAIL": 1}
    assert progress.tally("us") == {"PASS": 4, "FAIL": 1}
    assert progress.tally("ap") == {"MISSING": 5}
    assert progress.running == "IV-FLOW-1"
    found = [one for cause in progress.causes() for one in cause.findings()]
    assert [(len(one.checks), one.regions, one.reason.outcome) for one in found] == [
        (5, ("ap",), "MISSING"),
        (1, ("eu",), "INCONCLUSIVE"),
        (1, ("eu", "us"), "FAIL"),
    ]


def test_an_event_that_cannot_be_read_is_a_problem_and_ends_nothing() -> None:
    progress = shown_after(Measured(), {"event": "check_finished"})
    assert progress.checks == ()
    assert "cannot be read" in progress.problems[0]

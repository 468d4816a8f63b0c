from __future__ import annotations

import pathlib
from typing import Any

from gates.decide.verdict import Verdict
from reports import figures, junit, words
from tests.reports import golden_files, verdicts
from tests.tables import cases


@cases(
    "seconds text",
    {
        "milliseconds below a second": (0.0123, "12.3 ms"),
        "just below a second": (0.9994, "999 ms"),
        "what rounds to a second": (0.9996, "1 s"),
        "seconds below a minute": (31.2, "31.2 s"),
        "at a minute": (60, "1 min 00 s"),
        "below an hour": (3599.4, "59 min 59 s"),
        "hours": (7260, "2 h 01 min"),
        "a day": (86400, "1 day"),
        "days": (3 * 86400, "3 days"),
    },
)
def test_a_length_of_time_is_written_for_people(seconds: float, text: str) -> None:
    assert words.duration(seconds) == text


def test_a_share_has_three_significant_digits_and_a_moment_is_in_utc() -> None:
    shares = {0.0: "0 %", 0.000988: "0.0988 %", 0.0302: "3.02 %", 0.7011: "70.1 %", 1.0: "100 %"}
    assert {share: figures.percent(share) for share in shares} == shares
    assert words.moment("2026-11-23T02:16:01.25+01:00") == "2026-11-23 01:16:01 UTC"
    assert words.moment("yesterday") == "yesterday"


@cases(
    "text line",
    {
        "our own signs": ("“healthy” → 5 ≥ 3", '"healthy" -> 5 >= 3'),
        "white space": ("two\nlines\tand a tab", "two lines and a tab"),
        "escapes": ("\x1b[31mred\x07", "[31mred"),
        "other letters": ("Zürich", "Z?rich"),
    },
)
def test_a_line_of_a_log_is_ascii(text: str, line: str) -> None:
    assert words.ascii_line(text) == line


def phase(verdict: Verdict, **changes: Any) -> Verdict:
    return verdicts.changed(
        verdict,
        **{"gate": "phase", "phase": "2.1", "window": None, "follows": "phase 2.2"} | changes,
    )


SWITCHED = {"traffic_switched_at": "2026-01-31T22:45:00+00:00", "follows": "phase 4"}
ASKED = {
    "a part of a phase": phase(verdicts.go(), stage="deploying, nothing is live"),
    "the last one": phase(verdicts.go(), follows="post-deploy"),
    "stopped": phase(verdicts.stopped()),
    "held by itself": phase(verdicts.held("the child died")),
    "the countdown": phase(verdicts.no_go(), gate="pre-deploy", phase=None, at="T-3d"),
    "typed by a stranger": verdicts.changed(verdicts.refused(), release="v1 2; reboot"),
    "the switch by the command line": phase(verdicts.go(), **SWITCHED, switched_at_given=True),
    "the switch by the file": phase(verdicts.go(), **SWITCHED, switched_at_given=False),
    "one region of several": phase(verdicts.go(), environment_regions=("eu", "us", "asia")),
}


def test_a_verdict_says_what_it_means_and_what_to_do_next() -> None:
    """Commands can be pasted, whatever was typed, and ask the same question again."""
    lines = []
    for name, verdict in ASKED.items():
        lines += [f"# {name}", words.scope(verdict), words.meaning(verdict)]
        lines += [*words.next_steps(verdict), words.again_command(verdict), ""]
    golden_files.compare("golden_words.txt", "\n".join(lines), pathlib.Path(__file__).parent)


def test_a_phases_suites_are_called_after_it() -> None:
    assert 'name="phase-2.1.eu"' in junit.render(phase(verdicts.go()))

from __future__ import annotations

import pathlib
from typing import Any

from gates.decide.judgement import percent
from gates.decide.verdict import Verdict
from reports import junit, words
from tests.golden import compare_file
from tests.reports import verdicts


def test_lengths_of_time_shares_and_moments_are_written_for_people() -> None:
    lengths = {
        0.0123: "12.3 ms",
        0.9994: "999 ms",
        0.9996: "1 s",
        31.2: "31.2 s",
        60: "1 min 00 s",
        3599.4: "59 min 59 s",
        7260: "2 h 01 min",
        86400: "1 day",
        3 * 86400: "3 days",
    }
    assert {seconds: words.duration(seconds) for seconds in lengths} == lengths
    shares = {0.0: "0 %", 0.000988: "0.0988 %", 0.0302: "3.02 %", 0.7011: "70.1 %", 1.0: "100 %"}
    assert {share: percent(share) for share in shares} == shares
    assert words.moment("2026-11-23T02:16:01.25+01:00") == "2026-11-23 01:16:01 UTC"
    assert words.moment("yesterday") == "yesterday"


def test_a_line_of_a_log_is_ascii() -> None:
    lines = {
        "“healthy” → 5 ≥ 3": '"healthy" -> 5 >= 3',
        "two\nlines\tand a tab": "two lines and a tab",
        "\x1b[31mred\x07": "[31mred",
        "Zürich": "Z?rich",
    }
    assert {text: words.ascii_line(text) for text in lines} == lines


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
    compare_file(pathlib.Path(__file__).with_name("golden_words.txt"), "\n".join(lines))
    # The suites of a phase are called after it.
    assert 'name="phase-2.1.eu"' in junit.render(phase(verdicts.go()))

from __future__ import annotations

import dataclasses

from gates.decide.judgement import equals
from reports import summary
from tests.reports import verdicts
from tests.tables import cases


@cases(
    "name headline",
    {
        "GO is green": ("go", "# 🟢 GO: v1.2.0 on local"),
        "ROLLBACK is red": ("rollback", "# 🔴 ROLLBACK: v1.2.0 on local"),
        "STOP is red": ("stopped", "# 🔴 STOP: v1.2.0 on local"),
        "NO_GO is red": ("no_go", r"# 🔴 NO\_GO: v1.2.0 on local"),
        "HOLD is yellow": ("hold", "# 🟡 HOLD: v1.2.0 on local"),
        "interrupted is on hold": ("interrupted", "# 🟡 HOLD: v1.2.0 on local"),
        "killed has none": ("incomplete", "# ⚪ NO VERDICT: v1.2.0 on local"),
        "failed has none": ("failed", "# ⚪ NO VERDICT: v1.2.0 on local"),
    },
)
def test_the_first_line_is_the_decision(name: str, headline: str) -> None:
    assert summary.render(verdicts.EVERY[name]()).splitlines()[0] == headline


def test_a_rollback_is_recommended_and_not_authorised() -> None:
    text = summary.render(verdicts.rollback())
    assert "recommends a rollback; it does not authorise one" in text


def test_what_a_sentence_holds_cannot_break_the_page() -> None:
    said = "a | b `c` <img src=x> *d* [e](f)\n# not a heading"
    bad = dataclasses.replace(equals("status", 503, 200), sentence=said)
    text = summary.render(verdicts.failing(bad))
    assert r"a \| b \`c\` \<img src=x\> \*d\* \[e\](f) # not a heading" in text
    assert "\n# not a heading" not in text


def test_every_row_of_a_table_has_the_same_number_of_cells() -> None:
    rows = [line for line in summary.render(verdicts.hold()).splitlines() if line.startswith("|")]
    checks = rows[rows.index("|---|---|---|---|") - 1 :]
    assert {row.count("|") for row in checks} == {5}

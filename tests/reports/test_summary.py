from __future__ import annotations

import dataclasses

from gates.decide.judgement import equals
from reports import summary
from tests.reports import verdicts


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

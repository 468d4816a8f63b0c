from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from gates.decide.plain_text import cleaned, plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("Connections \ud83d", "Connections \ufffd", id="half an emoji"),
        pytest.param("\x1b[31mred", "\ufffd[31mred", id="an escape sequence"),
        pytest.param("a\x9b2Jb", "a\ufffd2Jb", id="an escape sequence of eight bits"),
        pytest.param("a\u202egpj.exe", "a\ufffdgpj.exe", id="a bidirectional override"),
        pytest.param("a\u2066b\u2069", "a\ufffdb\ufffd", id="bidirectional isolates"),
        pytest.param("a\x00\x07\x7f\r", "a\ufffd\ufffd\ufffd\ufffd", id="control characters"),
        pytest.param("a\ufffe", "a\ufffd", id="no character at all"),
        pytest.param("sum(a)\n\t/ sum(b)", "sum(a)\n\t/ sum(b)", id="a query of two lines stays"),
        pytest.param(
            "Zürich 👩\u200d⚕️ 上海", "Zürich 👩\u200d⚕️ 上海", id="people's own words stay"
        ),
    ],
)
def test_what_breaks_a_file_or_a_terminal_is_replaced_visibly(text: str, shown: str) -> None:
    assert plain(text) == shown


@given(st.text())
def test_every_text_can_be_written_as_utf_8_and_as_xml(text: str) -> None:
    element = ET.Element("a", b=plain(text))

    assert plain(text).encode("utf-8").decode("utf-8") == plain(text)
    ET.fromstring(ET.tostring(element, encoding="unicode"))  # noqa: S314 - our own output


def test_keys_and_lists_of_a_value_are_cleaned_and_numbers_stay() -> None:
    assert cleaned({"a\ud83d": ["\x1b", 1, None, True, 0.5]}) == {
        "a\ufffd": ["\ufffd", 1, None, True, 0.5]
    }


def test_a_judgement_is_plain_from_its_beginning_and_when_read_back() -> None:
    judged = Judgement(Outcome.FAIL, "rule", "p\ud83d", "s\x1b", "o\ud83d", data={"q": ["\ud83d"]})

    assert (judged.subject, judged.sentence, judged.observed) == ("p\ufffd", "s\ufffd", "o\ufffd")
    assert judged.data == {"q": ["\ufffd"]}
    record = json.loads(json.dumps(judged.record()).replace("\\ufffd", "\\ud83d"))
    assert Judgement.from_record(record) == judged

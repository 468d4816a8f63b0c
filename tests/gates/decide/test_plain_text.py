from __future__ import annotations

import json
import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from gates.decide.plain_text import cleaned, plain
from tests.tables import cases


@cases(
    "text shown",
    {
        "half an emoji": ("Connections \ud83d", "Connections \ufffd"),
        "an escape sequence": ("\x1b[31mred", "\ufffd[31mred"),
        "an escape sequence of eight bits": ("a\x9b2Jb", "a\ufffd2Jb"),
        "a bidirectional override": ("a\u202egpj.exe", "a\ufffdgpj.exe"),
        "bidirectional isolates": ("a\u2066b\u2069", "a\ufffdb\ufffd"),
        "control characters": ("a\x00\x07\x7f\r", "a\ufffd\ufffd\ufffd\ufffd"),
        "no character at all": ("a\ufffe", "a\ufffd"),
        "a query of two lines stays": ("sum(a)\n\t/ sum(b)", "sum(a)\n\t/ sum(b)"),
        "people's own words stay": ("Zürich 👩\u200d⚕️ 上海", "Zürich 👩\u200d⚕️ 上海"),
    },
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

from __future__ import annotations

import pytest

from gates.decide.release import Release


def test_the_tag_and_the_number_are_one_release_and_are_ordered_by_number() -> None:
    found = [Release.parse(text) for text in ("v1.2.0", "1.2.0")]
    assert [(one.tag, one.number) for one in found] == [("v1.2.0", "1.2.0")] * 2
    assert Release.parse("v1.10.0") > Release.parse("v1.9.9")


@pytest.mark.parametrize(
    "text",
    [
        *("", "1.2", "1.2.0.1", "v1.2.0\n", "1.2.0 ", " 1.2.0", "V1.2.0", "vv1.2.0", "1.2.0-rc.1"),
        *("1.2.x", "-1.2.0", "1.2.123456", "\u0661.\u0662.\u0660", "latest", "v1.2.0; rm -rf /"),
    ],
    ids=repr,
)
def test_anything_else_is_no_release(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a release; write it like v1\.2\.0"):
        Release.parse(text)

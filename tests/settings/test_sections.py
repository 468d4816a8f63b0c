from __future__ import annotations

import pytest

from settings.sections import parse_duration, parse_share


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("30s", 30), ("5m", 300), ("1.5h", 5400), ("2d", 172800), ("0s", 0)],
)
def test_a_duration_has_its_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "value",
    ["", "5", 5, 5.0, "5 m", "5 minutes", "-5m", "5m\n", "5M", "\u0665m", "1e3s", None, True],
    ids=repr,
)
def test_what_has_no_unit_is_no_duration(value: object) -> None:
    with pytest.raises(
        ValueError, match=r"^must be a duration with its unit, such as 30s, 5m or 1h$"
    ):
        parse_duration(value)


@pytest.mark.parametrize(("text", "share"), [("5%", 0.05), ("0.1%", 0.001), ("0.1 %", 0.001)])
def test_a_share_is_a_percentage(text: str, share: float) -> None:
    assert parse_share(text) == pytest.approx(share)


@pytest.mark.parametrize(
    "value",
    ["", "5", 0.05, "-5%", "5%\n", "5\n%", "5 percent", "%", "nan%", "\u0665%", None],
    ids=repr,
)
def test_what_has_no_percent_sign_is_no_share(value: object) -> None:
    with pytest.raises(ValueError, match=r"^must be a percentage, such as 0\.1%$"):
        parse_share(value)

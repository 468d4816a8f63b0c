"""When one may deploy here."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated

from pydantic import AfterValidator, Field

from settings.sections import Section

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MOMENT = re.compile(rf"({'|'.join(DAYS)}) ([01][0-9]|2[0-3]):([0-5][0-9])")


def parse_moment(text: str) -> dt.timedelta:
    """Turn `Saturday 22:00` into the time since the week began; raises ValueError."""
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise ValueError(f"“{text}” is no time of the week; write it like Saturday 22:00, in UTC")
    return dt.timedelta(days=DAYS.index(match[1]), hours=int(match[2]), minutes=int(match[3]))


def _moment(value: str) -> str:
    parse_moment(value)
    return value


Moment = Annotated[str, AfterValidator(_moment)]


class Window(Section):
    """A part of each week, in UTC."""

    opens: Moment
    """Such as Saturday 22:00."""
    closes: Moment
    """Such as Sunday 06:00; the same as `opens` means the whole week."""


class Deployment(Section):
    """When the deployment has to be through."""

    windows: tuple[Window, ...] = Field(min_length=1)
    """What is left of the deployment, and a rollback, must fit into one of them."""

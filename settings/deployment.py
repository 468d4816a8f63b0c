"""When one may deploy here."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from gates.decide.schedule import parse_moment
from gates.decide.sections import Section


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

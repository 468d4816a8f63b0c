"""The manners that every configuration section shares: frozen, strict, units resolved once."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PERCENT = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?%")


class Section(BaseModel):
    """A part of a configuration file: unknown keys are refused, errors never echo the input."""

    # What is never read alone needs no validator of its own: half of the time to import the models.
    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True
    )


def parse_duration(value: object) -> float:
    """Turn `500ms`, `30s`, `5m`, `1h` or `2d` into seconds; raises ValueError for anything else."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("must be a duration with its unit, such as 30s, 5m or 1h")
    return float(match[1]) * _SECONDS[match[2]]


def parse_share(value: object) -> float:
    """Turn `5%` or `0.1%` into 0.05 or 0.001; raises ValueError for anything else."""
    match = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("must be a percentage, such as 0.1%")
    return float(match[1]) / 100


Seconds = Annotated[float, BeforeValidator(parse_duration)]
Share = Annotated[float, BeforeValidator(parse_share)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
CheckId = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9.]*(-[A-Z0-9.]+)+$")]

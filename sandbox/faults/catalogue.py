"""The catalogue of faults: what each one is, and which checks it must turn which colour."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

_FILE = Path(__file__).with_name("catalogue.yaml")


class Fault(BaseModel):
    """One fault and its expectations; a check that no list names must stay as it was."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    description: str
    fail: tuple[str, ...] = ()
    inconclusive: tuple[str, ...] = ()
    error: tuple[str, ...] = ()
    decision: Literal["GO", "HOLD", "ROLLBACK"]


def load() -> tuple[Fault, ...]:
    """Read the catalogue; raises pydantic.ValidationError for a mistake in it."""
    rows = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return tuple(Fault.model_validate(row) for row in rows)

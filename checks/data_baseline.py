"""The data as they were before the deployment: what later checks compare with."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from checks.platform import Platform


@dataclasses.dataclass(frozen=True, slots=True)
class Baseline:
    """What a baseline keeps of the data: counts, orphans, fingerprints, names of migrations; never a row."""

    facts: Mapping[str, Any]
    """As `checks.data_facts.collect` returned them."""
    named: str
    """Which baseline, in words."""


def known(platform: Platform) -> Baseline | None:
    """Return the baseline of this deployment; None where none was taken."""
    del platform
    return None

"""The policy of capacity: how much of a file system must be left."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from settings.sections import Section, Share


class StoragePolicy(Section):
    """Free space on the file systems that the environment names."""

    min_free: Annotated[Share, Field(ge=0.01, lt=1)] = 0.15
    """The least share of each that must be free."""

"""A release: the tag `v1.2.0` and the body `1.2.0` are one thing, read by one parser."""

from __future__ import annotations

import dataclasses
import re

_RELEASE = re.compile(r"v?([0-9]{1,5})\.([0-9]{1,5})\.([0-9]{1,5})")


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Release:
    """A released version."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> Release:
        """Parse `v1.2.0` or `1.2.0`; raises ValueError for anything else."""
        match = _RELEASE.fullmatch(text)
        if match is None:
            raise ValueError(f"“{text}” is not a release; write it like v1.2.0")
        return cls(int(match[1]), int(match[2]), int(match[3]))

    @property
    def number(self) -> str:
        """As the platform's health body shows it: 1.2.0."""
        return f"{self.major}.{self.minor}.{self.patch}"

    @property
    def tag(self) -> str:
        """As git and people write it: v1.2.0."""
        return f"v{self.number}"

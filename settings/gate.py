"""What an environment asks of the gate itself."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from settings.sections import Section

CHECK_ID = r"[A-Z][A-Z0-9.]*(-[A-Z0-9.]+)+"
CONDITIONS = (
    "environment:audit",
    "environment:backups",
    "environment:certificates",
    "environment:data",
    "environment:dns",
    "environment:external",
    "environment:fhir",
    "environment:flag_changes",
    "environment:flags",
    "environment:integrations",
    "environment:kubernetes",
    "environment:migrations",
    "environment:frontend",
    "environment:images",
    "environment:mobile",
    "environment:monitoring",
    "environment:people",
    "environment:postgres",
    "environment:prometheus",
    "environment:redis",
    "environment:secrets",
    "environment:synthetic",
    "environment:vendors",
)
"""A closed list: a mistyped section would otherwise excuse its checks everywhere, for good."""
SECTIONS = tuple(condition.partition(":")[2] for condition in CONDITIONS)


def _section_or_check(value: str) -> str:
    if value not in SECTIONS and not re.fullmatch(CHECK_ID, value):
        raise ValueError(
            f"“{value}” is neither a check's id nor a section that checks are about "
            f"({', '.join(SECTIONS)})"
        )
    return value


class EnvironmentPolicy(Section):
    """What no decision about this environment may leave out."""

    must_ask: tuple[Annotated[str, AfterValidator(_section_or_check)], ...] = ()
    """Sections of this file and ids of checks. Where one is missing, or nothing in the catalogue asks for
    it, every gate holds."""

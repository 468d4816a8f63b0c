"""What was seen of the web application's pages: by axe, in narrow windows, by keys, by the clock."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from probes.observation import EVERYTHING, Shown

if TYPE_CHECKING:
    from probes.browser.accessibility import Round, Scan
    from probes.browser.looks import Motion, Reflow, Vitals


@dataclasses.dataclass(frozen=True, slots=True)
class Seen(Shown):
    """One page in one state."""

    KEPT: ClassVar = EVERYTHING
    scan: Scan
    reflows: tuple[Reflow, ...]
    motion: Motion


@dataclasses.dataclass(frozen=True, slots=True)
class Examined(Shown):
    """Every page and state, by name."""

    KEPT: ClassVar = EVERYTHING
    seen: Mapping[str, Seen]
    missing: Mapping[str, str]
    """Those that were not come to, and why, as a sentence."""


@dataclasses.dataclass(frozen=True, slots=True)
class Typed(Shown):
    """A booking by the keyboard alone."""

    KEPT: ClassVar = EVERYTHING
    rounds: Mapping[str, Round]
    """Once through each page with Tab."""
    dialog: Mapping[str, bool]
    """What the dialog must do, such as "close with Escape" → whether it did."""
    wrong: str = ""
    """What the keyboard could not do and the mouse could, as a sentence."""
    broke: str = ""
    """Why it went no further, where that is not the keyboard's fault."""


@dataclasses.dataclass(frozen=True, slots=True)
class Loaded(Shown):
    """The pages, each loaded afresh."""

    KEPT: ClassVar = EVERYTHING
    pages: Mapping[str, Vitals]
    missing: Mapping[str, str]

"""What the web application owes to everybody: accessibility, less motion, and short waits."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from settings.sections import Seconds, Section, Share, Text, doubled

_Budget = Annotated[Seconds, Field(ge=10, le=600)]


class AcceptedRule(Section):
    """A rule of axe that some pages may break, or leave open, until its last day: shown, and no finding."""

    rule: Text
    """As A11Y-PAGE-1 reports it, such as color-contrast."""
    pages: tuple[Text, ...] = Field(min_length=1)
    """The pages and states on which it is accepted, as A11Y-PAGE-1 names them; no others."""
    reason: Text
    """Why nobody is kept out, or what is being done."""
    until: dt.date
    """The last day on which it counts, in UTC."""


class AccessibilityPolicy(Section):
    """What keeps nobody out of the web application."""

    accepted: tuple[AcceptedRule, ...] = ()
    """Rules of axe that are broken, or left open, with somebody's reason."""
    focus_pixels: int = Field(default=24, ge=1, le=10_000)
    """How many pixels must show, at least, that a control has the keyboard's focus."""
    longest_motion: Seconds = Field(default=0.1, ge=0, le=5)
    """How long an animation or transition may last for people who asked for less motion."""
    budget: _Budget = 120.0
    """How long one walk through all pages may take."""

    def _refusals(self) -> Iterator[str]:
        if twice := doubled([one.rule for one in self.accepted]):
            yield f"accepted lists “{twice[0]}” twice; keep one"


class VitalsPolicy(Section):
    """What one load of a page may take; limits of web.dev, and what a page may cost its reader."""

    lcp: Seconds = Field(default=2.5, gt=0, le=30)
    """Until its largest part is painted."""
    cls: float = Field(default=0.1, gt=0, le=1, allow_inf_nan=False)
    """The worst window of layout shifts, without unit."""
    inp: Seconds = Field(default=0.2, ge=0.016, le=2)
    """Until a key or a press is answered; the browser does not report less than 16 ms."""
    page_bytes: int = Field(default=500_000, ge=1, le=20_000_000)
    """Over the wire, with an empty cache."""
    requests: int = Field(default=40, ge=1, le=1000)
    """That one load of a page makes."""
    worse_by: Share = Field(default=0.5, gt=0, le=4)
    """By how much a page may be worse than it was in the release before."""
    budget: _Budget = 60.0
    """How long the loads of all pages may take together."""

"""The browser in which pages are walked through, what of all that happens is a finding, accessibility."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field

from settings.sections import Seconds, Section, Share, Text, compiled, doubled

Engine = Literal["chromium", "firefox", "webkit"]
EventKind = Literal[
    "console error",
    "failed request",
    "policy violation",
    "mixed content",
    "dialog",
    "download",
    "long task",
    "layout shift",
]
Meaning = Literal["fail", "advisory"]


class Browser(Section):
    """The browser that walks through the site of the section `frontend` as a synthetic patient."""

    executable: Text | None = None
    """Its program, a Chromium. Left out: the one on the PATH, else Playwright's own build
    (`playwright install chromium`)."""
    previous_vitals: Text | None = None
    """The evidence web-vitals.json of the release before, a file relative to this one: no page may be much
    worse than there (`vitals.worse_by` of the policy). Without it the policy's limits alone count."""


class AllowedEvent(Section):
    """Something that pages do and somebody answers for: shown, and no finding."""

    kind: EventKind
    """What it is."""
    where: Text
    """A pattern (regular expression) that host and path must match, such as `stats\\.example\\.org/.*`."""
    text: Text | None = None
    """A pattern that must occur in what the page said; left out: whatever it said."""
    reason: Text
    """Why nobody is hit."""

    def _refusals(self) -> Iterator[str]:
        for key in ("where", "text"):
            pattern = getattr(self, key)
            if pattern is not None:
                compiled(pattern, f"{key} “{pattern}” is not a regular expression")
        if re.fullmatch(self.where, "") is not None:
            yield f"where “{self.where}” allows it everywhere; say at which host or path"


class BrowserPolicy(Section):
    """What must hold in a browser."""

    walk_within: Annotated[Seconds, Field(gt=0, le=120)] = 20.0
    """How long a page and the walk through it may take; a walk that is not through by then failed."""
    step_within: Annotated[Seconds, Field(gt=0, le=60)] = 8.0
    """How long anything on a page may take to be there."""
    engines: tuple[Engine, ...] = Field(default=("chromium",), min_length=1)
    """In which the journeys must hold. Firefox and WebKit run where Playwright's own builds are installed;
    where they are not, a journey that must hold there is undecided."""
    events: Mapping[EventKind, Meaning] = Field(default_factory=dict)
    """What an event of a kind means; one that is not named fails."""
    long_task: Annotated[Seconds, Field(gt=0, le=60)] = 0.2
    """A page that does not react for longer has a long task."""
    layout_shift: float = Field(default=0.1, gt=0, le=10, allow_inf_nan=False)
    """The sum of a walk's layout shifts that is still good."""
    allowed: tuple[AllowedEvent, ...] = ()
    """Exceptions: shown, and no findings."""

    def _refusals(self) -> Iterator[str]:
        if twice := doubled(list(self.engines)):
            yield f"engines lists “{twice[0]}” twice; keep one"

    def meaning(self, kind: str) -> Meaning:
        """Return what an event of a kind means."""
        return next((meaning for one, meaning in self.events.items() if one == kind), "fail")


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

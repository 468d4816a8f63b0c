"""The browser in which pages are walked through, and what of all that happens meanwhile is a finding."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field

from settings.sections import Seconds, Section, Text, compiled, doubled

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

"""How a page looks to people who enlarge it or can't bear motion: its width at 320 px, what moves in it."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import ClassVar

from playwright.sync_api import CDPSession, Page

from probes.observation import EVERYTHING, Shown

HERE = pathlib.Path(__file__).parent
MOTION = (HERE / "motion.js").read_text(encoding="utf-8")
"""To be run in a page before it loads."""
_REFLOW = (HERE / "reflow.js").read_text(encoding="utf-8")


@dataclasses.dataclass(frozen=True, slots=True)
class Window:
    """A size of the window in CSS pixels, and how many pixels of the screen each has."""

    name: str
    width: int
    height: int
    scale: float


NARROW = Window("320 px", 320, 640, 1)
ZOOMED = Window("400 % zoom", 320, 256, 4)
"""1280 x 1024 px, enlarged four times (WCAG 1.4.10)."""


@dataclasses.dataclass(frozen=True, slots=True)
class Reflow(Shown):
    """What of a page does not fit into the width of a window."""

    KEPT: ClassVar = EVERYTHING
    window: str
    width: int
    """Of the window as the page saw it."""
    sideways: int
    """How many CSS pixels the page scrolls sideways."""
    wide: tuple[str, ...]
    """The first elements with content beyond the right edge, whether it can be scrolled to or is cut off."""


@dataclasses.dataclass(frozen=True, slots=True)
class Move(Shown):
    """An animation or a transition."""

    KEPT: ClassVar = EVERYTHING
    what: str
    where: str
    ms: float
    """How long it lasts; -1: without end."""


@dataclasses.dataclass(frozen=True, slots=True)
class Motion(Shown):
    """What has moved in a page since it was last asked."""

    KEPT: ClassVar = EVERYTHING
    reduced: bool
    """Whether the page was told that its reader wants less motion."""
    moves: tuple[Move, ...]


def reflow(page: Page, protocol: CDPSession, windows: Sequence[Window]) -> tuple[Reflow, ...]:
    """Measure a page in windows of these sizes; its own window is set back.

    `protocol` is Chromium's own, as Playwright sets a scale for a new page alone. It must stay open as
    long as the page: the one that closes takes the page's window with it.
    """
    size = page.viewport_size or {"width": 1280, "height": 720}
    own = Window("", size["width"], size["height"], page.evaluate("() => devicePixelRatio"))
    try:
        return tuple(_seen_through(page, protocol, window) for window in windows)
    finally:
        _seen_through(page, protocol, own)


def _seen_through(page: Page, protocol: CDPSession, window: Window) -> Reflow:
    size = {"width": window.width, "height": window.height, "deviceScaleFactor": window.scale}
    protocol.send("Emulation.setDeviceMetricsOverride", {**size, "mobile": False})
    found = page.evaluate(_REFLOW, window.width)
    return Reflow(window.name, found["width"], found["sideways"], tuple(found["wide"]))


def motion(page: Page) -> Motion:
    """Return what moves, and what has moved, in a page that ran MOTION before it loaded."""
    found = page.evaluate("() => __running()")
    return Motion(found["reduced"], tuple(Move(**one) for one in found["moves"]))

"""A page for people who enlarge it, can't bear motion or wait: width at 320 px, moves, web vitals."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

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


WATCH = (HERE / "vitals.js").read_text(encoding="utf-8")
"""The same of vitals."""
SHORTEST_MS = 16.0
"""The browser does not report interactions that are answered sooner."""
_WINDOW_MS, _GAP_MS = 5000, 1000
# Painted, or given up on after two seconds; then what a late banner moves.
_PAINTED = """async () => {
    const frame = () => new Promise(requestAnimationFrame);
    for (let frames = 0; frames < 120 && __vitals.lcp === null; frames += 1) await frame();
    await new Promise(done => setTimeout(done, 700));
}"""
_ANSWERED = """async () => {
    await new Promise(requestAnimationFrame);
    await new Promise(done => setTimeout(done, 50));
    return __vitals;
}"""


@dataclasses.dataclass(frozen=True, slots=True)
class Vitals(Shown):
    """What one load of a page, and a key and a press in it, took."""

    KEPT: ClassVar = EVERYTHING
    lcp_ms: float | None
    """When its largest part was painted; None: never."""
    cls: float
    """The worst window of unexpected layout shifts, without unit."""
    inp_ms: float
    """The slowest answer to a key or a press; SHORTEST_MS for a quicker one."""
    requests: int
    transferred_bytes: int
    """Headers and bodies of the answers, as they came over the wire."""


class Wire:
    """What comes over the wire to one page; Chromium's own protocol counts it, with an empty cache."""

    def __init__(self, page: Page) -> None:
        self._sizes: list[float] = []
        self._protocol = page.context.new_cdp_session(page)
        self._protocol.on("Network.loadingFinished", self._note)
        self._protocol.send("Network.enable")
        self._protocol.send("Network.setCacheDisabled", {"cacheDisabled": True})

    def forget(self) -> None:
        """Count from here on."""
        self._sizes.clear()

    def _note(self, finished: Mapping[str, Any]) -> None:
        self._sizes.append(finished["encodedDataLength"])

    def measured(self, page: Page, press: Callable[[], object]) -> Vitals:
        """Return what a loaded page took, which ran WATCH before; a key is hit, and then `press` presses."""
        page.evaluate(_PAINTED)  # a key ends the search for the largest part
        sizes = list(self._sizes)  # what a press fetches belongs to no load
        page.keyboard.press("Shift")
        page.keyboard.press("Tab")
        press()
        found = page.evaluate(_ANSWERED)
        return Vitals(
            lcp_ms=found["lcp"],
            cls=worst_window(found["shifts"]),
            inp_ms=float(max(found["interactions"].values(), default=SHORTEST_MS)),
            requests=len(sizes),
            transferred_bytes=int(sum(sizes)),
        )


def worst_window(shifts: Sequence[tuple[float, float]]) -> float:
    """Return the largest sum of shifts within five seconds without a gap of one (web.dev/cls)."""
    sums: list[float] = []
    began = last = float("-inf")
    for at, value in sorted(map(tuple, shifts)):
        if not sums or at - last > _GAP_MS or at - began > _WINDOW_MS:
            sums.append(0.0)
            began = at
        sums[-1] += value
        last = at
    return max(sums, default=0.0)

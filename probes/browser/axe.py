"""axe-core in every frame of a page: what breaks WCAG 2.1 A and AA, and what it could not decide.

A frame without it is not scanned, and would pass in silence; so its own rule `frame-tested` is on, which
leaves such a frame open.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib.resources
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from playwright.sync_api import Error, FloatRect, Frame, FrameLocator, Locator, Page

from probes.browser import evidence
from probes.observation import EVERYTHING, Shown

TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa")
_OPTIONS = {
    "runOnly": {"type": "tag", "values": TAGS},
    "rules": {"frame-tested": {"enabled": True}},
    "resultTypes": ["violations", "incomplete"],
}
_MOST_SELECTORS = 5
_RUN = """async ([options, most]) => {
    const brief = one => ({
        rule: one.id, impact: one.impact || "unknown", help: one.help, link: one.helpUrl, tags: one.tags,
        nodes: one.nodes.length, targets: one.nodes.slice(0, most).map(node => node.target),
    });
    const found = await axe.run(document, options);
    return {
        version: found.testEngine.version, passes: found.passes.length,
        violations: found.violations.map(brief), incomplete: found.incomplete.map(brief),
    };
}"""
# Frames of other origins talk to the page's axe too: a vendor's form is a part of what patients see.
_SET_UP = "; axe.configure({allowedOrigins: ['<unsafe_all_origins>']});"
_PICTURE_MS, _PICTURE_MARGIN_PX, _MARGIN_PX = 5000, 48, 12
_PRIVATE = re.compile(r"\"[^\"]*(@|\d{6})[^\"]*\"|\"[^\"]{40,}\"")
_CRITERION = re.compile(r"wcag(\d)(\d)(\d+)")
Target = Sequence[str | Sequence[str]]
"""axe's way to an element: a selector for each frame, a list of them through shadow roots."""


@dataclasses.dataclass(frozen=True, slots=True)
class Found(Shown):
    """One rule that elements of a page break, or of which axe could not decide."""

    KEPT: ClassVar = ("rule", "impact", "help", "link", "criteria", "nodes", "selectors")
    rule: str
    impact: str
    help: str
    link: str
    criteria: tuple[str, ...]
    """Success criteria of WCAG, such as 1.4.3."""
    nodes: int
    selectors: tuple[str, ...]
    """Of the first elements; ` in ` leads out of a frame."""
    picture: bytes | None = dataclasses.field(default=None, repr=False)
    """The first element and what is around it, as PNG."""


@dataclasses.dataclass(frozen=True, slots=True)
class Scan(Shown):
    """What axe says of a page as it was."""

    KEPT: ClassVar = EVERYTHING
    version: str
    frames: int
    passes: int
    """Rules that some element kept; none at all is no page."""
    violations: tuple[Found, ...]
    incomplete: tuple[Found, ...]


def scan(page: Page, private: Sequence[str] = ()) -> Scan:
    """Scan a page with all its frames; raises Playwright's Error where the page itself can't be.

    No picture of an element shows what is `private`, was typed, or looks like somebody's address.
    """
    frames = [frame for frame in page.frames if not frame.is_detached()]
    for frame in frames:
        with contextlib.suppress(*(() if frame is page.main_frame else (Error,))):
            _inject(frame)
    found = page.evaluate(_RUN, [_OPTIONS, _MOST_SELECTORS])
    targets = [one["targets"][0] for one in (*found["violations"], *found["incomplete"])]
    pictures = _pictures(page, targets, private) if targets else {}
    return Scan(
        version=found["version"],
        frames=len(frames),
        passes=found["passes"],
        violations=tuple(_found(one, pictures) for one in found["violations"]),
        incomplete=tuple(_found(one, pictures) for one in found["incomplete"]),
    )


@functools.cache
def _source() -> str:
    file = importlib.resources.files("axe_playwright_python") / "axe.min.js"
    return file.read_text(encoding="utf-8") + _SET_UP


def _inject(frame: Frame) -> None:
    if not frame.evaluate("() => typeof axe === 'object' && Boolean(axe.run)"):
        frame.evaluate(_source())


def _found(one: Mapping[str, Any], pictures: Mapping[str, bytes | None]) -> Found:
    criteria = (_CRITERION.fullmatch(tag) for tag in one["tags"])
    return Found(
        rule=one["rule"],
        impact=one["impact"],
        help=one["help"],
        link=one["link"].partition("?")[0],
        criteria=tuple(".".join(match.groups()) for match in criteria if match),
        nodes=one["nodes"],
        selectors=tuple(_selector(target) for target in one["targets"]),
        picture=pictures.get(str(one["targets"][0])),
    )


def _selector(target: Target) -> str:
    """Return the way to an element from the inside out, without what an attribute may say of somebody."""
    return _PRIVATE.sub('"…"', " in ".join(map(_css, reversed(target))))[:200]


def _css(part: str | Sequence[str]) -> str:
    return part if isinstance(part, str) else " ".join(part)


def _pictures(
    page: Page, targets: Sequence[Target], private: Sequence[str]
) -> Mapping[str, bytes | None]:
    """Return a picture of each element by its target; none where a frame can't be masked."""
    with contextlib.suppress(Error), evidence.masked(page, private):
        return {str(target): _picture(page, target) for target in targets}
    return {}


def _picture(page: Page, target: Target) -> bytes | None:
    """Return the element and what is around it; None where it can't be seen."""
    place: Page | FrameLocator = page
    for frame in target[:-1]:
        place = place.frame_locator(_css(frame))
    element: Locator = place.locator(_css(target[-1])).first
    with contextlib.suppress(Error):
        element.scroll_into_view_if_needed(timeout=_PICTURE_MS)
        box = element.bounding_box(timeout=_PICTURE_MS)
        if box is not None and box["width"] and box["height"]:
            return page.screenshot(
                clip=around(page, box, _PICTURE_MARGIN_PX),
                animations="disabled",
                timeout=_PICTURE_MS,
            )
    return None


def around(page: Page, box: FloatRect, margin_px: float = _MARGIN_PX) -> FloatRect:
    """Return a box with a margin, so far as the window shows it."""
    window = page.viewport_size or {"width": 1280, "height": 720}
    left, top = max(0.0, box["x"] - margin_px), max(0.0, box["y"] - margin_px)
    right = min(float(window["width"]), box["x"] + box["width"] + margin_px)
    bottom = min(float(window["height"]), box["y"] + box["height"] + margin_px)
    return {"x": left, "y": top, "width": max(1.0, right - left), "height": max(1.0, bottom - top)}

"""What keeps people out of a page: by axe-core in every frame of it, and by its ways for the keyboard alone.

Axe says what breaks WCAG 2.1 A and AA, and what it could not decide. A frame without it is not scanned, and
would pass in silence; so its own rule `frame-tested` is on, which leaves such a frame open.

The keyboard says what Tab reaches, in which order, and whether one sees where. Nothing is clicked: whatever
is done to the page is done by keys.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import functools
import importlib.resources
import itertools
import pathlib
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


_SCRIPT = pathlib.Path(__file__).with_name("keyboard.js").read_text(encoding="utf-8")
_FORWARD, _BACKWARD = "Tab", "Shift+Tab"
_LAPS = 2
_INNER = frozenset({"iframe", "date", "time", "datetime-local", "month", "week", "audio", "video"})
"""Kinds of controls within which Tab goes from part to part."""
_MOST_PRESSES = 200
# Of two pictures: how many pixels differ by more than a shade that nobody sees.
_DIFFER = """async ([one, other]) => {
    const pixels = async data => {
        const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${data}`)).blob());
        const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d");
        canvas.drawImage(image, 0, 0);
        return canvas.getImageData(0, 0, image.width, image.height).data;
    };
    const [a, b] = [await pixels(one), await pixels(other)];
    let differ = 0;
    for (let at = 0; at < a.length; at += 4)
        if ([0, 1, 2].some(part => Math.abs(a[at + part] - b[at + part]) > 40)) differ += 1;
    return differ;
}"""


class NotReachedError(Exception):
    """The keyboard does not get to a control; the text names it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Stop(Shown):
    """A control, or a group of which Tab reaches one and the arrow keys the rest."""

    KEPT: ClassVar = EVERYTHING
    name: str
    kind: str
    focus_pixels: int | None = None
    """How many pixels show that it has the focus; None where that is not measured."""


@dataclasses.dataclass(frozen=True, slots=True)
class Round(Shown):
    """Once through a page, forward and back."""

    KEPT: ClassVar = EVERYTHING
    reached: tuple[Stop, ...]
    """In the order of the Tab key."""
    unreached: tuple[Stop, ...]
    early: tuple[Stop, ...]
    """Reached before what stands before it in the page."""
    trapped_by: Stop | None
    """What neither Tab nor Shift+Tab leaves in one of the two directions."""


def round_trip(page: Page, paper: Page) -> Round:
    """Go through a page, or its open dialog, with the Tab key; `paper` is an empty page to compare on."""
    collected = page.evaluate(_SCRIPT, "collect")
    stops = [Stop(one["name"], one["kind"]) for one in collected]
    # What has a place of its own in the order is met in the second lap: the first begins behind it.
    early = {number for number, one in enumerate(collected) if one["ahead"]}
    there, trapped = _walk(page, _FORWARD, paper)
    back, trapped_back = (there, trapped) if trapped else _walk(page, _BACKWARD)
    met, lost = [*there, *back], there.keys() - back.keys()
    # From its only stop to the same one is a whole lap.
    kept = len(set(met)) > 1 and (trapped_back or bool(lost))
    return Round(
        reached=tuple(
            dataclasses.replace(stops[one], focus_pixels=pixels) for one, pixels in there.items()
        ),
        unreached=tuple(stop for number, stop in enumerate(stops) if number not in there),
        early=tuple(
            stops[one]
            for one, after in itertools.pairwise([*there, -1])
            if one in early or 0 <= after < one
        ),
        trapped_by=stops[met[-1]] if kept else None,
    )


def tab_to(page: Page, control: Locator, name: str) -> None:
    """Press Tab until a control, or something in it, has the focus; raises NotReachedError."""
    laps = 0
    for _ in range(_MOST_PRESSES):
        page.keyboard.press(_FORWARD)
        if has_focus(control):
            return
        laps += page.evaluate("() => document.activeElement === document.body")
        if laps == _LAPS:
            break
    raise NotReachedError(f"{name} is not reached by Tab")


def has_focus(control: Locator) -> bool:
    """Return whether a control, or something in it, has the focus."""
    return bool(control.evaluate("one => one.contains(document.activeElement)"))


def _walk(page: Page, key: str, paper: Page | None = None) -> tuple[dict[int, int | None], bool]:
    """Press a key from the start on until the focus leaves the page, or comes to where it was.

    Returns the numbers of the stops in their order, with what shows the focus of each, and whether one
    of them kept it.
    """
    met: dict[int, int | None] = {}
    last, laps = -1, 0
    page.evaluate(_SCRIPT, "start")
    for _ in range(_MOST_PRESSES):
        page.keyboard.press(key)
        at = page.evaluate(_SCRIPT, "active")
        laps += at is None
        if laps == _LAPS:
            break
        if at is None or at["stop"] < 0 or (at["stop"] == last and at["kind"] in _INNER):
            continue  # Such as a box that scrolls: nothing that has to be reached.
        stop = at["stop"]
        if stop in met:
            # A page whose end leads to its start begins again with its first stop.
            return met, stop == last or stop != next(iter(met))
        met[stop] = None if paper is None else _focus_pixels(page, paper, at["box"])
        last = stop
    return met, False


def _focus_pixels(page: Page, paper: Page, box: FloatRect) -> int:
    """Return by how many pixels a control differs from itself without the focus."""
    clip = around(page, box)
    with_focus = page.screenshot(clip=clip, animations="disabled")
    page.evaluate(_SCRIPT, "leave")
    without = page.screenshot(clip=clip, animations="disabled")
    page.evaluate(_SCRIPT, "back")
    return _differ(paper, with_focus, without)


def _differ(paper: Page, *pictures: bytes) -> int:
    sent: Sequence[Any] = [base64.b64encode(picture).decode() for picture in pictures]
    return int(paper.evaluate(_DIFFER, sent))

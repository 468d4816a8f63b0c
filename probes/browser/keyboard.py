"""A page as the keyboard alone goes through it: what Tab reaches, in which order, and whether one sees where.

Nothing is clicked: whatever is done to the page is done by keys.
"""

from __future__ import annotations

import base64
import dataclasses
import itertools
import pathlib
from collections.abc import Sequence
from typing import Any, ClassVar

from playwright.sync_api import FloatRect, Locator, Page

from probes.browser.axe import around
from probes.observation import EVERYTHING, Shown

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

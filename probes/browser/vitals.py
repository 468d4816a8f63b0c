"""Web vitals of one load of a page: what its reader waits for, and what it costs them."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from probes.observation import EVERYTHING, Shown

if TYPE_CHECKING:
    from playwright.sync_api import Page

WATCH = pathlib.Path(__file__).with_name("vitals.js").read_text(encoding="utf-8")
"""To be run in a page before it loads."""
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

"""The pages of a load run and of a verdict as people with a phone, a screen reader or a magnifier find it."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import probes
from probes.browser import Browser
from probes.observation import Deadline
from reports import load_page, sign_off
from tests.load import runs
from tests.reports import verdicts
from tests.tables import cases

SECONDS = 60
_SMALL = """() => [...document.querySelectorAll("svg text")].filter(one => {
    const box = one.getBoundingClientRect();
    return box.height && box.height < 9;
}).length"""
"""How many labels of charts are too small to read."""


def examined(browser: Browser, page: pathlib.Path, width: int) -> Mapping[str, Any]:
    """Return what axe says of a page in a window of this width, and what does not fit into it."""

    def job(started: Any, *_: object) -> Mapping[str, Any]:
        with contextlib.closing(
            started.new_context(viewport={"width": width, "height": 800})
        ) as context:
            opened, asked = context.new_page(), list[str]()
            opened.on("request", lambda request: asked.append(request.url))
            opened.goto(page.as_uri())
            small = opened.evaluate(_SMALL)
            scan, protocol = probes.axe.scan(opened), context.new_cdp_session(opened)
            (reflow,) = probes.looks.reflow(
                opened, protocol, (probes.looks.Window("", width, 800, 1),)
            )
        return {
            "broken": [(one.rule, one.selectors) for one in scan.violations],
            # It can't tell what is behind a text of a drawing, or beyond the edge of a box that scrolls.
            "open": {one.rule for one in scan.incomplete} - {"color-contrast"},
            "wide": (reflow.sideways, reflow.wide),
            "checked": scan.passes > 5,
            "asked": asked,
            "small": small,
        }

    return browser.do(job, SECONDS, Deadline.after(SECONDS))


@cases("width", {"a phone": 390, "a screen": 1300})
@cases(
    "drawn",
    {
        "a load run that passed": lambda: load_page.render(runs.concluded(runs.valid_run())),
        "a load run that failed": lambda: load_page.render(runs.concluded(runs.failed_run())),
        "a verdict to sign": lambda: sign_off.render(
            verdicts.changed(verdicts.rollback(), classification="Internal - Restricted")
        ),
    },
)
def test_the_page_keeps_nobody_out(
    browser: Browser, tmp_path: pathlib.Path, drawn: Callable[[], str], width: int
) -> None:
    page = tmp_path / "page.html"
    page.write_text(drawn(), encoding="utf-8")
    assert examined(browser, page, width) == {
        "broken": [],
        "open": set(),
        "wide": (0, ()),
        "checked": True,
        "asked": [page.as_uri()],
        "small": 0,
    }

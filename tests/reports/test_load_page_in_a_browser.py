"""The page of a load run as people with a phone, a screen reader or a magnifier find it."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Mapping
from typing import Any

import probes
from probes.browser import Browser
from probes.observation import Deadline
from reports import load_page
from tests.load import runs
from tests.tables import cases

SECONDS = 60


def examined(browser: Browser, page: pathlib.Path, width: int) -> Mapping[str, Any]:
    """Return what axe says of a page in a window of this width, and what does not fit into it."""

    def job(started: Any, *_: object) -> Mapping[str, Any]:
        with contextlib.closing(
            started.new_context(viewport={"width": width, "height": 800})
        ) as context:
            opened = context.new_page()
            opened.goto(page.as_uri())
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
        }

    return browser.do(job, SECONDS, Deadline.after(SECONDS))


@cases("width", {"a phone": 390, "a screen": 1300})
@cases("make", {"a run that passed": runs.valid_run, "a run that failed": runs.failed_run})
def test_the_page_keeps_nobody_out(
    browser: Browser, tmp_path: pathlib.Path, make: Any, width: int
) -> None:
    page = tmp_path / "load.html"
    page.write_text(load_page.render(runs.concluded(make())), encoding="utf-8")
    assert examined(browser, page, width) == {
        "broken": [],
        "open": set(),
        "wide": (0, ()),
        "checked": True,
    }

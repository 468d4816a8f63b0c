"""What all checks in a browser ask with: the run's browsers, one of each engine."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import probes
from probes.observation import Deadline
from settings.browser import Browser
from settings.delivery import Frontend
from steps.kit.run import Run


class Browsers:
    """The browsers of a run, started when a page is first opened in one, closed when the run ends."""

    def __init__(self, run: Run) -> None:
        described, self._platform = run.platform.section(Browser), run.platform
        self._made: dict[str, probes.browser.Browser] = {
            engine: probes.browser.Browser(
                engine, described.executable if engine == "chromium" else None, self._trusted
            )
            for engine in probes.browser.KINDS
        }
        for one in self._made.values():
            run.closing.callback(one.close)

    def _trusted(self, deadline: Deadline) -> list[str]:
        """Return the keys of the regions' sites that the environment's own authority has signed."""
        ca_file, frontend = (
            self._platform.environment.settings.ca_file,
            self._platform.section(Frontend),
        )
        sites = {frontend.address(region) for region in self._platform.regions} if ca_file else ()
        keys = (probes.browser.key_of(site, ca_file or "", deadline) for site in sites)
        return [key for key in keys if key is not None]

    def of(self, engine: str) -> probes.browser.Browser:
        """Return the browser of an engine."""
        return self._made[engine]


def browser(run: Run) -> probes.browser.Browser:
    """Return the run's Chromium; call it before regions are measured at once."""
    return run.shared(Browsers).of("chromium")


@dataclasses.dataclass(frozen=True, slots=True)
class Engine:
    """An engine in which pages are looked at, or why they are not."""

    name: str
    must_hold: bool
    """Whether the policy asks for it; where it is there all the same, it is advisory."""
    browser: probes.browser.Browser | None
    """None: it is not installed."""


def engines(run: Run) -> Iterator[Engine]:
    """Yield every engine; Chromium always counts as there, as only starting it tells."""
    asked = run.platform.policy.browser.engines
    for name in probes.browser.KINDS:
        there = name == "chromium" or probes.browser.installed(name)
        found = run.shared(Browsers).of(name) if there else None
        yield Engine(name, name in asked, found)

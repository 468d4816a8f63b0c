"""What all checks in a browser ask with: the run's one browser, and how its site is opened."""

from __future__ import annotations

import probes
from settings.browser import Browser
from steps.kit.run import Run


def browser(run: Run) -> probes.browser.Browser:
    """Return the run's browser: started when a page is first opened, closed when the run ends."""
    return run.shared(_opened)


def _opened(run: Run) -> probes.browser.Browser:
    described = run.platform.section(Browser)
    made = probes.browser.Browser(executable=described.executable)
    run.closing.callback(made.close)
    return made

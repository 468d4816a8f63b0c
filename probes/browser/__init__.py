"""A browser, as a patient has one: pages are opened, walked through and watched; nothing is judged.

    with contextlib.closing(Browser()) as browser:
        visit(browser, Look("https://app.example.org"), lambda page: page.title(), deadline=…)
"""

from probes.browser.program import KINDS
from probes.browser.visit import Event, Look, Reply, Visited, WrongPage, visit
from probes.browser.worker import Browser

__all__ = ["KINDS", "Browser", "Event", "Look", "Reply", "Visited", "WrongPage", "visit"]

"""A browser, as a patient has one: pages are opened, walked through and watched; nothing is judged.

Example: `visit(browser, Look("https://app.example.org"), lambda page: page.title(), seconds=20, deadline=…)`.
"""

from probes.browser.events import Event
from probes.browser.program import KINDS
from probes.browser.visits import Look, Reply, Visited, WrongPage, visit
from probes.browser.worker import Browser

__all__ = ["KINDS", "Browser", "Event", "Look", "Reply", "Visited", "WrongPage", "visit"]

"""A browser, as a patient has one: pages are opened, walked through and watched; nothing is judged.

Example: `visit(browser, Look("https://app.example.org"), lambda page: page.title(), seconds=20, deadline=…)`.
"""

from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import TimeoutError as LateError

from probes.browser.events import Event
from probes.browser.program import KINDS, installed, key_of
from probes.browser.visits import Look, Reply, Visited, WrongPage, visit
from probes.browser.worker import Browser

__all__ = [
    "KINDS",
    "Browser",
    "Event",
    "LateError",
    "Look",
    "PlaywrightError",
    "Reply",
    "Visited",
    "WrongPage",
    "installed",
    "key_of",
    "visit",
]

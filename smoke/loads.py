"""Each page of the web application, loaded afresh: what its reader waits for, and what it costs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

import probes
from smoke.examined import Loaded

if TYPE_CHECKING:
    from probes.browser.looks import Vitals
    from smoke.journey import Patient
    from smoke.pages import Pages

_BOOKED: Final = {"payment": "Pay now", "video lobby": "Video lobby"}
"""Pages of an appointment, and the links that lead to them once it is booked."""
_PAGES: Final[Mapping[str, tuple[str, Callable[[Pages], object]]]] = {
    "login": ("/#/login", lambda pages: pages.page.get_by_label("Password").click()),
    "register": ("/#/register", lambda pages: pages.page.get_by_label("Password").click()),
    "dashboard": ("/#/dashboard", lambda pages: pages.follow("Book an appointment")),
    "old booking form": (
        "/?new_appointment_ui=false#/book",
        lambda pages: pages.page.get_by_label("Date").click(),
    ),
    "new booking form": ("/?new_appointment_ui=true#/book", lambda pages: pages.choose("Day")),
    "payment": ("", lambda pages: pages.press("Pay")),
    "video lobby": ("", lambda pages: pages.press("Join the call")),
}
"""By page, where it is and what is pressed there; an appointment's pages are where its links lead."""


def load(pages: Pages, patient: Patient, provider_id: str) -> Loaded:
    """Register a patient and book, then load each page with an empty cache, and press something there."""
    wire = probes.looks.Wire(pages.page)
    found: dict[str, Vitals] = {}
    missing, booked = dict.fromkeys(_PAGES, ""), dict[str, str]()
    try:
        pages.register(patient)
        missing = {}
        pages.book("old", provider_id)
        booked = {name: pages.address(link) for name, link in _BOOKED.items()}
    except probes.browser.WrongPage as exc:
        missing = dict.fromkeys(missing or _BOOKED, str(exc))
    for name, (path, press) in _PAGES.items():
        if name in missing:
            continue
        pages.page.goto("about:blank")
        wire.forget()
        try:
            pages.go(path or booked[name])
            found[name] = wire.measured(pages.page, functools.partial(press, pages))
        except probes.browser.WrongPage as exc:
            missing[name] = str(exc)
        except probes.browser.LateError:
            missing[name] = "it did not come to rest in time"
    return Loaded(found, missing)

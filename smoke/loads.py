"""Each page of the web application, loaded afresh: what its reader waits for, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import probes
from smoke.examined import Loaded

if TYPE_CHECKING:
    from probes.browser.vitals import Vitals
    from smoke.journey import Patient
    from smoke.pages import Pages

_PAGES: Final[Mapping[str, str]] = {
    "login": "/#/login",
    "register": "/#/register",
    "dashboard": "/#/dashboard",
    "old booking form": "/?new_appointment_ui=false#/book",
    "new booking form": "/?new_appointment_ui=true#/book",
}


def load(pages: Pages, patient: Patient, _: str) -> Loaded:
    """Register a patient, then load each page with an empty cache."""
    wire = probes.vitals.Wire(pages.page)
    found: dict[str, Vitals] = {}
    try:
        pages.register(patient)
    except probes.browser.WrongPage as exc:
        return Loaded({}, dict.fromkeys(_PAGES, str(exc)))
    missing: dict[str, str] = {}
    for name, path in _PAGES.items():
        pages.page.goto("about:blank")
        wire.forget()
        try:
            pages.go(path)
            found[name] = wire.measured(pages.page)
        except probes.browser.WrongPage as exc:
            missing[name] = str(exc)
        except probes.browser.LateError:
            missing[name] = "it did not come to rest in time"
    return Loaded(found, missing)

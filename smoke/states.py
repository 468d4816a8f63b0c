"""Every page and state of the web application that a patient comes to, errors too, examined one by one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

import probes
from smoke.examined import Examined, Seen
from smoke.pages import DECLINED, EXPIRED, UNREACHABLE, Pages

if TYPE_CHECKING:
    from playwright.sync_api import CDPSession, Page, Route

    from smoke.journey import Patient

_Walk: TypeAlias = "Callable[[Pages, Patient, str], Iterator[str]]"
_OLD: Final = "/?new_appointment_ui=false"
_NEW: Final = "/?new_appointment_ui=true"
_BOOK: Final = "Book an appointment"
_MINE: Final = "Your appointments"
_PAY: Final = "Pay for your appointment"


def examine(pages: Pages, patient: Patient, provider_id: str) -> Examined:
    """Come to each state and examine it; what breaks on the way leaves the rest of its walk unseen."""
    seen: dict[str, Seen] = {}
    missing: dict[str, str] = {}
    protocol = pages.page.context.new_cdp_session(pages.page)
    for walk, headings in _WALKS.items():
        why = "it was not come to"
        try:
            for state in walk(pages, patient, provider_id):
                pages.heading(headings[state])
                seen[state] = _seen(pages.page, protocol, patient)
        except probes.browser.WrongPage as exc:
            why = str(exc)
        except probes.browser.LateError:
            why = "a page did not come to rest in time"
        missing |= {state: why for state in headings if state not in seen}
    return Examined(seen, missing)


def _seen(page: Page, protocol: CDPSession, patient: Patient) -> Seen:
    # What moves is asked first: windows of other sizes may start something.
    motion = probes.looks.motion(page)
    reflows = probes.looks.reflow(page, protocol, (probes.looks.NARROW, probes.looks.ZOOMED))
    private = (patient.email, patient.password.get_secret_value())
    return Seen(probes.axe.scan(page, private), reflows, motion)


def _account(pages: Pages, patient: Patient, _: str) -> Iterator[str]:
    pages.go(f"{_OLD}#/register")
    yield "register"
    pages.fill(patient)
    pages.press("Create account")
    yield "empty dashboard"


def _old_form(pages: Pages, _: Patient, __: str) -> Iterator[str]:
    pages.go(f"{_OLD}#/book")
    yield "old booking form"


def _new_form(pages: Pages, _: Patient, provider_id: str) -> Iterator[str]:
    pages.go(f"{_NEW}#/book")
    yield "new booking form"
    pages.choose("Provider", provider_id)
    pages.choose("Day")
    pages.choose("Time")
    pages.press("Continue")
    yield "booking dialog"
    pages.press("Confirm")
    pages.said("status", "Appointment booked")
    yield "booked"
    pages.follow("Pay now")
    yield "payment"
    with _answered(pages.page, "**/v1/payments", 402):
        pages.press("Pay")
        pages.said("alert", DECLINED)
    yield "payment declined"
    pages.press("Pay")
    pages.said("status", "Payment received")
    yield "paid"
    pages.follow("Video lobby")
    yield "video lobby"
    pages.press("Join the call")
    pages.said("status", "The call is ready")
    yield "call ready"
    pages.go(f"{_NEW}#/dashboard")
    yield "dashboard"


def _errors(pages: Pages, _: Patient, __: str) -> Iterator[str]:
    pages.go(f"{_NEW}#/nowhere")
    yield "page not found"
    with _answered(pages.page, "**/v1/**", 503):
        pages.go(f"{_NEW}#/dashboard")
        pages.said("alert", UNREACHABLE)
        yield "service unreachable"
    with _answered(pages.page, "**/v1/**", 401):
        pages.go(f"{_NEW}#/book")
        pages.said("alert", EXPIRED)
        yield "session expired"
    pages.go(f"{_NEW}#/register")
    pages.follow("Sign in")
    yield "login"


_WALKS: Final[Mapping[_Walk, Mapping[str, str]]] = {
    _account: {"register": "Create your account", "empty dashboard": _MINE},
    _old_form: {"old booking form": _BOOK},
    _new_form: {
        "new booking form": _BOOK,
        "booking dialog": "Confirm your appointment",
        "booked": _BOOK,
        "payment": _PAY,
        "payment declined": _PAY,
        "paid": _PAY,
        "video lobby": "Video lobby",
        "call ready": "Video lobby",
        "dashboard": _MINE,
    },
    _errors: {
        "page not found": "Page not found",
        "service unreachable": _MINE,
        "session expired": "Sign in",
        "login": "Sign in",
    },
}
"""The states of each walk, with the heading that each must have."""


@contextlib.contextmanager
def _answered(page: Page, where: str, status: int) -> Iterator[None]:
    """Let the browser answer in the API's place: an error that nobody has to cause."""

    def answer(route: Route) -> None:
        route.fulfill(status=status, json={"status": "declined"})

    page.route(where, answer)
    try:
        yield
    finally:
        page.unroute(where, answer)

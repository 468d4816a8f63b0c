"""The journeys of a made-up patient through the pages; a walk raises WrongPage where it can't go on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final

from smoke.journey import Patient
from smoke.pages import DECLINED, EXPIRED, UNREACHABLE, Pages

_MINE: Final = "Your appointments"
_UNKNOWN: Final = "unknown-to-the-platform"
WINDOW: Final[Mapping[str, Any]] = {"viewport": {"width": 1280, "height": 720}}
PHONE: Final[Mapping[str, Any]] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
_STATUS_OF: Final = """token => fetch("/v1/me/appointments",
    {headers: {Authorization: `Bearer ${token}`}}).then(answer => answer.status)"""
_REFUSED: Final = 401
_SIGNED_IN: Final = (
    f"location.protocol.startsWith('http') && sessionStorage.setItem('token', '{_UNKNOWN}')"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Walk:
    """A journey: what is done, on which screen, and what the browser answers in the API's place."""

    do: Callable[[Pages, Patient, str], None]
    """With the pages, the patient and the provider to book with."""
    options: Mapping[str, Any] = dataclasses.field(default_factory=lambda: WINDOW)
    scripts: tuple[str, ...] = ()
    answered: Mapping[str, int | None] = dataclasses.field(default_factory=dict)
    """By path; None: the connection is broken off."""
    expected: tuple[str, ...] = ()
    """Answers that belong to it and are no failed requests: `401`."""
    makes_records: bool = True


def _book(form: str) -> Callable[[Pages, Patient, str], None]:
    def walk(pages: Pages, patient: Patient, provider_id: str) -> None:
        pages.register(patient)
        pages.book(form, provider_id)
        pages.pay()
        pages.said("status", "Payment received")
        pages.join()
        pages.go("/#/dashboard")
        pages.heading(_MINE)
        with pages.finding("the booked appointment"):
            pages.page.get_by_role("list", name="Appointments").get_by_role("listitem").wait_for()

    return walk


def _sign_in(pages: Pages, patient: Patient, _provider_id: str) -> None:
    pages.register(patient)
    pages.sign_out()
    pages.sign_in(patient)


def _sign_out(pages: Pages, patient: Patient, _provider_id: str) -> None:
    pages.register(patient)
    token = pages.page.evaluate("sessionStorage.getItem('token')")
    pages.sign_out()
    if pages.page.evaluate("sessionStorage.getItem('token')") is not None:
        raise pages.wrong("the session's token is still in the browser after signing out")
    if pages.page.evaluate(_STATUS_OF, token) != _REFUSED:
        raise pages.wrong("the platform still accepts the session after signing out")
    pages.go("/#/dashboard")
    pages.heading("Sign in")


def _expired(pages: Pages, patient: Patient, _provider_id: str) -> None:
    pages.register(patient)
    pages.page.evaluate(f"sessionStorage.setItem('token', '{_UNKNOWN}')")
    pages.follow("Book an appointment")
    pages.heading("Sign in")
    pages.said("alert", EXPIRED)
    pages.sign_in(patient)


def _declined(pages: Pages, patient: Patient, provider_id: str) -> None:
    pages.register(patient)
    pages.book("old", provider_id)
    pages.pay()
    pages.said("alert", DECLINED)
    if pages.page.get_by_text("Payment received").count():
        raise pages.wrong("it says “Payment received” of a payment that was declined")


def _down(pages: Pages, _patient: Patient, _provider_id: str) -> None:
    for path, heading in {"/#/dashboard": _MINE, "/?b#/book": "Book an appointment"}.items():
        pages.go(path)
        pages.heading(heading)
        pages.said("alert", UNREACHABLE)


WALKS: Final[Mapping[str, Walk]] = {
    "books with the old form": Walk(_book("old")),
    "books with the new form": Walk(_book("new")),
    "signs in on a phone": Walk(_sign_in, PHONE),
    "signs out": Walk(_sign_out, expected=("401",)),
    "goes on with an expired session": Walk(_expired, expected=("401",)),
    "pays with a card that is declined": Walk(_declined, answered={"/v1/payments": 402}),
    "finds the API down": Walk(
        _down,
        scripts=(_SIGNED_IN,),
        answered={"/v1/me/*": None, "/v1/*": 503},
        makes_records=False,
    ),
}
"""By what a patient does, as the features say it."""
